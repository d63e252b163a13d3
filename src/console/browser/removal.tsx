/** Ends something for good: only after its name was typed. */
import type { ComponentChildren, VNode } from 'preact';
import { useState } from 'preact/hooks';
import { Confirm } from './dialog.tsx';
import { Section } from './section.tsx';

export function Removal(props: {
  readonly id: string;
  /** `Remove`, `Forget`: on the section and the buttons. */
  readonly verb: string;
  readonly command: string;
  /** `app` or `node`. */
  readonly kind: string;
  readonly name: string;
  readonly busy: boolean;
  /** What it means, or why it cannot be done. */
  readonly summary: string;
  readonly impossible?: boolean;
  /** Said once more before it is done. */
  readonly children: ComponentChildren;
  readonly onConfirm: () => void;
}): VNode {
  const { verb, kind, name } = props;
  const [asked, setAsked] = useState(false);
  const [typed, setTyped] = useState('');
  const tools = (
    <button
      type="button"
      class="danger"
      disabled={props.busy || props.impossible === true}
      onClick={() => setAsked(true)}
    >
      {verb} {name} …
    </button>
  );
  return (
    <Section id={props.id} title={verb} command={props.command} tools={tools}>
      <p class="small">{props.summary}</p>
      {asked ? (
        <Confirm
          title={`${verb} ${name} for good?`}
          action={verb}
          danger
          disabled={typed !== name}
          onClose={() => {
            setAsked(false);
            setTyped('');
          }}
          onConfirm={props.onConfirm}
        >
          <p>
            {props.children} Type the name of the {kind} to go on.
          </p>
          <label class="stacked">
            Name of the {kind}
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
