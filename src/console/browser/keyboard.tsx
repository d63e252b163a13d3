/** Keys for the whole console, and the help that lists them. */
import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { systemClock } from '../../base/time.ts';
import { Dialog } from './dialog.tsx';
import { navigate } from './router.ts';

/** How long after `g` the second key is waited for. */
const SECOND_KEY_MS = 1500;

const PLACES: Readonly<Record<string, string>> = {
  o: '/',
  a: '/#apps',
  d: '/databases',
  f: '/storage',
  n: '/nodes',
  r: '/routes',
  g: '/gateway',
  e: '/events',
  s: '/settings',
};

const KEYS: readonly (readonly [string, string])[] = [
  ['g o', 'Overview'],
  ['g a', 'Apps'],
  ['g d', 'Databases'],
  ['g f', 'Storage of files'],
  ['g n', 'Nodes'],
  ['g r', 'Routes'],
  ['g g', 'Gateway'],
  ['g e', 'Events'],
  ['g s', 'Settings'],
  ['/', 'Filter the table or the log'],
  ['← →', 'In a chart: one second back or on; Page Up and Page Down: one minute'],
  ['Esc', 'Close what is open'],
  ['?', 'This help'],
];

function typing(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || ['INPUT', 'TEXTAREA', 'SELECT'].includes(target.tagName))
  );
}

function focusFilter(): boolean {
  const filter = document.querySelector<HTMLElement>('[data-filter]');
  filter?.focus();
  return filter !== null;
}

/** Listens to keys; true while the help is open. */
export function useKeyboard(): {
  readonly help: boolean;
  readonly setHelp: (open: boolean) => void;
} {
  const [help, setHelp] = useState(false);
  useEffect(() => {
    let goUntil = 0;
    const onKey = (event: KeyboardEvent): void => {
      if (event.metaKey || event.ctrlKey || event.altKey || typing(event.target)) return;
      if (document.querySelector('dialog[open]') !== null) return;
      const now = systemClock.monotonicMs();
      const place = now < goUntil ? PLACES[event.key] : undefined;
      goUntil = 0;
      if (place !== undefined) navigate(place);
      else if (event.key === 'g') goUntil = now + SECOND_KEY_MS;
      else if (event.key === '?') setHelp(true);
      else if (event.key !== '/' || !focusFilter()) return;
      event.preventDefault();
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, []);
  return { help, setHelp };
}

export function KeyboardHelp(props: { readonly onClose: () => void }): VNode {
  return (
    <Dialog title="Keys" onClose={props.onClose}>
      <dl class="keys">
        {KEYS.map(([key, text]) => (
          <div key={key}>
            <dt>
              {key.split(' ').map((one) => (
                <kbd key={one}>{one}</kbd>
              ))}
            </dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
      <p class="buttons">
        <button type="button" onClick={props.onClose}>
          Close
        </button>
      </p>
    </Dialog>
  );
}
