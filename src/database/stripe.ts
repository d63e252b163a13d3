/**
 * One node's copy of a stripe: follows the log as a mirror, and leads as primary for as long as it holds the stripe's key. Which copy
 * should lead is for others to decide; that only one can commit is the log's doing.
 */
import { rename } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { isMolnError, messageOf } from '../base/errors.ts';
import { sweepTemporary } from '../base/disk.ts';
import { untilSecond } from '../base/time.ts';
import type { Applied } from './applied.ts';
import type { Head, SnapshotRecord, Term } from './commit-log.ts';
import { putAside, removeCopy } from './copy-file.ts';
import { crashPoint } from './crash-points.ts';
import { closed, notPrimary, trimmed } from './errors.ts';
import { Hints } from './hints.ts';
import type { Hold } from './hold.ts';
import { LOAN_OVER_MS, LOG_ENTRIES_KEPT, LOOK_WAIT_MS, READ_MS_MAX } from './limits.ts';
import { KnownPrimary } from './known-primary.ts';
import { LogEnd } from './log-end.ts';
import { PrimaryTerm } from './primary.ts';
import { Progress } from './progress.ts';
import { Reads } from './reads.ts';
import type { BegunDigest, ReadLevel, Statement } from './statement.ts';
import type { StatementResult, StripeDigest } from './statement.ts';
import type { LeadOptions, StripeOptions, StripeStatus } from './stripe-options.ts';
import type { Expectation, StripeClient, StripeView, TransactionResult } from './stripe-client.ts';
import { StripeThread } from './stripe-thread.ts';
import { Damage, isOfFile } from './damage.ts';
import { Wake } from './wake.ts';
import { restoreSnapshot, takeSnapshot } from './snapshot.ts';
import type { Role } from './thread-calls.ts';

/** Also without a hint a mirror looks at the log so often. */
const LOOK_EVERY_MS = 1000;
const PAUSE_MS = 200;

export class Stripe implements StripeClient, AsyncDisposable {
  /** What its primary lends, and other copies borrow. */
  readonly logEnd: LogEnd;
  readonly leader: KnownPrimary;
  readonly #options: StripeOptions;
  readonly #readMs: number;
  #thread: StripeThread;
  #reads: Reads;
  readonly #stop = new AbortController();
  #role: Role = 'mirror';
  readonly #progress: Progress;
  /** It had then all that the log had. */
  #currentAtMs = -Infinity;
  #term: PrimaryTerm | undefined;
  #lease: Term | undefined;
  #renewal: Disposable | undefined;
  #quarantined: Pick<StripeStatus, 'quarantined' | 'quarantinedAt'> = {};
  /** Only one at a time looks at the log or changes the role. */
  #turn: Promise<unknown> = Promise.resolve();
  #following: Promise<void> | undefined;
  readonly #hints: Hints;
  readonly #wake: Wake;
  readonly #damage: Damage;

  constructor(options: StripeOptions) {
    this.#options = options;
    const ended = this.#stop.signal;
    this.#wake = new Wake(options.clock, ended);
    this.#readMs = options.readMs ?? READ_MS_MAX;
    this.#damage = new Damage({ ...options, ended }, (why) => this.mend(why));
    this.leader = new KnownPrimary(options);
    this.logEnd = new LogEnd({ ...options, leader: this.leader }, () => this.#term);
    this.#progress = new Progress(options, ended, () => this.#wake.poke());
    this.#hints = new Hints({ ...options, leader: this.leader }, ended, () => this.#wake.poke());
    [this.#thread, this.#reads] = this.#newThread();
  }

  get name(): string {
    return this.#options.name;
  }

  get lentEnd(): number | undefined {
    return this.logEnd.lent;
  }

  get status(): StripeStatus {
    const epoch = this.#term?.options.epoch;
    return {
      name: this.name,
      role: epoch === undefined ? 'mirror' : 'primary',
      applied: this.#progress.applied,
      epoch,
      ...this.#quarantined,
    };
  }

  get primary(): PrimaryTerm | undefined {
    return this.#term;
  }

  /** Opens the copy as a mirror, with all that the log has if that can be reached, and follows it from then on. */
  async start(): Promise<void> {
    // Of a snapshot that was under way when the process ended.
    await sweepTemporary(dirname(this.#options.path), basename(this.#options.path));
    await this.#inTurn(async () => {
      const damage = await this.#open('mirror').catch((error: unknown) => {
        if (!isOfFile(error)) throw error;
        return `its file cannot be opened: ${messageOf(error)}`;
      });
      try {
        if (damage !== undefined) await this.#rebuild(damage, 'keep');
        await this.#catchUp();
      } catch (error) {
        const isOpen = damage === undefined || this.#quarantined !== undefined;
        // It can serve what it has, and goes on when the log is there.
        if (!isOpen || !isMolnError(error) || !error.retryable) throw error;
        this.#warn('Cannot reach the log of a stripe yet', error);
      }
    });
    this.#following = this.#follow();
  }

