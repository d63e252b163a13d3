/** Time for components: one shared tick a second, and polling that rests while nobody looks. */
import { useEffect, useState } from 'preact/hooks';
import { isMolnError } from '../../base/errors.ts';
import { systemClock } from '../../base/time.ts';

const TICK_MS = 1000;
const listeners = new Set<() => void>();
let ticking: Disposable | undefined;

function listen(call: () => void): () => void {
  listeners.add(call);
  ticking ??= systemClock.every(TICK_MS, () => {
    for (const listener of listeners) listener();
  });
  return () => {
    listeners.delete(call);
    if (listeners.size > 0) return;
    ticking?.[Symbol.dispose]();
    ticking = undefined;
  };
}

/** Epoch milliseconds, renewed every second. */
export function useNow(): number {
  const [now, setNow] = useState(systemClock.now());
  useEffect(() => listen(() => setNow(systemClock.now())), []);
  return now;
}

/**
 * Does `work` while the page is visible, anew each time it is shown again. Browsers allow six connections to a
 * node over HTTP/1.1, all tabs together: streams of hidden tabs would starve the visible one. Returns how to end it.
 */
export function whileVisible(work: (signal: AbortSignal) => Promise<void>): () => void {
  let stop: AbortController | undefined;
  const update = (): void => {
    if (document.hidden) {
      stop?.abort();
      stop = undefined;
    } else if (stop === undefined) {
      stop = new AbortController();
      void work(stop.signal);
    }
  };
  document.addEventListener('visibilitychange', update);
  update();
  return () => {
    document.removeEventListener('visibilitychange', update);
    stop?.abort();
  };
}

export interface Polled<T> {
  /** The last good answer, kept while the node is away. */
  readonly value: T | undefined;
  /** Why the last try failed; undefined after a good one. */
  readonly failure: { readonly message: string; readonly code: string } | undefined;
  readonly refresh: () => void;
}

/**
 * Loads at once, whenever `key` changes, and every `everyMs` while the page is visible.
 * An answer that comes after `key` has changed is dropped.
 */
export function usePolled<T>(
  key: string,
  load: (signal: AbortSignal) => Promise<T>,
  everyMs: number,
  first?: T,
): Polled<T> {
  const [state, setState] = useState<{ key: string; value?: T; failure?: Polled<T>['failure'] }>(
    first === undefined ? { key } : { key, value: first },
  );
  const [round, setRound] = useState(0);
  useEffect(() => {
    const stop = new AbortController();
    const once = async (): Promise<void> => {
      try {
        const value = await load(stop.signal);
        if (!stop.signal.aborted) setState({ key, value });
      } catch (error) {
        if (stop.signal.aborted) return;
        const failure = isMolnError(error)
          ? { message: error.message, code: error.code }
          : { message: 'The node gave an answer that was not understood', code: 'CONSOLE_ANSWER' };
        setState((last) => (last.key === key ? { ...last, failure } : { key, failure }));
      }
    };
    void once();
    const timer = systemClock.every(everyMs, () => {
      if (!document.hidden) void once();
    });
    return () => {
      stop.abort();
      timer[Symbol.dispose]();
    };
  }, [key, round, everyMs]);
  const current = state.key === key ? state : { key };
  return {
    value: current.value,
    failure: current.failure,
    refresh: () => setRound((before) => before + 1),
  };
}
