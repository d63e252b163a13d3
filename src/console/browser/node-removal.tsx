/** Forgetting a node for good: only after its name was typed. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { Confirm } from './dialog.tsx';
import { Section } from './section.tsx';

export function NodeRemoval(props: {
  readonly name: string;
  readonly busy: boolean;
  /** Why it cannot be forgotten from here; undefined when it can. */
  readonly problem: string | undefined;
  readonly onForget: () => void;
}): VNode {
  const { name, problem } = props;
  const [asked, setAsked] = useState(false);
  const [typed, setTyped] = useState('');
  const tools = (
    <button
      type="button"
      class="danger"
      disabled={props.busy || problem !== undefined}
      onClick={() => setAsked(true)}
    >
      Forget {name} …
    </button>
  );
  return (
    <Section id="forget" title="Forget" command={`moln node ${name} forget`} tools={tools}>
      <p class="small">
        {problem ??
          'For a machine that never comes back: its certificate is refused from now on, and it would have to join anew.'}
      </p>
      {asked ? (
        <Confirm
          title={`Forget ${name} for good?`}
          action="Forget"
          danger
          disabled={typed !== name}
          onClose={() => {
            setAsked(false);
            setTyped('');
          }}
          onConfirm={props.onForget}
        >
          <p>
            What runs there is started elsewhere. To come back, the machine needs a new invite and
            an empty folder. Type the name of the node to go on.
          </p>
          <label class="stacked">
            Name of the node
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
