/** The command that does the same as a part of the screen, to be copied. */
import type { VNode } from 'preact';
import { useRef, useState } from 'preact/hooks';
import { systemClock } from '../../base/time.ts';

const COPIED_SHOWN_MS = 2000;

export function Command(props: {
  readonly text: string;
  /** What the button says to those who do not see it; default: the whole command. */
  readonly label?: string;
}): VNode {
  const code = useRef<HTMLElement>(null);
  const [copied, setCopied] = useState(false);
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(props.text);
      setCopied(true);
      systemClock.after(COPIED_SHOWN_MS, () => setCopied(false));
    } catch {
      // No clipboard for this page: select the text, so that the reader's own keys copy it.
      if (code.current !== null) getSelection()?.selectAllChildren(code.current);
    }
  };
  return (
    <span class="command">
      <code ref={code}>{props.text}</code>
      <button
        type="button"
        class="copy"
        aria-label={props.label ?? `Copy the command ${props.text}`}
        onClick={() => void copy()}
      >
        <span aria-live="polite">{copied ? 'Copied' : 'Copy'}</span>
      </button>
    </span>
  );
}
