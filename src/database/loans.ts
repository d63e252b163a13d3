/**
 * Strong reads without a question for each. While nothing is written, a primary lends its copies the certainty that the log ends where it does: it calls
 * that back before it appends, so whoever has it may read its own file and ask nobody.
 *
 * Why what is read so is everything that was acknowledged: who borrows asks the primary AND the log who leads, in any order, both after the moment from which
 * the loan counts. So at some moment after that the primary of that epoch led, and
 * - while it leads, only it appends, and not before each borrower has given the loan back, or `LOAN_OVER_MS` have passed since it was given;
 * - who leads next has claimed the key after that moment, and appends nothing for `LOAN_OVER_MS` after its claim, unless the one before has called everything
 *   back and handed over.
 * The loan itself ends `LOAN_MS` after it began to count, by the borrower's own monotonic clock: this hangs on two clocks of two machines, whose rates may
 * differ by a fifth. On a machine that was suspended that clock stands still, so the wall clock must not have gone further either. What was checked to be lent
 * at one moment may be answered at any later one: a read takes place at the moment of the check.
 */
import type { Clock } from '../base/time.ts';
import type { Revision } from '../registry/registry.ts';
import { LOAN_AGAIN_MS, LOAN_BUSY_MS, LOAN_MS, LOAN_OVER_MS, LOAN_QUIET_MS } from './limits.ts';

/** That the log ends at `index`, until it is called back. */
export interface Loan {
  /** Of the term that lends. */
  readonly epoch: Revision;
  /** Grows in a term; who calls one back means those before it too. */
  readonly number: number;
  readonly index: number;
}

/** Tells the borrower that a loan is over; resolves when it knows. Whatever it rejects with is waited out. */
export type Recall = (loan: Loan) => Promise<unknown>;

interface Lent {
  readonly loan: Loan;
  readonly endMs: number;
  readonly recall: Recall;
}

/** Of one term: what is lent, and to whom. */
export class Lender {
  readonly #epoch: Revision;
  readonly #clock: Clock;
  readonly #quietMs: number;
  /** By borrower. */
  readonly #lent = new Map<string, Lent>();
  #number = 0;
  #quietFromMs: number;
  #recalling: Promise<unknown> | undefined;

  constructor(options: {
    readonly epoch: Revision;
    readonly clock: Clock;
    readonly quietMs?: number | undefined;
  }) {
    const { epoch, clock, quietMs = LOAN_QUIET_MS } = options;
    this.#epoch = epoch;
    this.#clock = clock;
    this.#quietMs = quietMs;
    this.#quietFromMs = clock.monotonicMs() + quietMs;
  }

  /** Undefined when something was appended just now: that would only have to be called back. `index`: where the log ends, and nothing is under way. */
  lend(borrower: string, index: number, recall: Recall): Loan | undefined {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs < this.#quietFromMs) return undefined;
    const loan = { epoch: this.#epoch, number: ++this.#number, index };
    this.#lent.set(borrower, { loan, endMs: nowMs + LOAN_OVER_MS, recall });
    return loan;
  }

  /** To be waited for before anything is appended: then nobody counts on the end that the log had. Undefined when nobody does. */
  recallAll(): Promise<unknown> | undefined {
    const nowMs = this.#clock.monotonicMs();
    this.#quietFromMs = nowMs + this.#quietMs;
    const lent = [...this.#lent.values()].filter(({ endMs }) => endMs > nowMs);
    this.#lent.clear();
    if (lent.length === 0) return this.#recalling;
    const recalling = Promise.all([
      this.#recalling,
      ...lent.map((one) => this.#recalled(one, nowMs)),
    ]).finally(() => {
      if (this.#recalling === recalling) this.#recalling = undefined;
    });
    this.#recalling = recalling;
    return recalling;
  }

  async #recalled({ loan, endMs, recall }: Lent, nowMs: number): Promise<void> {
    const over = Promise.withResolvers<void>();
    using _end = this.#clock.after(endMs - nowMs, over.resolve);
    // Who cannot be told, or says no, has it until it ends by itself.
    recall(loan).then(
      () => over.resolve(),
      () => undefined,
    );
    await over.promise;
  }
}

export interface BorrowerOptions {
  readonly clock: Pick<Clock, 'now' | 'monotonicMs'>;
  /** Who leads as the log says now, and what that one lends, both asked after the call. */
  readonly borrow: () => Promise<{
    readonly epoch: Revision | undefined;
    readonly loan: Loan | undefined;
  }>;
}

/** Of one copy: what it has borrowed. */
export class Borrower {
  readonly #options: BorrowerOptions;
  #loan: Loan | undefined;
  #sinceMs = -Infinity;
  #sinceWallMs = 0;
  #recalled: Pick<Loan, 'epoch' | 'number'> = { epoch: 0, number: 0 };
  #isAsking = false;
  /** Before that it is not asked again. */
  #againMs = -Infinity;
  #wantedMs = -Infinity;

  constructor(options: BorrowerOptions) {
    this.#options = options;
  }

  /** Where the log ends at this moment; undefined when nothing is lent. Who asks often has one borrowed for later. */
  end(): number | undefined {
    const { clock } = this.#options;
    const nowMs = clock.monotonicMs();
    const isOften = nowMs - this.#wantedMs < LOAN_BUSY_MS;
    this.#wantedMs = nowMs;
    const ageMs = nowMs - this.#sinceMs;
    const isOld = this.#loan === undefined || ageMs > LOAN_MS / 2;
    if (isOften && isOld && !this.#isAsking && nowMs >= this.#againMs) void this.#borrow(nowMs);
    if (this.#loan === undefined || ageMs >= LOAN_MS) return undefined;
    const wallMs = clock.now() - this.#sinceWallMs;
    return wallMs >= 0 && wallMs < LOAN_MS ? this.#loan.index : undefined;
  }

  /** Its lender is about to append. */
  recalled(loan: Loan): void {
    // What was said before may come after it, by another connection.
    if (this.#isGood(loan)) this.#recalled = loan;
    if (this.#loan !== undefined && !this.#isGood(this.#loan)) this.#loan = undefined;
    this.#againMs = this.#options.clock.monotonicMs() + LOAN_QUIET_MS;
  }

  #isGood({ epoch, number }: Loan): boolean {
    const { epoch: over, number: last } = this.#recalled;
    return epoch > over || (epoch === over && number > last);
  }

  async #borrow(nowMs: number): Promise<void> {
    const { clock, borrow } = this.#options;
    this.#isAsking = true;
    this.#againMs = nowMs + LOAN_AGAIN_MS;
    const wallMs = clock.now();
    try {
      const { epoch, loan } = await borrow();
      if (loan === undefined || loan.epoch !== epoch || !this.#isGood(loan)) return;
      this.#loan = loan;
      this.#sinceMs = nowMs;
      this.#sinceWallMs = wallMs;
    } catch {
      // Whoever is away lends nothing: the log is asked, and tells what is wrong.
    } finally {
      this.#isAsking = false;
    }
  }
}
