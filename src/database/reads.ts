/**
 * Reads on a copy of a stripe, each where it costs least and holds nobody up. Single rows are read here, beside the stripe's thread: to wake that and to copy question
 * and answer costs several times what such a read does. When some in a row take long all the same, their pages come from a slow disk, for which everybody
 * would wait; then the thread reads for a while. So it does when there are many in one turn of the event loop. What may take long runs in a process that can be killed.
 */
import type { Clock } from '../base/time.ts';
import { closed, notAtOnce } from './errors.ts';
import {
  NEAR_READ_MS_MAX,
  NEAR_READS_LATE_MAX,
  NEAR_READS_PER_TURN,
  NEAR_READS_REST_MS,
  READ_MS_MAX,
} from './limits.ts';
import { Reader } from './reader.ts';
import type { Statement, StatementResult } from './statement.ts';
import type { SlowReads } from './stripe-options.ts';
import type { StripeThread } from './stripe-thread.ts';

export interface ReadsOptions {
  readonly stripe: string;
  readonly path: string;
  readonly thread: StripeThread;
  readonly pool: SlowReads;
  readonly clock: Clock;
  readonly readMs: number | undefined;
  /** The newest entry that the file is known to contain. */
  readonly applied: () => number;
}

export class Reads implements Disposable {
  readonly #options: ReadsOptions;
  #reader: Reader | undefined;
  #isClosed = false;
  /** That took long, one after the other. */
  #late = 0;
  #nearAgainMs = -Infinity;
  /** Read here in this turn of the event loop. */
  #inTurn = 0;
  /** Since then the reader sees the file as it was with that entry. */
  #heldAt: number | undefined;

  constructor(options: ReadsOptions) {
    this.#options = options;
  }

  /**
   * Rejects with `DATABASE_SCHEMA_CHANGED` and `DATABASE_CLOSED`, and with what is wrong with the statement. `isLook`: at once or not at
   * all (`DATABASE_NOT_AT_ONCE`), and the result says which entry it is as of.
   */
  async query(
    statement: Statement,
    planned: number | undefined,
    isLook: boolean,
  ): Promise<StatementResult> {
    const { stripe, path, thread, pool, clock, readMs = READ_MS_MAX } = this.#options;
    if (this.#isClosed) throw closed(stripe);
    const beganMs = clock.monotonicMs();
    const reader = this.#reader;
    const isNear = beganMs >= this.#nearAgainMs && this.#inTurn < NEAR_READS_PER_TURN;
    if (reader === undefined || !isNear) {
      const answer = await thread.call('query', statement, readMs, planned, isLook);
      // There may be no file before the thread has opened it.
      if (!this.#isClosed) this.#reader ??= new Reader(path, () => clock.monotonicMs());
      if (answer.kind === 'rows') return answer.result;
    } else {
      if (this.#inTurn++ === 0) setImmediate(() => this.#endTurn());
      this.#hold(reader);
      const result = isLook
        ? reader.look(statement, readMs, planned)
        : reader.quick(statement, readMs, planned);
      this.#took(beganMs);
      if (result !== undefined) return result;
    }
    if (isLook) throw notAtOnce();
    return await pool.query(path, statement, readMs, planned);
  }

  /**
   * The reads of one turn see the file as it is at the first of them, for to lock it for each costs more than to read a row; but each sees every entry that is known
   * to be there.
   */
  #hold(reader: Reader): void {
    const applied = this.#options.applied();
    if (this.#heldAt === applied) return;
    this.#letGo();
    reader.hold();
    this.#heldAt = applied;
  }

  #letGo(): void {
    if (this.#heldAt !== undefined) this.#reader?.letGo();
    this.#heldAt = undefined;
  }

  #endTurn(): void {
    this.#inTurn = 0;
    this.#letGo();
  }

  #took(beganMs: number): void {
    const endMs = this.#options.clock.monotonicMs();
    this.#late = endMs - beganMs > NEAR_READ_MS_MAX ? this.#late + 1 : 0;
    if (this.#late < NEAR_READS_LATE_MAX) return;
    this.#late = 0;
    this.#nearAgainMs = endMs + NEAR_READS_REST_MS;
  }

  /** Before the thread lets go of the file, which cleans up after the last connection. */
  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.#reader?.[Symbol.dispose]();
    this.#reader = undefined;
  }
}
