/**
 * One term of a stripe's primary: gathers transactions, runs them as groups in the stripe's thread, appends one entry a group and
 * answers. The next group gathers while an append is under way; an idle stripe begins at once.
 */
import { isMolnError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { Revision } from '../registry/registry.ts';
import { Appender } from './appender.ts';
import type { CommitLog, Head } from './commit-log.ts';
import { crashPoint } from './crash-points.ts';
import type { EncodedEntry } from './entry.ts';
import { errorOf, limitMet, logFull, notCommitted, notPrimary } from './errors.ts';
import { GroupNames } from './group-names.ts';
import { GroupWait } from './group-wait.ts';
import { Hold } from './hold.ts';
import {
  GROUP_BYTES_MAX,
  GROUP_TRANSACTIONS_MAX,
  LOG_BYTES_MAX,
  TRANSACTION_IDLE_MS,
  TRANSACTION_STATEMENTS_MAX,
  WAITING_TRANSACTIONS_MAX,
  WRITE_MS_MAX,
} from './limits.ts';
import { Lender, type Loan, type Recall } from './loans.ts';
import { LogGauge, type Pressure, pressureOf } from './log-gauge.ts';
import { packTransactions, type TransactionOutcome, unpackOutcomes } from './packed-group.ts';
import { sizeOf, type Statement, type StatementResult } from './statement.ts';
import type { Progress } from './progress.ts';
import type { Reads } from './reads.ts';
import type { StripeThread } from './stripe-thread.ts';
import { Unsettled } from './unsettled.ts';
import type { EntryFacts } from './writer.ts';

export interface PrimaryOptions {
  readonly stripe: string;
  readonly thread: StripeThread;
  readonly log: CommitLog;
  readonly epoch: Revision;
  /** The head, which the file contains. */
  readonly head: Head;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The term is over, or the file can no longer be written: called once. */
  readonly onLost: (reason: Error) => void;
  /** Of a statement of a hold. */
  readonly onFailure: (error: unknown) => void;
  /** What the file contains; told of every entry more. */
  readonly progress: Pick<Progress, 'applied' | 'moved'>;
  /** Of the same file. */
  readonly reads: Pick<Reads, 'query'>;
  /** Aborts when nobody will wait any longer, not even for what is in doubt. */
  readonly signal: AbortSignal;
  /** A statement cannot be stopped: only the end of the process helps. */
  readonly onStuck: (statementMs: number) => void;
  readonly statementMs?: number;
  readonly logBytesMax?: number;
  /** See `LOAN_QUIET_MS`. */
  readonly loanQuietMs?: number | undefined;
}

/** Of one term, for status pages. */
export interface PrimaryFigures {
  /** That happened, in groups and by themselves; also those that only read among writers. */
  readonly transactions: number;
  readonly entries: number;
  /** Of all entries, packed. */
  readonly bytes: number;
  /** In all. */
  readonly appendMs: number;
  /** Of its entries that are not trimmed yet. */
  readonly logBytes: number;
}

interface Job {
  readonly statements: readonly Statement[];
  readonly bytes: number;
  readonly planned: number | undefined;
  readonly resolve: (results: readonly StatementResult[]) => void;
  readonly reject: (error: unknown) => void;
  /** Must be a group of its own. */
  isAlone: boolean;
}

/** Somebody who wants the stripe for himself. */
interface Turn {
  readonly take: (hold: Hold) => void;
  readonly reject: (error: unknown) => void;
}

/** Between two looks at the log while its length holds writers up. */
const PRESSURE_LOOK_MS = 100;
/** Who wants the stripe for himself may hold others meanwhile, which end what is idle, and whose writers wait too; and may not wait for a second (`lockWaitMs`). */
const HOLD_PAUSE_MS_MAX: number = TRANSACTION_IDLE_MS / 4;

export class PrimaryTerm {
  readonly options: PrimaryOptions;
  readonly appender: Appender;
  readonly statementMs: number;
  readonly #queue: (Job | Turn)[] = [];
  readonly #gauge = new LogGauge();
  readonly #wait: GroupWait;
  readonly #lender: Lender;
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  #committing: Promise<void> | undefined;
  readonly #names = new GroupNames();
  #lost: Error | undefined;
  #transactions = 0;
  #entries = 0;
  #bytes = 0;
  #appendMs = 0;

  constructor(options: PrimaryOptions) {
    this.options = options;
    this.statementMs = options.statementMs ?? WRITE_MS_MAX;
    const { log, stripe, epoch, head, clock, logger, thread, loanQuietMs: quietMs } = options;
    this.#lender = new Lender({ epoch, clock, quietMs });
    this.#wait = new GroupWait(clock);
    this.appender = new Appender({
      log,
      stripe,
      epoch,
      head,
      clock,
      logger,
      barrier: () => thread.call('barrier', this.facts(false)),
    });
    this.appender.whenAway((why) => this.#rejectWaiting(why));
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  get figures(): PrimaryFigures {
    return {
      transactions: this.#transactions,
      entries: this.#entries,
      bytes: this.#bytes,
      appendMs: this.#appendMs,
      logBytes: this.#gauge.bytes,
    };
  }

  /** All statements or none. Its error says which statement failed (`details.at`). */
  async execute(
    statements: readonly Statement[],
    planned?: number,
  ): Promise<readonly StatementResult[]> {
    if (statements.length > TRANSACTION_STATEMENTS_MAX) {
      throw limitMet(
        'transactionStatements',
        `The transaction has ${statements.length} statements, at most ${TRANSACTION_STATEMENTS_MAX}`,
        'Use several transactions',
      );
    }
    this.#requireRoom();
    const { promise, resolve, reject } = Promise.withResolvers<readonly StatementResult[]>();
    const bytes = statements.reduce((sum, one) => sum + sizeOf(one), 0);
    this.#queue.push({ statements, bytes, planned, resolve, reject, isAlone: false });
    this.#wait.came(this.#queue.length);
    this.#wake();
    return await promise;
  }

  /** The stripe for oneself, when it is one's turn. */
  async hold(): Promise<Hold> {
    this.#requireRoom();
    return await this.#myTurn();
  }

  /** Throws `DATABASE_NOT_PRIMARY` when the term is over now: what was read before may be old. */
  async confirm(): Promise<void> {
    const { log, stripe, epoch } = this.options;
    const now = await log.primary(stripe);
    if (now?.epoch !== epoch) this.lose(notPrimary(stripe, 'its term is over'));
    this.requireTerm();
  }

  /** See `loans.ts`; undefined while anything is under way. */
  lend(borrower: string, recall: Recall): Loan | undefined {
    this.requireTerm();
    // When it is about to end, nobody may wait any longer for what is in doubt.
    if (this.#running !== undefined || this.options.signal.aborted) return undefined;
    return this.#lender.lend(borrower, this.appender.head.index, recall);
  }

  /** To be waited for before each append; undefined when nothing is lent. */
  recallAll(): Promise<unknown> | undefined {
    return this.#lender.recallAll();
  }

  /** Nothing new is begun, nor lent; resolves when what was begun is over. */
  async drain(): Promise<void> {
    this.#lost ??= notPrimary(this.options.stripe, 'it is being handed over');
    this.#rejectWaiting(this.#lost);
    await this.#running;
    await this.#committing;
  }

  /**
   * The same when it is one's turn: what was asked before is done, transactions that are open come to their own end, and what was asked
   * after is refused, to be asked of the next primary.
   */
  async drainInTurn(): Promise<void> {
    const [turn] = await Promise.allSettled([this.#myTurn()]);
    const drained = this.drain();
    // Otherwise the term is over, and there is nothing to wait for.
    if (turn.status === 'fulfilled') await turn.value.rollBack();
    await drained;
  }

  /** Ends the term: everything that waits is refused. */
  lose(reason: Error): void {
    const isFirst = !this.#stop.signal.aborted;
    this.#lost ??= reason;
    this.#rejectWaiting(this.#lost);
    if (!isFirst) return;
    this.#stop.abort(reason);
    this.options.onLost(reason);
  }

  requireTerm(): void {
    if (this.#lost !== undefined) throw this.#lost;
  }

  facts(cross: boolean): EntryFacts {
    return { epoch: this.options.epoch, group: this.#names.next(), cross };
  }

  /** While the log has an entry that the file has not: whoever is answered already may read what he wrote when it resolves. */
  get committing(): Promise<void> | undefined {
    return this.#committing;
  }

  /** True when the entry is in the log; false when it is ruled out, `failure` says why. Throws when the term is over. */
  async append(entry: EncodedEntry): Promise<{ readonly failure: Error | undefined }> {
    const { clock, stripe, thread } = this.options;
    const recalling = this.recallAll();
    if (recalling !== undefined) await recalling;
    const began = clock.monotonicMs();
    crashPoint('commit:before-append');
    const appended = await this.appender.append(entry, this.options.signal);
    crashPoint('commit:after-append');
    this.appended(entry, clock.monotonicMs() - began);
    if (appended.kind === 'appended') return { failure: undefined };
    await this.#orLose(async () => {
      await thread.call('rollBack');
      if (appended.barrier !== undefined) await this.passed(appended.barrier);
    });
    return { failure: appended.away ?? notCommitted(stripe, appended.why) };
  }

  /** Sent to the log, and answered after `tookMs`: counts also when it did not get there. */
  appended(entry: EncodedEntry, tookMs: number): void {
    this.#appendMs += tookMs;
    const bytes = entry.header.byteLength + entry.body.byteLength;
    this.#entries++;
    this.#bytes += bytes;
    this.#gauge.add(entry.index, bytes);
  }

  happened(transactions: number): void {
    this.#transactions += transactions;
  }

  /** The log begins with entry `start` now. */
  trimmed(start: number): void {
    this.#gauge.trimmed(start);
  }

  /** What the length of the log means for who writes. */
  get pressure(): Pressure {
    return pressureOf(this.#gauge.bytes, this.options.logBytesMax ?? LOG_BYTES_MAX);
  }

  /** The log has the entry: it has happened, even if this copy cannot write it, which ends the term. */
  async commit(): Promise<void> {
    await this.#orLose(async () =>
      this.options.progress.moved(await this.options.thread.call('commit')),
    );
  }

  /** The barrier is in the log, and nothing is open. */
  async passed(barrier: EncodedEntry): Promise<void> {
    const { thread, epoch, progress } = this.options;
    progress.moved(await thread.call('passed', barrier, epoch));
  }

  /** Tells when the thread hangs in a statement. */
  async inTime<T>(work: Promise<T>): Promise<T> {
    // Twice: between rows the thread looks at the clock by itself.
    const timer = this.options.clock.after(2 * this.statementMs, () => {
      this.options.onStuck(this.statementMs);
    });
    try {
      return await work;
    } finally {
      timer[Symbol.dispose]();
    }
  }

  async #myTurn(): Promise<Hold> {
    this.requireTerm();
    const { promise, resolve, reject } = Promise.withResolvers<Hold>();
    this.#queue.push({ take: resolve, reject });
    this.#wait.hurry();
    this.#wake();
    return await promise;
  }

  #requireRoom(): void {
    this.requireTerm();
    this.appender.requireReach();
    const { logBytesMax = LOG_BYTES_MAX, stripe } = this.options;
    if (this.pressure.kind === 'full') throw logFull(stripe, this.#gauge.bytes, logBytesMax);
    if (this.#queue.length < WAITING_TRANSACTIONS_MAX) return;
    throw limitMet(
      'waitingTransactions',
      `${this.#queue.length} transactions wait for stripe "${this.options.stripe}"`,
      'Ask again later; nothing was changed',
      5,
    );
  }

  #rejectWaiting(reason: Error): void {
    for (const job of this.#queue.splice(0)) job.reject(reason);
    this.#wait.hurry();
  }

  #wake(): void {
    this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    // Whatever is asked in the same turn of the event loop gets into the first group.
    await Promise.resolve();
    try {
      for (let first = this.#queue[0]; first !== undefined; first = this.#queue[0]) {
        // What had to be run again.
        if (this.#stop.signal.aborted)
          return this.#rejectWaiting(this.#stop.signal.reason as Error);
        await this.#easeOff('take' in first ? HOLD_PAUSE_MS_MAX : Infinity);
        if (this.#mayGrow()) await this.#wait.enough(this.#queue.length);
        // Refused meanwhile, as all that waited.
        if (this.#queue[0] !== first) continue;
        if ('take' in first) {
          this.#queue.shift();
          await this.#lend(first);
        } else await this.#group(this.#gather());
      }
    } catch (error) {
      this.lose(error instanceof Error ? error : new Error(String(error)));
    } finally {
      this.#running = undefined;
    }
  }

  /** Looks again and again, for the log may be trimmed meanwhile, or the term end. */
  async #easeOff(pauseMsMax: number): Promise<void> {
    const { clock } = this.options;
    const beganMs = clock.monotonicMs();
    for (;;) {
      const { pressure } = this;
      if (pressure.kind !== 'slow' || this.#lost !== undefined) return;
      const leftMs = beganMs + Math.min(pressure.pauseMs, pauseMsMax) - clock.monotonicMs();
      if (leftMs <= 0) return;
      await clock.sleep(Math.min(leftMs, PRESSURE_LOOK_MS));
    }
  }

  /** A group that begins now has room for as much again, and nobody who waits must be alone. */
  #mayGrow(): boolean {
    const bytes = (one: Job | Turn): number =>
      'take' in one || one.isAlone ? Infinity : one.bytes;
    return this.#queue.reduce((sum, one) => sum + bytes(one), 0) <= GROUP_BYTES_MAX / 2;
  }

  /** From the front, until somebody must be alone. */
  #gather(): readonly Job[] {
    const jobs: Job[] = [];
    let bytes = 0;
    for (const job of this.#queue) {
      if ('take' in job || jobs.length >= GROUP_TRANSACTIONS_MAX) break;
      bytes += job.bytes;
      if (jobs.length > 0 && (job.isAlone || bytes > GROUP_BYTES_MAX)) break;
      jobs.push(job);
      if (job.isAlone) break;
    }
    this.#queue.splice(0, jobs.length);
    return jobs;
  }

  async #lend(turn: Turn): Promise<void> {
    // Which may be of another schema.
    await this.#committing;
    if (this.#stop.signal.aborted) return turn.reject(this.#stop.signal.reason);
    const hold = new Hold(this);
    turn.take(hold);
    await hold.over;
  }

  async #group(jobs: readonly Job[]): Promise<void> {
    const settle = new Unsettled(jobs, this.options.stripe);
    try {
      const ran = await this.inTime(
        this.options.thread.call(
          'group',
          packTransactions(jobs),
          this.facts(false),
          this.statementMs,
        ),
      );
      crashPoint('commit:group-run');
      if (ran.kind === 'lost') return await this.#again(jobs, errorOf(ran.failure));
      const { entry } = ran;
      const outcomes = unpackOutcomes(ran.outcomes);
      // What was refused, or changed nothing, was decided from what is here: only a primary may say that.
      if (entry === undefined) {
        const failure = await this.#unconfirmed();
        if (failure !== undefined) return settle.rejectAll(failure);
      } else {
        settle.isOpen = true;
        const beforeMs = this.#appendMs;
        using _told = this.appender.whenAway((why) => settle.rejectAll(why));
        const { failure } = await this.append(entry);
        settle.isOpen = false;
        if (failure !== undefined) return settle.rejectAll(failure);
        this.#wait.appended({
          transactions: jobs.length,
          waiting: this.#queue.length,
          tookMs: this.#appendMs - beforeMs,
        });
        this.#commitGroup();
      }
      this.happened(outcomes.filter(({ kind }) => kind === 'done').length);
      this.#runAlone(jobs, outcomes);
      answer(jobs, outcomes);
    } catch (error) {
      settle.rejectAll(error);
      throw error;
    }
  }

  /** Meanwhile those of the group are answered, and the next one begins: the thread takes one after the other, and so do reads. */
  #commitGroup(): void {
    const committing = this.commit().finally(() => {
      if (this.#committing === committing) this.#committing = undefined;
    });
    this.#committing = committing;
  }

  #runAlone(jobs: readonly Job[], outcomes: readonly TransactionOutcome[]): void {
    const again = jobs.filter((_, at) => outcomes[at]?.kind === 'alone');
    for (const job of again) job.isAlone = true;
    this.#queue.unshift(...again);
  }

  /** The group was rolled back: one of them is to blame. */
  async #again(jobs: readonly Job[], error: Error): Promise<void> {
    const [only] = jobs;
    if (jobs.length === 1) return only?.reject((await this.#unconfirmed()) ?? error);
    for (const job of jobs) job.isAlone = true;
    this.#queue.unshift(...jobs);
  }

  async #orLose(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.lose(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** Why the term cannot be confirmed; the log may only be out of reach for now. */
  async #unconfirmed(): Promise<unknown> {
    try {
      await this.confirm();
      return undefined;
    } catch (error) {
      return error;
    }
  }
}

function answer(jobs: readonly Job[], outcomes: readonly TransactionOutcome[]): void {
  crashPoint('commit:before-answer');
  for (const [at, job] of jobs.entries()) {
    const outcome = outcomes[at];
    if (outcome?.kind === 'done') job.resolve(outcome.results);
    if (outcome?.kind === 'failed') job.reject(failedAt(errorOf(outcome.failure), outcome.at));
  }
}

function failedAt(error: Error, at: number): Error {
  return isMolnError(error) ? Object.assign(error, { details: { ...error.details, at } }) : error;
}
