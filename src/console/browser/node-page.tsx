/** One node: how it stands and why, what it has, what runs there, its labels, and everything one may do to it. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { ManagerStatus, NodeDetail } from '../../api/model.ts';
import type { Action } from './action.tsx';
import type { View } from './view.ts';
import { ActionReport, useAction } from './action.tsx';
import { api } from './api.ts';
import { useAppDetails } from './app-details.ts';
import { CapacityBars } from './capacity.tsx';
import { Command } from './command.tsx';
import { Confirm } from './dialog.tsx';
import { formatAbsolute } from './format.ts';
import { Ago, Since } from './moment.tsx';
import { NodeEvents } from './node-events.tsx';
import { instancesOn, isAway, roleOf, whyNotForgotten } from './node-facts.ts';
import { NodeInstances } from './node-instances.tsx';
import { NodeLabels } from './node-labels.tsx';
import { NodeRemoval } from './node-removal.tsx';
import { RoleMark } from './role-mark.tsx';
import { navigate } from './router.ts';
import { Section } from './section.tsx';
import { StateMark } from './state-mark.tsx';
import { usePolled } from './time-hooks.ts';

const DETAIL_EVERY_MS = 2000;
const MANAGER_EVERY_MS = 3000;
/** Shorter silences are the time between two check-ins. */
const SILENCE_WORTH_A_WORD_MS = 2000;

function Buttons(props: {
  readonly node: NodeDetail;
  /** Whether another node can take what runs here. */
  readonly hasOthers: boolean;
  readonly action: Action;
}): VNode {
  const { node, hasOthers, action } = props;
  const { name } = node;
  const [asked, setAsked] = useState(false);
  if (node.state === 'draining') {
    return (
      <div class="buttons">
        <button
          type="button"
          class="primary"
          disabled={action.running}
          onClick={() =>
            void action.run(`Use ${name} again`, () => api.changeNode(name, 'undrain'))
          }
        >
          Use again
        </button>
      </div>
    );
  }
  return (
    <div class="buttons">
      <button type="button" disabled={action.running} onClick={() => setAsked(true)}>
        Drain …
      </button>
      {asked ? (
        <Confirm
          title={`Drain ${name}?`}
          action="Drain"
          onClose={() => setAsked(false)}
          onConfirm={() => void action.run(`Drain ${name}`, () => api.changeNode(name, 'drain'))}
        >
          {hasOthers ? (
            <p>
              Its instances are started elsewhere before they stop here, so visitors notice nothing.
            </p>
          ) : (
            <p class="tone-warn">
              ▲ No other node is ready now, so nothing can be started elsewhere.
            </p>
          )}
          <p>Nothing new comes here until it is used again.</p>
          <Command text={`moln node ${name} drain`} />
        </Confirm>
      ) : null}
    </div>
  );
}

/** Stays the same while the node is loaded, so that its title keeps the focus. */
function Head(props: {
  readonly name: string;
  readonly node: NodeDetail | undefined;
  readonly otherwise: string;
  readonly hasOthers: boolean;
  readonly action: Action;
}): VNode {
  const { name, node, hasOthers, action } = props;
  return (
    <div class="app-head">
      <div>
        <p class="crumbs">
          <a href="/nodes">Nodes</a> /
        </p>
        <h1>{name}</h1>
        <p class="lead" aria-live="polite">
          {node === undefined ? props.otherwise : <StateMark state={node.state} />}
          {node === undefined ? null : <span>{node.reason}</span>}
        </p>
      </div>
      <div class="app-tools">
        {node === undefined ? null : <Buttons node={node} hasOthers={hasOthers} action={action} />}
        <Command text={`moln node ${name}`} />
      </div>
    </div>
  );
}

function Facts(props: {
  readonly node: NodeDetail;
  readonly manager: ManagerStatus | undefined;
}): VNode {
  const { node, manager } = props;
  return (
    <Section id="facts" title="Facts" command={`moln node ${node.name} --json`}>
      <dl class="pairs wide double">
        <dt>Role</dt>
        <dd>
          <RoleMark role={roleOf(node, manager)} />
        </dd>
        <dt>Region</dt>
        <dd>{node.region}</dd>
        <dt>Address</dt>
        <dd>
          <code>
            {node.address}:{node.port}
          </code>
        </dd>
        <dt>Version</dt>
        <dd>{node.version === '' ? 'not known' : node.version}</dd>
        <dt>Up for</dt>
        <dd>
          {node.startedAt === 0 || isAway(node) ? 'not known' : <Since at={node.startedAt} />}
        </dd>
        <dt>Last heard</dt>
        <dd>
          {node.silentMs < SILENCE_WORTH_A_WORD_MS
            ? 'just now'
            : `${Math.round(node.silentMs / 1000)} s ago`}
        </dd>
        <dt>Joined</dt>
        <dd>
          <Ago at={node.joinedAt} />
        </dd>
        <dt>Certificate</dt>
        <dd>
          until {formatAbsolute(node.certificateEndsAt)}
          <span class="aside">renewed by itself</span>
        </dd>
        <dt>Data folder</dt>
        <dd>
          {node.dataFolder === '' ? 'not known' : <code class="path">{node.dataFolder}</code>}
        </dd>
      </dl>
    </Section>
  );
}

function Capacity(props: { readonly node: NodeDetail }): VNode {
  const { node } = props;
  return (
    <Section id="capacity" title="Capacity" command="moln nodes">
      {node.cpu.cores === 0 ? (
        <p class="nothing">It has not said what it has.</p>
      ) : (
        <>
          {isAway(node) ? <p class="small">As it was when it was last seen.</p> : null}
          <CapacityBars nodes={[node]} />
        </>
      )}
    </Section>
  );
}

export function NodePage(props: { readonly view: View; readonly name: string }): VNode {
  const { view, name } = props;
  const polled = usePolled(name, (signal) => api.node(name, signal), DETAIL_EVERY_MS);
  const manager = usePolled('manager', (signal) => api.manager(signal), MANAGER_EVERY_MS).value;
  const apps = useAppDetails(view.status);
  const action = useAction(() => {
    polled.refresh();
    view.refresh();
  });
  const node = polled.value;
  const forget = async (): Promise<void> => {
    const gone = await action.run(`Forget ${name}`, () => api.forgetNode(name));
    if (gone) navigate('/nodes');
  };
  return (
    <>
      <Head
        name={name}
        node={node}
        otherwise={polled.failure?.message ?? 'Loading …'}
        hasOthers={view.status.nodes.some((one) => one.name !== name && one.state === 'ready')}
        action={action}
      />
      {node === undefined || polled.failure === undefined ? null : (
        <p class="tone-warn" role="status">
          ▲ {polled.failure.message}. What follows is how it was.
        </p>
      )}
      <ActionReport action={action} />
      {node === undefined ? null : (
        <>
          <div class="columns">
            <Facts node={node} manager={manager} />
            <Capacity node={node} />
          </div>
          <NodeInstances
            name={name}
            instances={apps === undefined ? undefined : instancesOn(node, apps)}
          />
          <NodeLabels node={node} action={action} />
          <NodeEvents name={name} />
          <NodeRemoval
            name={name}
            busy={action.running}
            problem={whyNotForgotten(name, {
              self: view.status.self,
              managers: manager?.managers ?? [],
            })}
            onForget={() => void forget()}
          />
        </>
      )}
    </>
  );
}
