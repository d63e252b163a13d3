/** The four boxes of the overview: nodes, capacity, apps, traffic. */
import type { ComponentChildren, VNode } from 'preact';
import type { AppState, LiveSample, NodeStatus, Status } from '../../api/model.ts';
import { formatBytes } from '../../base/units.ts';
import { CapacityBars } from './capacity.tsx';
import { count, formatMs, formatNumber } from './format.ts';
import { isAway } from './node-facts.ts';
import { nodePath } from './router.ts';
import { StateMark } from './state-mark.tsx';

type NodeState = NodeStatus['state'];

/** What asks for attention first. */
const NODE_STATES: readonly NodeState[] = [
  'lost',
  'suspect',
  'draining',
  'stopping',
  'starting',
  'ready',
];
const APP_STATES: readonly AppState[] = [
  'failing',
  'degraded',
  'starting',
  'deploying',
  'healthy',
  'stopped',
  'empty',
];

function BoxCard(props: { readonly title: string; readonly children: ComponentChildren }): VNode {
  return (
    <section class="box">
      <h2>{props.title}</h2>
      {props.children}
    </section>
  );
}

function States(props: { readonly counts: readonly (readonly [string, number])[] }): VNode {
  return (
    <ul class="states">
      {props.counts
        .filter(([, amount]) => amount > 0)
        .map(([state, amount]) => (
          <li key={state}>
            <StateMark state={state} /> <span class="figure">{amount}</span>
          </li>
        ))}
    </ul>
  );
}

function tally<State extends string>(
  states: readonly State[],
  order: readonly State[],
): readonly (readonly [State, number])[] {
  return order.map((state) => [state, states.filter((one) => one === state).length]);
}

function CapacityBox(props: { readonly status: Status }): VNode {
  return (
    <BoxCard title="Capacity">
      <CapacityBars nodes={props.status.nodes.filter((node) => !isAway(node))} />
    </BoxCard>
  );
}

function TrafficBox(props: { readonly sample: LiveSample | undefined }): VNode {
  const { sample } = props;
  return (
    <BoxCard title="Traffic">
      <p class="big">
        {sample === undefined ? '–' : formatNumber(sample.requestsPerSecond)}
        <span class="unit"> requests/s</span>
      </p>
      <dl class="pairs">
        <dt>p95</dt>
        <dd>{sample === undefined ? '–' : formatMs(sample.p95Ms)}</dd>
        <dt>Errors</dt>
        <dd>{sample === undefined ? '–' : `${formatNumber(sample.errorsPerSecond)}/s`}</dd>
        <dt>Connections</dt>
        <dd>{sample === undefined ? '–' : formatNumber(sample.connections)}</dd>
        <dt>Sent</dt>
        <dd>{sample === undefined ? '–' : `${formatBytes(sample.bytesOutPerSecond)}/s`}</dd>
      </dl>
    </BoxCard>
  );
}

export function Boxes(props: {
  readonly status: Status;
  readonly sample: LiveSample | undefined;
}): VNode {
  const { status, sample } = props;
  const nodeStates = status.nodes.map((node) => node.state);
  const regions = new Set(status.nodes.map((node) => node.region)).size;
  const appStates = status.apps.map((app) => app.state);
  return (
    <div class="boxes">
      <BoxCard title="Nodes">
        <p class="big">{status.nodes.length}</p>
        <States counts={tally(nodeStates, NODE_STATES)} />
        <p class="small">
          {regions > 1 ? `In ${count(regions, 'region')}. ` : ''}
          {status.leader === '' ? (
            <>{status.registry.isLive ? 'Nobody leads' : 'No manager answers'}</>
          ) : (
            <>
              Leader <a href={nodePath(status.leader)}>{status.leader}</a>
            </>
          )}
          <br />
          Apps are {status.driver.isolated ? 'kept apart' : 'not kept apart'}:{' '}
          <span title={status.driver.why}>{status.driver.name}</span>
        </p>
      </BoxCard>
      <CapacityBox status={status} />
      <BoxCard title="Apps">
        <p class="big">{status.apps.length}</p>
        <States counts={tally(appStates, APP_STATES)} />
      </BoxCard>
      <TrafficBox sample={sample} />
    </div>
  );
}
