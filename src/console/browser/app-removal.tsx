/** Removing an app for good: only after its name was typed. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { Confirm } from './dialog.tsx';
import { Section } from './section.tsx';

export function AppRemoval(props: {
  readonly name: string;
  readonly busy: boolean;
  readonly onRemove: () => void;
}): VNode {
  const { name } = props;
  const [asked, setAsked] = useState(false);
  const [typed, setTyped] = useState('');
  const tools = (
    <button type="button" class="danger" disabled={props.busy} onClick={() => setAsked(true)}>
      Remove {name} …
    </button>
  );
  return (
    <Section id="remove" title="Remove" command={`moln app ${name} remove`} tools={tools}>
      <p class="small">Ends its instances and deletes its releases, settings, secrets and data.</p>
      {asked ? (
        <Confirm
          title={`Remove ${name} for good?`}
          action="Remove"
          danger
          disabled={typed !== name}
          onClose={() => {
            setAsked(false);
            setTyped('');
          }}
          onConfirm={props.onRemove}
        >
          <p>This cannot be undone. Type the name of the app to go on.</p>
          <label class="stacked">
            Name of the app
            <input
              autocomplete="off"
              spellcheck={false}
              value={typed}
              onInput={(event) => setTyped(event.currentTarget.value)}
            />
          </label>
        </Confirm>
      ) : null}
    </Section>
  );
}
