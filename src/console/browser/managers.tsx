/** Who holds the registry, who leads and why, and what the loss of a machine would mean. */
import type { ComponentChildren, VNode } from 'preact';
import type { ManagerStatus, NodeStatus } from '../../api/model.ts';
import { isAway } from './node-facts.ts';
import { nodePath } from './router.ts';
import { Section } from './section.tsx';
import { StateMark } from './state-mark.tsx';

const MODES: Readonly<Record<ManagerStatus['mode'], string>> = {
  automatic: 'chosen automatically',
  pinned: 'chosen by hand',
};

function NodeLink(props: { readonly name: string }): VNode {
  return <a href={nodePath(props.name)}>{props.name}</a>;
}

/** `a, b, c` with links; those that are away say so. */
function names(managers: readonly string[], nodes: readonly NodeStatus[]): ComponentChildren {
  if (managers.length === 0) return 'none that answers';
  return managers.map((name, index) => {
    const away = nodes.find((node) => node.name === name && isAway(node));
    return (
      <span key={name}>
        {index === 0 ? '' : ', '}
        <NodeLink name={name} />
        {away === undefined ? null : (
          <>
            {' '}
            <StateMark state={away.state} />
          </>
        )}
      </span>
    );
  });
}

function standbyOf(manager: ManagerStatus): ComponentChildren {
  const { standby, managers } = manager;
  if (standby !== undefined) {
    return (
      <>
        <NodeLink name={standby.node} />{' '}
        <StateMark state={standby.isInSync ? 'complete' : 'copying'} />
      </>
    );
  }
  return managers.length > 1 ? 'none needed: the managers hold copies' : 'none';
}

function Facts(props: {
  readonly manager: ManagerStatus;
  readonly nodes: readonly NodeStatus[];
}): VNode {
  const { manager, nodes } = props;
  return (
    <>
      <p class="says">{manager.sentence}.</p>
      <dl class="pairs wide">
        <dt>Leader</dt>
        <dd>
          {manager.leader === undefined ? 'nobody' : <NodeLink name={manager.leader} />}
          <span class="aside">{manager.leaderWhy}</span>
        </dd>
        <dt>Managers</dt>
        <dd>
          {names(manager.managers, nodes)}
          <span class="aside">{MODES[manager.mode]}</span>
        </dd>
        <dt>Standby</dt>
        <dd>{standbyOf(manager)}</dd>
        <dt>Registry</dt>
        <dd>
          <StateMark state={manager.isLive ? 'answers' : 'silent'} /> {manager.engine}
          {manager.endpoints.map((endpoint) => (
            <span key={endpoint} class="aside">
              <code>{endpoint}</code>
            </span>
          ))}
        </dd>
      </dl>
    </>
  );
}

export function Managers(props: {
  readonly manager: ManagerStatus | undefined;
  readonly nodes: readonly NodeStatus[];
  readonly otherwise: string;
}): VNode {
  const { manager, nodes, otherwise } = props;
  return (
    <Section id="managers" title="Managers" command="moln manager">
      {manager === undefined ? (
        <p class="nothing">{otherwise}</p>
      ) : (
        <Facts manager={manager} nodes={nodes} />
      )}
    </Section>
  );
}
