/** Forgetting a node for good. */
import type { VNode } from 'preact';
import { Removal } from './removal.tsx';

export function NodeRemoval(props: {
  readonly name: string;
  readonly busy: boolean;
  /** Why it cannot be forgotten from here; undefined when it can. */
  readonly problem: string | undefined;
  readonly onForget: () => void;
}): VNode {
  const { name, busy, problem, onForget } = props;
  return (
    <Removal
      id="forget"
      verb="Forget"
      command={`moln node ${name} forget`}
      kind="node"
      name={name}
      busy={busy}
      summary={
        problem ??
        'For a machine that never comes back: its certificate is refused from now on, and it would have to join anew.'
      }
      impossible={problem !== undefined}
      onConfirm={onForget}
    >
      What runs there is started elsewhere. To come back, the machine needs a new invite and an
      empty folder.
    </Removal>
  );
}
