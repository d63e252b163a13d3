/**
 * One transaction that has a stripe for itself: statements come one by one, until it commits, rolls back, or takes too long. The same
 * is the share of one stripe in a transaction over several; see `together.ts`.
 */
import { isMolnError, messageOf } from '../base/errors.ts';
import type { EncodedEntry } from './entry.ts';
import { limitMet, tookTransaction } from './errors.ts';
import { PREPARED_MS, TRANSACTION_IDLE_MS, TRANSACTION_TOTAL_MS } from './limits.ts';
import type { PrimaryTerm } from './primary.ts';
import type { Outcome, Settled, Share, StripeTransaction } from './stripe-client.ts';
import type { Statement, StatementResult, Step } from './statement.ts';
import type { StripeThread } from './stripe-thread.ts';

export class Hold implements StripeTransaction {
  /** Resolves when the stripe is free again. */
  readonly over: Promise<void>;
  readonly #term: PrimaryTerm;
  readonly #free: () => void;
  #state: 'open' | 'prepared' | 'over' = 'open';
  #reason: Error | undefined;
  #idle: Disposable | undefined;
  #busy = 0;
  #total: Disposable | undefined;
  #entry: EncodedEntry | undefined;
  /** When whoever appends was given it. */
  #handedAtMs = 0;
  #isCross = false;
  readonly #schemaVersion: number;
  #begun: Promise<void> | undefined;
  #preparing: Promise<Share> | undefined;
  #committing: Promise<number> | undefined;
  #settled: Promise<Settled> | undefined;
  readonly #onEnd: () => void;

