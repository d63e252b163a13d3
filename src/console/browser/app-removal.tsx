/** Removing an app for good. */
import type { VNode } from 'preact';
import { Removal } from './removal.tsx';

export function AppRemoval(props: {
  readonly name: string;
  readonly busy: boolean;
  readonly onRemove: () => void;
}): VNode {
  const { name, busy, onRemove } = props;
  return (
    <Removal
      id="remove"
      verb="Remove"
      command={`moln app ${name} remove`}
      kind="app"
      name={name}
      busy={busy}
      summary="Ends its instances and deletes its releases, settings, secrets and data."
      onConfirm={onRemove}
    >
      This cannot be undone.
    </Removal>
  );
}
