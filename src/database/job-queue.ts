/** Who waits for a stripe, in the order in which they came, and which of them the next group takes. */
import { GROUP_BYTES_MAX, GROUP_TRANSACTIONS_MAX } from './limits.ts';
import type { Hold } from './hold.ts';
import type { Statement, StatementResult } from './statement.ts';

/** One whole transaction. */
export interface Job {
  readonly statements: readonly Statement[];
  readonly bytes: number;
  readonly planned: number | undefined;
  readonly resolve: (results: readonly StatementResult[]) => void;
  readonly reject: (error: unknown) => void;
  /** Must be a group of its own. */
  isAlone: boolean;
}

/** Somebody who wants the stripe for himself. */
export interface Turn {
  readonly take: (hold: Hold) => void;
  readonly reject: (error: unknown) => void;
}

export class JobQueue {
  readonly #waiting: (Job | Turn)[] = [];

  get length(): number {
    return this.#waiting.length;
  }

  get first(): Job | Turn | undefined {
    return this.#waiting[0];
  }

  push(one: Job | Turn): void {
    this.#waiting.push(one);
  }

  /** In front of all others. */
  putBack(jobs: readonly Job[]): void {
    this.#waiting.unshift(...jobs);
  }

  /** The first goes. */
  shift(): void {
    this.#waiting.shift();
  }

  rejectAll(reason: Error): void {
    for (const one of this.#waiting.splice(0)) one.reject(reason);
  }

  /** A group that begins now has room for as much again, and nobody who waits must be alone. */
  get mayGrow(): boolean {
    const bytes = (one: Job | Turn): number =>
      'take' in one || one.isAlone ? Infinity : one.bytes;
    return this.#waiting.reduce((sum, one) => sum + bytes(one), 0) <= GROUP_BYTES_MAX / 2;
  }

  /** From the front, until somebody must be alone, or those and `begun` fill a group. */
  gather(begun: readonly Job[] = []): readonly Job[] {
    const jobs: Job[] = [];
    let bytes = begun.reduce((sum, one) => sum + one.bytes, 0);
    for (const job of this.#waiting) {
      const count = begun.length + jobs.length;
      if ('take' in job || count >= GROUP_TRANSACTIONS_MAX) break;
      bytes += job.bytes;
      if (count > 0 && (job.isAlone || bytes > GROUP_BYTES_MAX)) break;
      jobs.push(job);
      if (job.isAlone) break;
    }
    this.#waiting.splice(0, jobs.length);
    return jobs;
  }
}
