/** How far a copy is in its log, and who waits until it is further. */
import type { Clock } from '../base/time.ts';
import type { Applied } from './applied.ts';
import type { Head } from './commit-log.ts';
import { hex, NO_HASH, sameHash } from './entry.ts';
import { behind, corrupt } from './errors.ts';

export class Progress {
  #applied: Applied = { index: 0, hash: NO_HASH, schemaVersion: 0, epoch: 0 };
  readonly #waiters = new Set<() => void>();
  readonly #stripe: { readonly name: string; readonly clock: Clock };
  readonly #ended: AbortSignal;
  readonly #hurry: () => void;

  /** `ended` ends all waiting, with its reason. `hurry` is called as long as somebody waits for an entry that is not there. */
  constructor(
    stripe: { readonly name: string; readonly clock: Clock },
    ended: AbortSignal,
    hurry: () => void,
  ) {
    this.#stripe = stripe;
    this.#ended = ended;
    this.#hurry = hurry;
  }

  get applied(): Applied {
    return this.#applied;
  }

  moved(applied: Applied): void {
    this.#applied = applied;
    this.wake();
  }

  /** Of a copy that has read its log to the end: one that has more than that, or something else, never was a copy of it. */
  checkEnd(head: Head): void {
    const { index, hash } = this.#applied;
    if (head.index < index || !sameHash(head.hash, hash)) {
      throw corrupt(
        `This copy is at entry ${index} (${hex(hash).slice(0, 12)}), the log of stripe "${this.#stripe.name}" ends at ${head.index} (${hex(head.hash).slice(0, 12)})`,
      );
    }
  }

  /** Has everybody who waits look again. */
  wake(): void {
    for (const wake of this.#waiters) wake();
    this.#waiters.clear();
  }

  /** Resolves when the file contains the entry. Rejects with `DATABASE_BEHIND` when it does not within that time. */
  async reached(index: number, withinMs: number): Promise<void> {
    if (this.#applied.index >= index) return;
    const { name, clock } = this.#stripe;
    let look = (): void => {};
    let isLate = false;
    using _deadline = clock.after(withinMs, () => {
      isLate = true;
      look();
    });
    while (this.#applied.index < index) {
      this.#ended.throwIfAborted();
      if (isLate) throw behind(name, this.#applied.index, index);
      const { promise, resolve } = Promise.withResolvers<void>();
      look = resolve;
      this.#waiters.add(resolve);
      this.#hurry();
      await promise;
      this.#waiters.delete(resolve);
    }
  }
}
