/**
 * The embedded engine: one file, one process. Commits that arrive together share one fsync; nothing is answered
 * and no watch is woken before it is on the disk.
 */
import { randomId } from '../base/ids.ts';
import type { Logger } from '../base/log.ts';
import { isMolnError } from '../base/errors.ts';
import type { Clock } from '../base/time.ts';
import { type Database, migrate, openDatabase, transaction } from '../sqlite/sqlite.ts';
import type {
  CommitResult,
  Condition,
  Entry,
  Lease,
  ListResult,
  Operation,
  Registry,
  Revision,
  WatchBatch,
} from './contract.ts';
import { closed, compacted, full, leaseLost } from './errors.ts';
import { Leases } from './leases.ts';
import {
  GROUP_COMMITS_MAX,
  HISTORY_AGE_MAX_MS,
  HISTORY_BYTES_MAX,
  HISTORY_REVISIONS_MAX,
  LEASE_TTL_MAX_MS,
  LEASE_TTL_MIN_MS,
  REGISTRY_BYTES_MAX,
} from './limits.ts';
import { checkCommit, checkKey, checkPrefix } from './rules.ts';
import { APPLICATION, type Applied, MIGRATIONS, Store } from './store.ts';
import { wake, type Watcher, Watchers } from './watchers.ts';

/** What is kept for watchers; whichever limit is met first. */
export interface HistoryLimits {
  readonly revisionsMax: number;
  readonly bytesMax: number;
  readonly ageMaxMs: number;
}

export interface SqliteRegistryOptions {
  /** Path of the file; its folder exists. */
  readonly path: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly history?: Partial<HistoryLimits>;
  /** Limit of the file in bytes. */
  readonly bytesMax?: number;
}

/**
 * Opens or creates the registry of a data folder and holds it alone. Throws `SQLITE_BUSY` when another process has
 * it, `SQLITE_TOO_NEW` when a newer Moln wrote it, `SQLITE_CORRUPT` when it is damaged.
 */
export async function openSqliteRegistry(options: SqliteRegistryOptions): Promise<Registry> {
  const db = openDatabase({
    path: options.path,
    durability: 'full',
    busyTimeoutMs: BUSY_TIMEOUT_MS,
    exclusive: true,
    check: true,
  });
  try {
    migrate(db, { application: APPLICATION, migrations: MIGRATIONS });
    return new SqliteRegistry(db, options);
  } catch (error) {
    db[Symbol.dispose]();
    throw error;
  }
}

/** One change that waits for the next group. `apply` runs inside its transaction. */
interface Job {
  apply(): Applied;
  resolve(result: CommitResult): void;
  reject(error: unknown): void;
}

type Outcome = { readonly job: Job } & ({ readonly applied: Applied } | { readonly error: Error });

/** Another node on the same folder does not let go soon: say so at once. */
const BUSY_TIMEOUT_MS = 100;
const COMPACT_EVERY_MS = 60_000;
/** Compaction waits until so much more than the limit has gathered, so that it is not done at every commit. */
const COMPACT_SLACK = 1.25;

class SqliteRegistry implements Registry {
  readonly engine = 'sqlite';
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #history: HistoryLimits;
  readonly #bytesMax: number;
  readonly #store: Store;
  readonly #watchers = new Watchers();
  readonly #leases: Leases;
  readonly #compaction: Disposable;
  readonly #queue: Job[] = [];
  #scheduled = false;
  #closed = false;

  constructor(db: Database, options: SqliteRegistryOptions) {
    this.#db = db;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#history = {
      revisionsMax: HISTORY_REVISIONS_MAX,
      bytesMax: HISTORY_BYTES_MAX,
      ageMaxMs: HISTORY_AGE_MAX_MS,
      ...options.history,
    };
    this.#bytesMax = options.bytesMax ?? REGISTRY_BYTES_MAX;
    const pageBytes = Number(db.pragma('page_size'));
    db.exec(`PRAGMA max_page_count = ${Math.floor(this.#bytesMax / pageBytes)}`);
    this.#store = new Store(db);
    this.#leases = new Leases(options.clock, (ids) => this.#expire(ids));
    for (const { id, ttlMs } of this.#store.leases()) this.#leases.add(id, ttlMs);
    this.#compaction = options.clock.every(COMPACT_EVERY_MS, () => this.#compact());
  }

  async get(key: string): Promise<Entry | undefined> {
    this.#requireOpen();
    checkKey(key);
    return this.#store.get(key);
  }