  /** Everything that the log has now is in the file. */
  async catchUp(): Promise<Applied> {
    await this.#inTurn(async () => this.#catchUp());
    return this.#progress.applied;
  }

  /** Becomes primary: false when another copy is, but for the one whose term is `replaces`. `why` is for people. */
  async lead(options: LeadOptions = {}): Promise<boolean> {
    return await this.#inTurn(async () => this.#lead(options));
  }

  /**
   * Hands the stripe over: what was begun is finished, nothing new is begun, and another copy may lead at once. `successor` has the
   * one that should lead replace this term, when it is its turn; if it cannot, whoever comes first leads.
   */
  async release(successor?: (replaces: number) => Promise<unknown>): Promise<void> {
    await this.#inTurn(async () => {
      const term = this.#term;
      if (term === undefined) return;
      await (successor === undefined ? term.drain() : term.drainInTurn());
      crashPoint('release:drained');
      // So that the successor need not wait until it is over by itself.
      if (successor !== undefined) await term.recallAll();
      try {
        await successor?.(term.options.epoch);
        crashPoint('release:succeeded');
      } finally {
        await this.#stepDown();
      }
    });
  }

  async execute(
    statements: readonly Statement[],
    expect?: Expectation,
  ): Promise<TransactionResult> {
    const term = this.#leading();
    const results = await this.#damage.noting(term.execute(statements, expect?.schemaVersion));
    return { results, index: term.appender.head.index };
  }

  /** A transaction whose statements come one by one. */
  async begin(): Promise<Hold> {
    return await this.#leading().hold();
  }

  async query(
    statement: Statement,
    level: ReadLevel,
    expect?: Expectation,
  ): Promise<StatementResult> {
    const isLook = level.kind === 'look';
    if (level.kind === 'strong') await this.#becomeCurrent(level.waitMs);
    if (isLook && level.isAgain) await this.#becomeCurrent(LOOK_WAIT_MS);
    await this.#term?.committing;
    if (level.kind === 'session')
      await this.#progress.reached(level.index, level.waitMs ?? this.#readMs);
    if (level.kind === 'stale') await this.#notOlderThan(level.maxMs ?? Infinity, level.waitMs);
    return await this.#damage.noting(this.#reads.query(statement, expect?.schemaVersion, isLook));
  }

  async view(first?: Statement): Promise<StripeView> {
    const term = this.#leading();
    await this.#becomeCurrent();
    const { path, slowReads } = this.#options;
    const view = await slowReads.view(path, first && { statement: first, readMs: this.#readMs });
    const { index } = view.applied;
    const { head } = term.appender;
    return {
      index,
      schemaVersion: view.applied.schemaVersion,
      epoch: term.options.epoch,
      head: head.index === index ? head : undefined,
      query: (statement) => this.#damage.noting(view.query(statement, this.#readMs)),
      [Symbol.asyncDispose]: () => view[Symbol.asyncDispose](),
    };
  }

  /** Of the primary: makes a snapshot and trims the log behind it. Undefined when another one was faster. */
  async snapshot(keepEntries: number = LOG_ENTRIES_KEPT): Promise<SnapshotRecord | undefined> {
    const { path, log, snapshots, slowReads, clock, logger } = this.#options;
    const term = this.#leading();
    await term.committing;
    return await takeSnapshot({
      stripe: this.name,
      path,
      log,
      store: snapshots,
      copy: (from, to) => slowReads.copy(from, to),
      epoch: term.options.epoch,
      keepEntries,
      onTrimmed: (start) => term.trimmed(start),
      now: clock.now(),
      onPastLost: (why) =>
        logger.warn('The past of a stripe is not kept', { stripe: this.name, why }),
    });
  }

  async digest(): Promise<StripeDigest> {
    const { reading } = await this.beginDigest();
    return await reading;
  }

  /** Of all rows as of an entry that is not before `least`. */
  async beginDigest(least = 0): Promise<BegunDigest> {
    await this.#progress.reached(least, this.#readMs);
    await this.#term?.committing;
    const { slowReads, path } = this.#options;
    const { index, reading } = await this.#damage.noting(slowReads.digest(path));
    return { index, reading: this.#damage.noting(reading) };
  }

  /** Of a mirror: its rows as of the entry that `pin` names, which is not before the one that it has already. It waits only until it reads them. */
  async digestAt(pin: (least: number) => Promise<number>): Promise<StripeDigest> {
    const begun = await this.#inTurn(async () => {
      if (this.#role !== 'mirror') throw notPrimary(this.name, 'it leads here');
      await this.#catchUp(await pin(this.#progress.applied.index));
      return await this.beginDigest();
    });
    return await begun.reading;
  }

  /** It is put aside, a primary after its term, and goes on with the file `made`; without one it is built anew from the newest snapshot. */
  async mend(why: string, made?: string): Promise<void> {
    this.#term?.lose(notPrimary(this.name, why));
    await this.#inTurn(async () => this.#rebuild(why, 'keep', made));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort(closed(this.name));
    this.#wake.poke();
    await this.#following;
    await this.release();
    await this.#inTurn(async () => this.#close());
  }

  #leading(): PrimaryTerm {
    if (this.#stop.signal.aborted) throw closed(this.name);
    if (this.#term === undefined) throw notPrimary(this.name, 'it is a mirror here');
    return this.#term;
  }

  /** Everything that anybody may know of by now is in the file: also what a mirror shows of an append that its primary has no answer to yet. */
  async #becomeCurrent(withinMs: number = this.#readMs): Promise<void> {
    await this.#progress.reached(await this.logEnd.now(), withinMs);
  }

  async #notOlderThan(maxMs: number, waitMs: number | undefined): Promise<void> {
    const age = this.#options.clock.monotonicMs() - this.#currentAtMs;
    if (age > maxMs) await this.#becomeCurrent(waitMs);
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stop;
    this.#hints.begin();
    while (!signal.aborted) {
      try {
        if (this.#role === 'mirror') await this.#inTurn(async () => this.#catchUp());
      } catch (error) {
        this.#warn('A mirror cannot follow yet', error);
        await this.#wake.pause(PAUSE_MS);
      }
      // All copies of a process together: their questions share a round of the log's members.
      await this.#wake.pause(untilSecond(this.#options.clock, LOOK_EVERY_MS));
    }
    this.#progress.wake();
    await this.#hints.ended();
  }

  /** To the head, or to `last`. */
  async #catchUp(last = Infinity): Promise<void> {
    if (this.#role !== 'mirror') return;
    const began = this.#options.clock.monotonicMs();
    try {
      const head = await this.#replay(last);
      if (last === Infinity) {
        this.#progress.checkEnd(head);
        this.#currentAtMs = began;
      }
    } catch (error) {
      const isCorrupt = isMolnError(error, 'DATABASE_CORRUPT');
      if (!isCorrupt && !isMolnError(error, 'DATABASE_TRIMMED')) throw error;
      await this.#rebuild(messageOf(error), isCorrupt ? 'keep' : 'remove');
    }
  }

  async #rebuild(why: string, old: 'keep' | 'remove', made?: string): Promise<void> {
    const { path, logger, log, snapshots, clock } = this.#options;
    if (this.#stop.signal.aborted) throw closed(this.name);
    logger.error('A copy is built anew', { stripe: this.name, why });
    // First of all: without the log there is nothing to build it from.
    const snapshot = await log.snapshot(this.name);
    if (old === 'keep') this.#quarantined = { quarantined: why, quarantinedAt: clock.now() };
    await this.#close();
    await (old === 'keep' ? putAside(path) : removeCopy(path));
    try {
      if (made !== undefined) await rename(made, path);
      else if (snapshot !== undefined) await restoreSnapshot(snapshots, this.name, snapshot, path);
    } finally {
      // Also an empty one, which finds that the log does not reach back so far, and tries it again.
      [this.#thread, this.#reads] = this.#newThread();
      await this.#open('mirror');
    }
    // What does not fit now cannot be mended by building it once more.
    await this.#replay(Infinity);
  }

  /** To the head, which it gives, or to `last`. */
  async #replay(last: number): Promise<Head> {
    const { log } = this.#options;
    for (;;) {
      const head = await log.head(this.name);
      const end = Math.min(head.index, last);
      let next = this.#progress.applied.index + 1;
      if (next > end) return head;
      for (let reading = log.read(this.name, next, end); next <= end;) {
        const entries = await reading;
        next += entries.length;
        // The next ones come while these are applied.
        if (next <= end) reading = log.read(this.name, next, end);
        // How that ends is looked at in the next round, if there is one.
        reading.catch(() => {});
        this.#progress.moved(await this.#thread.call('apply', entries));
      }
    }
  }

  async #lead(options: LeadOptions): Promise<boolean> {
    if (this.#stop.signal.aborted) throw closed(this.name);
    if (this.#term !== undefined) return true;
    const { log, record, primaryTtlMs } = this.#options;
    const { replaces, displaces: displaced, why } = options;
    // What is known already need not be replayed while nobody leads.
    await this.#catchUp();
    const claimed = { why, displaced, ...record };
    const lease = await log.claim(this.name, claimed, {
      ...(replaces === undefined ? {} : { replaces }),
      ...(primaryTtlMs === undefined ? {} : { ttlMs: primaryTtlMs }),
    });
    if (lease === undefined) return false;
    crashPoint('promotion:claimed');
    try {
      await this.#promote(lease, options.isSettled);
      return true;
    } catch (error) {
      this.#damage.met(error);
      await this.#give(lease);
      await this.#open('mirror');
      throw error;
    }
  }

  /** Nobody else can append any more: what the log has now is all. */
  async #promote(lease: Term, isSettled = false): Promise<void> {
    const { name, log, clock, logger, onStuck, statementMs, logBytesMax, loans } = this.#options;
    const claimedMs = clock.monotonicMs();
    await this.#catchUp();
    crashPoint('promotion:caught-up');
    const head = await log.head(name);
    if (head.index !== this.#progress.applied.index)
      throw trimmed(name, this.#progress.applied.index + 1);
    await this.#open('primary');
    const term = new PrimaryTerm({
      stripe: name,
      thread: this.#thread,
      log,
      epoch: lease.epoch,
      head,
      clock,
      logger,
      onLost: (reason) => this.#lost(term, reason),
      onFailure: (error) => this.#damage.met(error),
      progress: this.#progress,
      reads: this.#reads,
      signal: this.#stop.signal,
      onStuck,
      ...(statementMs === undefined ? {} : { statementMs }),
      ...(logBytesMax === undefined ? {} : { logBytesMax }),
      loanQuietMs: loans?.quietMs,
    });
    // What the one before has lent, here and, if it ever appended anything, elsewhere; see `loans.ts`.
    this.logEnd.recalled({ epoch: lease.epoch, number: 0, index: head.index });
    if (!isSettled && head.index > 0 && loans?.mayBeOut() === true) {
      await clock.sleep(claimedMs + LOAN_OVER_MS - clock.monotonicMs(), this.#stop.signal);
      await lease.renew();
    }
    const barrier = await this.#thread.call('barrier', term.facts(false));
    crashPoint('promotion:before-barrier');
    const appended = await term.appender.append(barrier, this.#stop.signal);
    crashPoint('promotion:after-barrier');
    const passed = appended.kind === 'appended' ? barrier : appended.barrier;
    if (passed === undefined) throw notPrimary(name, 'the log did not take its first entry');
    this.#progress.moved(await this.#thread.call('passed', passed, lease.epoch));
    this.#lease = lease;
    this.#renewal = clock.every(lease.ttlMs / 3, () => void this.#renew(lease, term));
    this.#term = term;
    logger.info('Leads a stripe', { stripe: name, epoch: lease.epoch, index: passed.index });
  }

  /** A lease is liveness only: while it cannot be renewed, appends and strong reads fail by themselves. */
  async #renew(lease: Term, term: PrimaryTerm): Promise<void> {
    const beganMs = this.#options.clock.monotonicMs();
    try {
      await lease.renew();
      // Whoever takes over may do so without waiting for the lease to end.
      if ((await this.leader.recent())?.epoch !== term.options.epoch) await term.confirm();
      this.#currentAtMs = beganMs;
    } catch (error) {
      if (isMolnError(error, 'DATABASE_NOT_PRIMARY')) return;
      if (isMolnError(error, 'REGISTRY_LEASE_LOST'))
        term.lose(notPrimary(this.name, 'its lease has ended'));
      else this.#warn('Cannot renew the lease on a stripe yet', error);
    }
  }

  #lost(term: PrimaryTerm, reason: Error): void {
    this.#warn('No longer leads a stripe', reason);
    void this.#inTurn(async () => {
      if (this.#term !== term) return;
      // What is in doubt is found out first.
      await term.drain();
      await this.#stepDown();
    }).catch((error: unknown) => {
      this.#damage.met(error);
      const why = messageOf(error);
      this.#options.logger.error('Cannot become a mirror', { stripe: this.name, why });
    });
  }

  async #stepDown(): Promise<void> {
    const lease = this.#lease;
    this.#term = undefined;
    this.#lease = undefined;
    this.#renewal?.[Symbol.dispose]();
    try {
      await this.#open('mirror');
    } finally {
      if (lease !== undefined) await this.#give(lease);
      this.#wake.poke();
    }
  }

  async #give(lease: Term): Promise<void> {
    try {
      await lease[Symbol.asyncDispose]();
    } catch (error) {
      // It ends by itself, later.
      this.#warn('Cannot end the lease on a stripe', error);
    }
  }

  #warn(what: string, error: unknown): void {
    this.#options.logger.warn(what, { stripe: this.name, why: messageOf(error) });
  }

  async #open(role: Role): Promise<void> {
    this.#role = role;
    this.#hints.follow(role === 'mirror');
    this.#progress.moved(await this.#thread.call('open', role));
  }

  async #close(): Promise<void> {
    this.#reads[Symbol.dispose]();
    await this.#thread.close();
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#turn;
    const mine = before.then(work, work);
    this.#turn = mine.catch(() => {});
    return await mine;
  }

  #newThread(): readonly [StripeThread, Reads] {
    const { path, crashAt, slowReads: pool, clock, readMs } = this.#options;
    const thread = new StripeThread({ path, ...(crashAt === undefined ? {} : { crashAt }) });
    const applied = (): number => this.#progress.applied.index;
    return [thread, new Reads({ stripe: this.name, path, thread, pool, clock, readMs, applied })];
  }
}
