/** The four boxes of the overview: nodes, capacity, apps, traffic. */
import type { ComponentChildren, VNode } from 'preact';
import type { AppState, LiveSample, Status } from '../../api/model.ts';
import { formatBytes } from '../../base/units.ts';
import { count, formatMs, formatNumber, formatPercent } from './format.ts';
import { StateMark } from './state-mark.tsx';

/** Capacity used beyond this is worth a word. */
const FULL_RATIO = 0.9;
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

function Bar(props: {
  readonly label: string;
  readonly ratio: number;
  readonly text: string;
  /** What a nearly full bar says. */
  readonly fullWord?: string;
}): VNode {
  const ratio = Math.min(1, Math.max(0, props.ratio));
  const full = ratio > FULL_RATIO;
  return (
    <div class="bar">
      <span class="bar-label">{props.label}</span>
      <svg class="bar-track" height="8" width="100%" aria-hidden="true">
        <rect class="bar-rest" width="100%" height="8" rx="4" />
        <rect
          class={full ? 'bar-used full' : 'bar-used'}
          width={`${ratio * 100}%`}
          height="8"
          rx="4"
        />
      </svg>
      <span class="bar-text">
        {full ? `${props.fullWord ?? 'Nearly full'}: ` : ''}
        {props.text}
      </span>
    </div>
  );
}

function CapacityBox(props: { readonly status: Status }): VNode {
  const { nodes } = props.status;
  const sum = (pick: (node: Status['nodes'][number]) => number): number =>
    nodes.reduce((total, node) => total + pick(node), 0);
  const cores = sum((node) => node.cpu.cores);
  const busy = sum((node) => node.cpu.cores * node.cpu.usedRatio);
  const memory = sum((node) => node.memory.totalBytes);
  const memoryUsed = sum((node) => node.memory.usedBytes);
  const disk = sum((node) => node.disk.totalBytes);
  const diskUsed = disk - sum((node) => node.disk.freeBytes);
  const ratio = (used: number, total: number): number => (total === 0 ? 0 : used / total);
  return (
    <BoxCard title="Capacity">
      <Bar
        label="CPU"
        fullWord="Busy"
        ratio={ratio(busy, cores)}
        text={`${formatPercent(ratio(busy, cores))} of ${count(cores, 'core')}`}
      />
      <Bar
        label="Memory"
        ratio={ratio(memoryUsed, memory)}
        text={`${formatBytes(memoryUsed)} of ${formatBytes(memory)}`}
      />
      <Bar
        label="Disk"
        ratio={ratio(diskUsed, disk)}
        text={`${formatBytes(diskUsed)} of ${formatBytes(disk)}`}
      />
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
  const appStates = status.apps.map((app) => app.state);
  return (
    <div class="boxes">
      <BoxCard title="Nodes">
        <p class="big">{status.nodes.length}</p>
        <States counts={tally(nodeStates, ['stopping', 'starting', 'ready'])} />
        <p class="small">
          Leader {status.leader}
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