  /** From now on it is its turn. */
  constructor(term: PrimaryTerm) {
    this.#term = term;
    this.#schemaVersion = term.options.progress.applied.schemaVersion;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.over = promise;
    this.#free = resolve;
    this.#onEnd = () => this.#fail(term.signal.reason as Error);
    term.signal.addEventListener('abort', this.#onEnd, { once: true });
    this.#total = term.options.clock.after(TRANSACTION_TOTAL_MS, () => {
      this.#expire('transactionTotalMs', TRANSACTION_TOTAL_MS, 'in all');
    });
    this.#rest();
  }

  get term(): PrimaryTerm {
    return this.#term;
  }

  get schemaVersion(): number {
    return this.#schemaVersion;
  }

  async run(statement: Statement): Promise<StatementResult> {
    const [result] = await this.runAll([statement]);
    if (result === undefined) throw new Error('A statement has no result');
    return result;
  }

  /** When it throws, the transaction goes on without that statement, unless SQLite itself has rolled everything back: then it is over, and says so from then on. */
  async runAll(steps: readonly Step[]): Promise<readonly StatementResult[]> {
    const { statementMs } = this.#term;
    return await this.#busily(async () => {
      try {
        return await this.#term.inTime(
          this.#inside((thread) => thread.call('steps', steps, statementMs)),
        );
      } catch (error) {
        this.#term.options.onFailure(error);
        if (tookTransaction(error)) this.#fail(asError(error));
        throw error;
      }
    });
  }

  /** Beside the thread, which would have to be woken, to begin, and to end what it has begun. */
  async look(statement: Statement): Promise<StatementResult | undefined> {
    if (this.#begun !== undefined) return undefined;
    const { appender, options } = this.#term;
    return await this.#busily(async () => {
      try {
        const result = await options.reads.query(statement, undefined, true);
        // Unless something was begun in the meantime, of which it may have seen nothing.
        const isAll = result.at === appender.head.index && this.#begun === undefined;
        // Once it is over, others may have written what was seen.
        return isAll && this.#state === 'open' ? result : undefined;
      } catch {
        // The thread says what is wrong with it, and takes the time that it needs.
        return undefined;
      }
    });
  }

  async prepare(): Promise<Share> {
    this.#preparing = this.#prepare(true);
    const share = await this.#preparing;
    this.#total?.[Symbol.dispose]();
    const why = `what became of it was not said within ${PREPARED_MS} ms`;
    this.#total = this.#term.options.clock.after(PREPARED_MS, () => {
      this.#settleOnce({ kind: 'unknown', why }).catch((error: unknown) =>
        this.#term.lose(asError(error)),
      );
    });
    return share;
  }

  /** Also when it was found out about already. */
  async settle(outcome: Outcome): Promise<Settled> {
    return await this.#term.appender.unlessAway(this.#settleOnce(outcome));
  }

  /** Commits a transaction of this stripe alone. */
  async commit(): Promise<number> {
    const committing = this.#commit();
    this.#committing ??= committing;
    return await this.#term.appender.unlessAway(committing);
  }

  async #commit(): Promise<number> {
    const share = await this.#prepare(false);
    try {
      if (share.kind === 'read') await this.#term.confirm();
      else {
        const { failure } = await this.#term.append(share.append.entry);
        if (failure !== undefined) throw failure;
        this.#term.happened(1);
        await this.#term.commit();
      }
    } catch (error) {
      await this.#rollBack();
      throw error;
    }
    this.#end();
    return this.#term.appender.head.index;
  }

  /** Nothing of it happened. Without effect when it is over; while it is being committed, it waits for what becomes of it, if that can be found out. */
  async rollBack(): Promise<void> {
    const { appender } = this.#term;
    // Once it is prepared it may be in the log, whatever its coordinator believes: that is found out.
    if (this.#state === 'prepared' && this.#isCross)
      await this.settle({ kind: 'unknown', why: 'it was rolled back' });
    else if (this.#settled !== undefined) await appender.unlessAway(this.#settled);
    // Its entry is on its way: to free the stripe now would have the commit meet somebody else's transaction.
    else if (this.#committing !== undefined)
      await Promise.allSettled([appender.unlessAway(this.#committing)]);
    else if (this.#state !== 'over') await this.#rollBack();
  }

  /** It is not idle while any of what was asked at a time goes on. */
  async #busily<T>(work: () => Promise<T>): Promise<T> {
    this.#require('open');
    this.#busy++;
    this.#idle?.[Symbol.dispose]();
    try {
      return await work();
    } finally {
      if (--this.#busy === 0 && this.#state === 'open') this.#rest();
    }
  }

  /** The thread begins when it is first asked for something, in the same message: nobody else has the stripe anyway. */
  async #inside<T>(call: (thread: StripeThread) => Promise<T>): Promise<T> {
    const { thread } = this.#term.options;
    this.#begun ??= thread.call('begin');
    const [begun, called] = await Promise.allSettled([this.#begun, call(thread)]);
    if (begun.status === 'rejected') {
      this.#term.lose(asError(begun.reason));
      throw begun.reason;
    }
    if (called.status === 'rejected') throw called.reason;
    return called.value;
  }

  #require(state: 'open' | 'prepared'): void {
    if (this.#reason !== undefined) throw this.#reason;
    if (this.#state === state) return;
    throw limitMet('transaction', 'The transaction is over', 'Begin a new one', 21);
  }

  async #prepare(cross: boolean): Promise<Share> {
    this.#require('open');
    this.#state = 'prepared';
    this.#isCross = cross;
    this.#idle?.[Symbol.dispose]();
    const { stripe, epoch } = this.#term.options;
    const { head } = this.#term.appender;
    try {
      const facts = this.#term.facts(cross);
      const entry =
        this.#begun === undefined
          ? undefined
          : await this.#inside((thread) => thread.call('prepare', facts));
      this.#entry = entry;
      if (entry === undefined) return { kind: 'read', read: { stripe, epoch, at: head } };
      await this.#term.recallAll();
      this.#handedAtMs = this.#term.options.clock.monotonicMs();
      return { kind: 'append', append: { stripe, epoch, after: head, entry } };
    } catch (error) {
      await this.#rollBack();
      throw error;
    }
  }

  async #settleOnce(outcome: Outcome): Promise<Settled> {
    if (this.#settled === undefined) {
      // Also when the term has ended meanwhile.
      if (this.#state !== 'prepared') this.#require('prepared');
      this.#settled = this.#settle(outcome);
    }
    return await this.#settled;
  }

  async #settle(outcome: Outcome): Promise<Settled> {
    const { appender, options } = this.#term;
    // Whoever gives up does not wait for its answer.
    const [prepared] = await Promise.allSettled([this.#preparing]);
    if (prepared.status === 'rejected')
      return { kind: 'ruledOut', why: messageOf(prepared.reason) };
    try {
      if (this.#entry === undefined) return { kind: 'happened', index: appender.head.index };
      if (outcome.kind === 'appended') appender.moveTo(outcome.head);
      else {
        const found = await appender.resolve(this.#entry, outcome.why, options.signal);
        if (found.kind === 'ruledOut') {
          await options.thread.call('rollBack');
          if (found.barrier !== undefined) await this.#term.passed(found.barrier);
          return { kind: 'ruledOut', why: found.why };
        }
      }
      this.#term.appended(this.#entry, options.clock.monotonicMs() - this.#handedAtMs);
      this.#term.happened(1);
      await this.#term.commit();
      return { kind: 'happened', index: this.#entry.index };
    } catch (error) {
      await options.thread.call('rollBack');
      if (isMolnError(error, 'DATABASE_NOT_PRIMARY'))
        return { kind: 'ruledOut', why: error.message };
      throw error;
    } finally {
      this.#end();
    }
  }

  async #rollBack(): Promise<void> {
    // First of all, so that nobody adds to it meanwhile.
    this.#state = 'over';
    try {
      if (this.#begun !== undefined) await this.#term.options.thread.call('rollBack');
    } finally {
      this.#end();
    }
  }

  #rest(): void {
    this.#idle = this.#term.options.clock.after(TRANSACTION_IDLE_MS, () => {
      this.#expire('transactionIdleMs', TRANSACTION_IDLE_MS, 'between two statements');
    });
  }

  #expire(limit: string, ms: number, what: string): void {
    if (this.#state !== 'open') return;
    this.#fail(
      limitMet(
        limit,
        `The transaction was rolled back: it took more than ${ms} ms ${what}`,
        'Send it as one batch, or change fewer rows at once; nothing was changed',
        5,
      ),
    );
  }

  #fail(reason: Error): void {
    this.#reason ??= reason;
    // While it is prepared, whoever appends knows what became of it.
    if (this.#state !== 'open') return;
    this.#rollBack().catch((error: unknown) => {
      this.#term.lose(asError(error));
    });
  }

  #end(): void {
    this.#state = 'over';
    this.#idle?.[Symbol.dispose]();
    this.#total?.[Symbol.dispose]();
    this.#term.signal.removeEventListener('abort', this.#onEnd);
    this.#free();
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(messageOf(error));
}