  async list(prefix: string): Promise<ListResult> {
    this.#requireOpen();
    checkPrefix(prefix);
    return { entries: this.#store.list(prefix), revision: this.#store.revision };
  }

  async commit(
    conditions: readonly Condition[],
    operations: readonly Operation[],
  ): Promise<CommitResult> {
    checkCommit(conditions, operations);
    return this.#enqueue(() => this.#store.apply(conditions, operations, this.#clock.now()));
  }

  async lease(ttlMs: number): Promise<Lease> {
    const granted = Math.ceil(Math.min(Math.max(ttlMs, LEASE_TTL_MIN_MS), LEASE_TTL_MAX_MS));
    const id = randomId(16);
    await this.#enqueue(() => {
      this.#store.putLease(id, granted);
      return { result: { kind: 'committed', revision: this.#store.revision }, keys: [] };
    });
    this.#leases.add(id, granted);
    return {
      id,
      ttlMs: granted,
      renew: async () => {
        this.#requireOpen();
        if (!this.#leases.renew(id)) throw leaseLost(id);
      },
      revoke: async () => {
        if (this.#leases.has(id)) await this.#endLease(id);
      },
    };
  }

  async *watch(
    prefix: string,
    fromRevision: Revision,
    signal: AbortSignal,
  ): AsyncGenerator<WatchBatch, void, undefined> {
    checkPrefix(prefix);
    const watcher = this.#watchers.add(prefix, fromRevision);
    const stop = (): void => wake(watcher);
    signal.addEventListener('abort', stop, { once: true });
    try {
      while (!signal.aborted && !this.#closed) {
        const batches = this.#readPage(watcher);
        if (batches.length === 0) await this.#watchers.wait(watcher);
        for (const batch of batches) {
          if (signal.aborted) return;
          yield batch;
        }
      }
    } finally {
      signal.removeEventListener('abort', stop);
      this.#watchers.remove(watcher);
    }
  }

  /** Answers what is queued, ends the watches, closes the file. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    while (this.#queue.length > 0) this.#flush();
    this.#closed = true;
    this.#compaction[Symbol.dispose]();
    this.#leases[Symbol.dispose]();
    this.#watchers.wakeAll();
    this.#db[Symbol.dispose]();
  }

  #requireOpen(): void {
    if (this.#closed) throw closed();
  }

  #readPage(watcher: Watcher): readonly WatchBatch[] {
    const { cursor } = watcher;
    if (cursor <= this.#store.compacted) throw compacted(cursor, this.#store.compacted + 1);
    const page = this.#store.readHistory(watcher.prefix, cursor);
    watcher.cursor = page.next;
    return page.batches;
  }

  #enqueue(apply: () => Applied): Promise<CommitResult> {
    this.#requireOpen();
    return new Promise((resolve, reject) => {
      this.#queue.push({ apply, resolve, reject });
      if (this.#scheduled) return;
      this.#scheduled = true;
      // After this round of I/O, so that what other callers have at hand shares the fsync.
      setImmediate(() => {
        this.#scheduled = false;
        if (!this.#closed) this.#flush();
      });
    });
  }

  #flush(): void {
    const jobs = this.#queue.splice(0, GROUP_COMMITS_MAX);
    if (!this.#runGroup(jobs) && jobs.length > 1) {
      // One of them broke the group, a value too large for the disk perhaps: each for itself then.
      for (const job of jobs) this.#runGroup([job]);
    }
    if (this.#queue.length > 0 && !this.#scheduled) {
      this.#scheduled = true;
      setImmediate(() => {
        this.#scheduled = false;
        if (!this.#closed) this.#flush();
      });
    }
  }

  /** False when the group was rolled back and its jobs, if several, still wait for an answer. */
  #runGroup(jobs: readonly Job[]): boolean {
    const outcomes: Outcome[] = [];
    const before = this.#store.counters();
    try {
      transaction(this.#db, () => {
        for (const job of jobs) outcomes.push(runJob(job));
        if (this.#compactionIsDue()) this.#compactNow();
      });
    } catch (error) {
      this.#store.restore(before);
      if (jobs.length === 1) jobs[0]?.reject(this.#explain(error));
      return false;
    }
    const keys: string[] = [];
    for (const outcome of outcomes) {
      if ('error' in outcome) {
        outcome.job.reject(outcome.error);
        continue;
      }
      keys.push(...outcome.applied.keys);
      outcome.job.resolve(outcome.applied.result);
    }
    if (keys.length > 0) this.#watchers.notify(keys, this.#store.revision);
    return true;
  }

  /** A full disk and a full registry are the same to SQLite. */
  #explain(error: unknown): unknown {
    const isFull = isMolnError(error, 'DISK_FULL');
    return isFull && this.#store.fileBytes() > this.#bytesMax * 0.9 ? full(this.#bytesMax) : error;
  }

  #compactionIsDue(): boolean {
    const { revisionsMax, bytesMax } = this.#history;
    const revisions = this.#store.revision - this.#store.compacted;
    return (
      revisions > revisionsMax * COMPACT_SLACK ||
      this.#store.historyBytes > bytesMax * COMPACT_SLACK
    );
  }

  #compactNow(): void {
    this.#store.compact({
      ...this.#history,
      notBefore: this.#clock.now() - this.#history.ageMaxMs,
    });
  }

  #compact(): void {
    const before = this.#store.counters();
    try {
      transaction(this.#db, () => this.#compactNow());
    } catch (error) {
      this.#store.restore(before);
      this.#log.warn('Cannot compact the registry, will try again', { error });
    }
  }

  async #endLease(id: string): Promise<void> {
    await this.#enqueue(() => this.#store.endLease(id, this.#clock.now()));
    this.#leases.remove(id);
  }

  #expire(ids: readonly string[]): void {
    for (const id of ids) {
      this.#endLease(id).catch((error: unknown) => {
        if (!this.#closed) this.#log.warn('Cannot end a lease, will try again', { id, error });
      });
    }
  }
}

/** An expected failure of one job, such as a lost lease, is thrown before it writes and is its own affair. */
function runJob(job: Job): Outcome {
  try {
    return { job, applied: job.apply() };
  } catch (error) {
    if (isMolnError(error, 'REGISTRY_LEASE_LOST')) return { job, error };
    throw error;
  }
}
