/**
 * Marks: one small key beside the data that each commit in flight writes too, so that a commit whose answer was lost
 * can be looked up, and one that is still on its way can be made impossible. A mark belongs to one commit at a time.
 */
import type { Condition, Operation, Revision } from '../contract.ts';
import { CONDITIONS_MAX, OPERATIONS_MAX } from '../limits.ts';

export interface Mark {
  /** Its key in etcd. */
  readonly key: Uint8Array;
  /** At which revision it was last written; undefined when that has to be read first. */
  revision: Revision | undefined;
}

/** Commits of one client that are on their way at the same time; more wait. */
export const COMMITS_IN_FLIGHT_MAX = 128;

export class Marks {
  readonly #keyOf: (index: number) => Uint8Array;
  readonly #free: Mark[] = [];
  readonly #waiting: ((mark: Mark) => void)[] = [];
  #count = 0;

  constructor(keyOf: (index: number) => Uint8Array) {
    this.#keyOf = keyOf;
  }

  async take(): Promise<Mark> {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (this.#count < COMMITS_IN_FLIGHT_MAX) {
      return { key: this.#keyOf(this.#count++), revision: undefined };
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  give(mark: Mark): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free.push(mark);
    else next(mark);
  }
}

/**
 * A commit can carry a mark when there is room for one more part, and when it changes something in any case: a commit
 * that changes nothing must not make a revision.
 */
export function canBeMarked(
  conditions: readonly Condition[],
  operations: readonly Operation[],
): boolean {
  if (conditions.length >= CONDITIONS_MAX || operations.length >= OPERATIONS_MAX) return false;
  const present = conditions.filter(({ revision }) => revision > 0).map(({ key }) => key);
  return operations.some((operation) => {
    if (operation.kind === 'put') return true;
    if (operation.kind === 'delete') return present.includes(operation.key);
    return present.some((key) => key.startsWith(operation.prefix));
  });
}
