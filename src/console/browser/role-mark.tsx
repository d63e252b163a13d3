/** What a node is to the cluster, as a badge with a word. */
import type { VNode } from 'preact';
import type { NodeRole } from './node-facts.ts';

const WORDS: Readonly<Record<NodeRole, readonly [string, string]>> = {
  leader: ['Leader', 'A manager that runs the schedulers now'],
  manager: ['Manager', 'Holds the registry'],
  standby: ['Standby', 'Keeps a complete copy of registry and databases'],
  worker: ['Worker', 'Runs apps and a gateway'],
};

export function RoleMark(props: { readonly role: NodeRole }): VNode {
  const [word, title] = WORDS[props.role];
  return (
    <span class={`badge role-${props.role}`} title={title}>
      {word}
    </span>
  );
}
