/**
 * Wakes watches when a commit touches their prefix. A watcher is a place in the history and not a queue: one that
 * is slow costs no memory and never holds a commit back.
 */
import type { Revision } from './contract.ts';

export interface Watcher {
  readonly prefix: string;
  /** The next revision to look at. */
  cursor: Revision;
  /** Set while it waits for news. */
  wake: (() => void) | undefined;
}

export class Watchers {
  readonly #all = new Set<Watcher>();

  add(prefix: string, cursor: Revision): Watcher {
    const watcher: Watcher = { prefix, cursor, wake: undefined };
    this.#all.add(watcher);
    return watcher;
  }

  remove(watcher: Watcher): void {
    this.#all.delete(watcher);
  }

  /** After commits up to `revision` that changed `keys`. One that waits and is not concerned just moves on. */
  notify(keys: readonly string[], revision: Revision): void {
    for (const watcher of this.#all) {
      if (watcher.wake === undefined) continue;
      if (keys.some((key) => key.startsWith(watcher.prefix))) wake(watcher);
      else watcher.cursor = Math.max(watcher.cursor, revision + 1);
    }
  }

  wakeAll(): void {
    for (const watcher of this.#all) wake(watcher);
  }

  /** Resolves at the next commit under the prefix, or when somebody wakes it. */
  async wait(watcher: Watcher): Promise<void> {
    await new Promise<void>((resolve) => {
      watcher.wake = resolve;
    });
  }
}

/** Clears `wake` first: a woken watcher no longer waits, so the next commit must not move its cursor on. */
export function wake(watcher: Watcher): void {
  const call = watcher.wake;
  watcher.wake = undefined;
  call?.();
}
