/** A modal question: the browser's own dialog keeps the focus inside and closes on Escape. */
import type { ComponentChildren, VNode } from 'preact';
import { useEffect, useRef } from 'preact/hooks';

export function Dialog(props: {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ComponentChildren;
}): VNode {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const opener = document.activeElement;
    dialog.current?.showModal();
    return () => {
      dialog.current?.close();
      if (opener instanceof HTMLElement) opener.focus();
    };
  }, []);
  return (
    <dialog ref={dialog} aria-labelledby="dialog-title" onClose={props.onClose}>
      <h2 id="dialog-title">{props.title}</h2>
      {props.children}
    </dialog>
  );
}

/**
 * Asks before something is done. The focus begins on the harmless answer of a dangerous question; `disabled` keeps
 * the answer yes away.
 */
export function Confirm(props: {
  readonly title: string;
  readonly action: string;
  readonly danger?: boolean;
  readonly children: ComponentChildren;
  readonly disabled?: boolean;
  readonly onConfirm: () => void;
  readonly onClose: () => void;
}): VNode {
  const danger = props.danger === true;
  const typed = props.disabled !== undefined;
  return (
    <Dialog title={props.title} onClose={props.onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (props.disabled === true) return;
          props.onClose();
          props.onConfirm();
        }}
      >
        {props.children}
        <p class="buttons">
          <button type="button" autofocus={danger && !typed} onClick={props.onClose}>
            Cancel
          </button>
          <button
            type="submit"
            autofocus={!danger}
            class={danger ? 'danger' : 'primary'}
            disabled={props.disabled === true}
          >
            {props.action}
          </button>
        </p>
      </form>
    </Dialog>
  );
}
