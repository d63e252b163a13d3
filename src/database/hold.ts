/**
 * One transaction that has a stripe for itself: statements come one by one, until it commits, rolls back, or takes too long. The same
 * is the share of one stripe in a transaction over several; see `together.ts`.
 */
import { messageOf } from '../base/errors.ts';
import type { Append, ReadStripe } from './commit-log.ts';
import type { EncodedEntry } from './entry.ts';
import { limitMet } from './errors.ts';
import { TRANSACTION_IDLE_MS, TRANSACTION_TOTAL_MS } from './limits.ts';
import type { PrimaryTerm } from './primary.ts';
import type { StripeTransaction } from './stripe-client.ts';
import type { Statement, StatementResult } from './statement.ts';

/** What a stripe adds to the append of a transaction: an entry, or that it was only read. */
export type Share =
  | { readonly kind: 'append'; readonly append: Append }
  | { readonly kind: 'read'; readonly read: ReadStripe };

export class Hold implements StripeTransaction {
  /** Resolves when the stripe is free again. */
  readonly over: Promise<void>;
  readonly #term: PrimaryTerm;
  readonly #free: () => void;
  #state: 'open' | 'prepared' | 'over' = 'open';
  #reason: Error | undefined;
  #idle: Disposable | undefined;
  #total: Disposable | undefined;
  #entry: EncodedEntry | undefined;
  readonly #onEnd: () => void;

  constructor(term: PrimaryTerm) {
    this.#term = term;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.over = promise;
    this.#free = resolve;
    this.#onEnd = () => this.#fail(term.signal.reason as Error);
  }

  get term(): PrimaryTerm {
    return this.#term;
  }

  async begin(): Promise<void> {
    const { thread, clock } = this.#term.options;
    await thread.call('begin');
    this.#total = clock.after(TRANSACTION_TOTAL_MS, () => {
      this.#expire('transactionTotalMs', TRANSACTION_TOTAL_MS, 'in all');
    });
    this.#term.signal.addEventListener('abort', this.#onEnd, { once: true });
    this.#rest();
  }

  /** When it throws, the transaction goes on without that statement, unless SQLite itself has rolled everything back. */
  async run(statement: Statement): Promise<StatementResult> {
    this.#require('open');
    this.#idle?.[Symbol.dispose]();
    try {
      const { thread } = this.#term.options;
      return await this.#term.inTime(thread.call('step', statement, this.#term.statementMs));
    } finally {
      if (this.#state === 'open') this.#rest();
    }
  }

  /** Nothing can be added any more; the share goes into one append. */
  async prepare(cross: boolean): Promise<Share> {
    this.#require('open');
    this.#state = 'prepared';
    this.#idle?.[Symbol.dispose]();
    const { stripe, epoch, thread } = this.#term.options;
    const { head } = this.#term.appender;
    try {
      const entry = await thread.call('prepare', this.#term.facts(cross));
      this.#entry = entry;
      if (entry === undefined) return { kind: 'read', read: { stripe, epoch, at: head } };
      return { kind: 'append', append: { stripe, epoch, after: head, entry } };
    } catch (error) {
      await this.#rollBack();
      throw error;
    }
  }

  /** The log has the entry, and has gone on to `head`. */
  async settle(): Promise<void> {
    this.#require('prepared');
    try {
      if (this.#entry !== undefined) await this.#term.commit();
    } finally {
      this.#end();
    }
  }

  /** Commits a transaction of this stripe alone. */
  async commit(): Promise<number> {
    const share = await this.prepare(false);
    try {
      if (share.kind === 'read') await this.#term.confirm();
      else {
        const { failure } = await this.#term.append(share.append.entry);
        if (failure !== undefined) throw failure;
      }
    } catch (error) {
      await this.#rollBack();
      throw error;
    }
    await this.settle();
    return this.#term.appender.head.index;
  }

  /** Nothing of it happened. Without effect when it is over. */
  async rollBack(): Promise<void> {
    if (this.#state !== 'over') await this.#rollBack();
  }

  #require(state: 'open' | 'prepared'): void {
    if (this.#reason !== undefined) throw this.#reason;
    if (this.#state === state) return;
    throw limitMet('transaction', 'The transaction is over', 'Begin a new one', 21);
  }

  async #rollBack(): Promise<void> {
    // First of all, so that nobody adds to it meanwhile.
    this.#state = 'over';
    try {
      await this.#term.options.thread.call('rollBack');
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
        'Send it as one batch; nothing was changed',
        5,
      ),
    );
  }

  #fail(reason: Error): void {
    this.#reason ??= reason;
    // While it is prepared, whoever appends knows what became of it.
    if (this.#state !== 'open') return;
    this.#rollBack().catch((error: unknown) => {
      this.#term.lose(error instanceof Error ? error : new Error(messageOf(error)));
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
