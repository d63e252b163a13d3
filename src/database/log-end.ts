/** Where the log of a stripe ends, for strong reads on one copy: what is lent tells at once, otherwise the log is asked, once for all who wait. */
import type { Clock } from '../base/time.ts';
import type { CommitLog, PrimaryRecord } from './commit-log.ts';
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

  async #borrow(
    loans: LoanOptions,
  ): Promise<{ readonly epoch: number | undefined; readonly loan: Loan | undefined }> {
    const { log, name, record } = this.#options;
    const primary = await log.primary(name);
    if (primary === undefined) return { epoch: undefined, loan: undefined };
    const recall = async (one: Loan): Promise<void> => this.recalled(one);
    const loan =
      primary.node === record.node ? this.lend(record.node, recall) : await loans.borrow(primary);
    return { epoch: primary.epoch, loan };
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
