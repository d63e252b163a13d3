/** How far a copy is in its log, and who waits until it is further. */
import type { Applied } from './applied.ts';
import { NO_HASH } from './entry.ts';

export class Progress {
  #applied: Applied = { index: 0, hash: NO_HASH, schemaVersion: 0, epoch: 0 };
  readonly #waiters = new Set<() => void>();

  get applied(): Applied {
    return this.#applied;
  }

  moved(applied: Applied): void {
    this.#applied = applied;
    this.wake();
  }

  /** Has everybody who waits look again. */
  wake(): void {
    for (const wake of this.#waiters) wake();
    this.#waiters.clear();
  }

  /** Resolves when the file contains the entry; `hurry` is called as long as it does not. Throws the signal's reason. */
  async reached(index: number, hurry: () => void, signal: AbortSignal): Promise<void> {
    while (this.#applied.index < index) {
      signal.throwIfAborted();
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiters.add(resolve);
      hurry();
      await promise;
    }
  }
}
