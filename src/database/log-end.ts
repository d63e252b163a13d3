/** Where the log of a stripe ends, for strong reads on one copy: what is lent tells at once, otherwise the log is asked, once for all who wait. */
import type { Clock } from '../base/time.ts';
import type { CommitLog, Primary, PrimaryRecord } from './commit-log.ts';
import type { KnownPrimary } from './known-primary.ts';
import { Borrower, type Loan, type Recall } from './loans.ts';
import { notPrimary } from './errors.ts';
import type { PrimaryTerm } from './primary.ts';
import { SharedQuestion } from './shared-question.ts';
import type { LoanOptions } from './stripe-options.ts';

export interface LogEndOptions {
  readonly name: string;
  readonly log: CommitLog;
  readonly record: PrimaryRecord;
  readonly clock: Clock;
  readonly loans?: LoanOptions;
  readonly leader: KnownPrimary;
}

export class LogEnd {
  readonly #options: LogEndOptions;
  /** While this copy leads. */
  readonly #term: () => PrimaryTerm | undefined;
  readonly #question: SharedQuestion<number>;
  readonly #borrower: Borrower | undefined;

  constructor(options: LogEndOptions, term: () => PrimaryTerm | undefined) {
    this.#options = options;
    this.#term = term;
    this.#question = new SharedQuestion(() => this.#ask());
    const { loans, clock } = options;
    if (loans !== undefined)
      this.#borrower = new Borrower({ clock, borrow: () => this.#borrow(loans) });
  }

  /** At some moment after the call: everything that anybody may know of by then is at or before it. */
  now(): number | Promise<number> {
    return this.lent ?? this.#question.answer();
  }

  /** At the moment of the call; undefined when nothing is lent. */
  get lent(): number | undefined {
    return this.#borrower?.end();
  }

  /** Of the primary, to another copy: undefined while anything is written. Throws `DATABASE_NOT_PRIMARY`. */
  lend(borrower: string, recall: Recall): Loan | undefined {
    const term = this.#term();
    if (term === undefined) throw notPrimary(this.#options.name, 'it is a mirror here');
    return term.lend(borrower, recall);
  }

  /** The primary is about to append. */
  recalled(loan: Loan): void {
    this.#borrower?.recalled(loan);
  }

  /** The one that led as far as is known is asked beside the log: most of the time it is still that one. */
  async #borrow(
    loans: LoanOptions,
  ): Promise<{ readonly epoch: number | undefined; readonly loan: Loan | undefined }> {
    const { leader } = this.#options;
    const before = leader.known;
    // Who does not lead any more lends nothing, and another one is asked then.
    const early = before && this.#borrowFrom(before, loans).catch(() => undefined);
    const primary = await leader.now();
    if (primary === undefined) return { epoch: undefined, loan: undefined };
    const isSame = primary.epoch === before?.epoch;
    return {
      epoch: primary.epoch,
      loan: await (isSame ? early : this.#borrowFrom(primary, loans)),
    };
  }

  async #borrowFrom(primary: Primary, { borrow }: LoanOptions): Promise<Loan | undefined> {
    const { node } = this.#options.record;
    if (primary.node !== node) return await borrow(primary);
    return this.lend(node, async (one) => this.recalled(one));
  }

  async #ask(): Promise<number> {
    const term = this.#term();
    const known = term?.appender.head.index ?? 0;
    const { index } = await this.#options.log.head(this.#options.name);
    // Its own append, or another primary's; or the log of a database that is gone. Of those the term is over.
    if (term !== undefined && (index < known || index > term.appender.head.index))
      await term.confirm();
    return index;
  }
}
