/**
 * Work for later, kept in the app's database: done at least once, by whichever instance takes it first. Put into a transaction, it is
 * there when that is. Who works on one holds it by a lease, so that it is done elsewhere when an instance dies.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { MolnError, messageOf } from '../base/errors.ts';
import { randomId } from '../base/ids.ts';
import type { Logger } from '../base/log.ts';
import { type Clock, systemClock } from '../base/time.ts';
import { type Cron, latestTime, readCron } from './cron.ts';
import { type Database, type SqlRow, theConnection } from './sql.ts';

/** So long an instance may be silent before its job is somebody else's. */
const LEASE_MS = 60_000;
const RENEW_MS = 20_000;
/** How often an instance looks for jobs of others and of times to come. */
const LOOK_MS = 2000;
/** Of one instance, at the same time. */
const PARALLEL = 4;
const FIRST_PAUSE_MS = 5000;
const PAUSE_MS_MAX = 3_600_000;
/** Times that a job is begun before it is given up. */
const ATTEMPTS = 10;
/** What was given up is kept for so long. */
const FAILED_KEPT_MS: number = 30 * 24 * 3_600_000;
const SWEEP_MS = 3_600_000;
/** A line of a stack that is in a file of the app, wherever the app lies; as Node writes it, with or without `?v=7` of `moln dev`. */
const APP_LINE = /^ +at .*\/(app\/[^\s()?]+)(?:\?v=\d+)?:(\d+):\d+\)?$/gm;
/** Of the reason that is kept. */
const ERROR_CHARACTERS = 2000;
const NAME = /^[a-z][a-z0-9_]{0,62}$/;

export const JOB_TABLES: readonly string[] = [
  'CREATE TABLE IF NOT EXISTS moln_jobs (id INTEGER PRIMARY KEY, name TEXT NOT NULL, payload TEXT NOT NULL, key TEXT UNIQUE, ' +
    'state TEXT NOT NULL, run_at INTEGER NOT NULL, attempts INTEGER NOT NULL, held_until INTEGER NOT NULL, error TEXT)',
  'CREATE TABLE IF NOT EXISTS moln_crons (name TEXT PRIMARY KEY, last INTEGER NOT NULL)',
];

export interface JobOptions {
  /** At these times as well, once in the whole cluster, with `undefined` as the payload: `0 3 * * *`, in UTC. */
  readonly cron?: string;
  /** Times that it is begun before it is given up; default 10. */
  readonly attempts?: number;
}

export interface JobRun {
  readonly id: number;
  /** 1 for the first. */
  readonly attempt: number;
  /** Aborted when the instance stops. */
  readonly signal: AbortSignal;
}

export interface EnqueueOptions {
  /** While a job with this key waits, is done or has been given up, a second one is not put in. */
  readonly key?: string;
  readonly delaySeconds?: number;
}

/** Told when something was put in here, so that it does not wait for the next look. */
const wakers = new Set<() => void>();

export class Job<Payload = never> {
  readonly name: string;
  readonly cron: Cron | undefined;
  readonly attempts: number;
  readonly work: (payload: Payload, run: JobRun) => Promise<void> | void;

  constructor(
    name: string,
    work: (payload: Payload, run: JobRun) => Promise<void> | void,
    options: JobOptions,
  ) {
    if (!NAME.test(name)) {
      throw new MolnError('WEB_BAD_NAME', `"${name}" cannot be the name of a job`, {
        hint: 'Write it in lower case with _',
      });
    }
    this.name = name;
    this.work = work;
    this.cron = options.cron === undefined ? undefined : readCron(options.cron);
    this.attempts = options.attempts ?? ATTEMPTS;
  }

  /** False when one with this key is there already. In a transaction it belongs to that. */
  async enqueue(payload: Payload, options: EnqueueOptions = {}): Promise<boolean> {
    const runAt = systemClock.now() + (options.delaySeconds ?? 0) * 1000;
    const { changes } = await theConnection().run({
      sql:
        'INSERT OR IGNORE INTO moln_jobs (name, payload, key, state, run_at, attempts, held_until) ' +
        "VALUES (?, ?, ?, 'waiting', ?, 0, 0)",
      args: [this.name, JSON.stringify(payload ?? null), options.key ?? null, runAt],
    });
    for (const wake of wakers) wake();
    return changes > 0;
  }
}

/**
 * Defines a job, in a file of `app/jobs`.
 *
 *     export const welcome = job('welcome', async ({ id }: { id: number }) => { … });
 *     await welcome.enqueue({ id: user.id });
 */
export function job<Payload = undefined>(
  name: string,
  work: (payload: Payload, run: JobRun) => Promise<void> | void,
  options: JobOptions = {},
): Job<Payload> {
  return new Job(name, work, options);
}

export interface JobRunnerOptions {
  readonly jobs: readonly Job[];
  readonly database: Database;
  readonly log: Logger;
  readonly clock?: Clock;
}

export class JobRunner implements AsyncDisposable {
  readonly #jobs: ReadonlyMap<string, Job>;
  readonly #database: Database;
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #stop = new AbortController();
  readonly #running = new Set<Promise<void>>();
  #timer: Disposable | undefined;
  #looking: Promise<void> | undefined;
  #again = false;
  #sweptMs = 0;
  /** As whoever made this, not as who puts a job in: their request and their transaction are no part of the work. */
  readonly #wake = AsyncLocalStorage.bind((): void => this.#look());

  constructor({ jobs, database, log, clock = systemClock }: JobRunnerOptions) {
    this.#jobs = new Map(jobs.map((each) => [each.name, each]));
    this.#database = database;
    this.#log = log;
    this.#clock = clock;
  }

  /** Begins to look for jobs; without jobs there is nothing to look for. */
  start(): void {
    if (this.#jobs.size === 0) return;
    wakers.add(this.#wake);
    this.#timer = this.#clock.every(LOOK_MS, this.#wake);
    this.#look();
  }

  /** Takes no more, and waits for those that it has. */
  async [Symbol.asyncDispose](): Promise<void> {
    wakers.delete(this.#wake);
    this.#timer?.[Symbol.dispose]();
    this.#stop.abort();
    await this.#looking;
    await Promise.all(this.#running);
  }

  /** Does what is due, one after the other, until nothing is: for tests. Gives how many it began. */
  async drain(): Promise<number> {
    await this.#schedule();
    for (let count = 0; ; count++) {
      const row = await this.#take();
      if (row === undefined) return count;
      await this.#run(row);
    }
  }

  #look(): void {
    this.#again = true;
    this.#looking ??= this.#takeAll().finally(() => {
      this.#looking = undefined;
    });
  }

  async #takeAll(): Promise<void> {
    try {
      while (this.#again && !this.#stop.signal.aborted) {
        this.#again = false;
        await this.#schedule();
        while (this.#running.size < PARALLEL && !this.#stop.signal.aborted) {
          const row = await this.#take();
          if (row === undefined) break;
          const run = this.#run(row).finally(() => {
            this.#running.delete(run);
            this.#look();
          });
          this.#running.add(run);
        }
      }
    } catch (error) {
      // The database is away for a moment: the next look comes anyway.
      this.#log.warn('Jobs cannot be looked for', { error: messageOf(error) });
    }
  }

  /** Puts in what is to be done at this time. Whoever moves the mark first does it, for the whole cluster. */
  async #schedule(): Promise<void> {
    const now = this.#clock.now();
    if (now - this.#sweptMs > SWEEP_MS) {
      this.#sweptMs = now;
      const sql = "DELETE FROM moln_jobs WHERE state = 'failed' AND run_at < ?";
      await this.#database.run({ sql, args: [now - FAILED_KEPT_MS] });
    }
    for (const { name, cron } of this.#jobs.values()) {
      const due = cron === undefined ? undefined : latestTime(cron, now);
      if (due === undefined) continue;
      const { rows } = await this.#database.run({
        sql: 'SELECT last FROM moln_crons WHERE name = ?',
        args: [name],
      });
      const last = rows[0]?.['last'];
      if (last === undefined) {
        await this.#database.run({
          sql: 'INSERT OR IGNORE INTO moln_crons (name, last) VALUES (?, ?)',
          args: [name, due],
        });
      } else if (Number(last) < due) {
        await this.#database.transaction(async (connection) => {
          const move = {
            sql: 'UPDATE moln_crons SET last = ? WHERE name = ? AND last < ?',
            args: [due, name, due],
          };
          if ((await connection.run(move)).changes === 0) return;
          const sql =
            "INSERT INTO moln_jobs (name, payload, state, run_at, attempts, held_until) VALUES (?, 'null', 'waiting', ?, 0, 0)";
          await connection.run({ sql, args: [name, now] });
        });
      }
    }
  }

  /** Holds the next job that is due; undefined when there is none. */
  async #take(): Promise<SqlRow | undefined> {
    const now = this.#clock.now();
    const names = [...this.#jobs.keys()];
    const { rows } = await this.#database.run({
      sql:
        "SELECT id, attempts, held_until FROM moln_jobs WHERE state = 'waiting' AND run_at <= ? AND held_until <= ? " +
        `AND name IN (${names.map(() => '?').join(', ')}) ORDER BY run_at, id LIMIT ${PARALLEL}`,
      args: [now, now, ...names],
    });
    for (const row of rows) {
      const taken = await this.#database.run({
        sql: 'UPDATE moln_jobs SET held_until = ?, attempts = attempts + 1 WHERE id = ? AND attempts = ? AND held_until = ? RETURNING *',
        args: [now + LEASE_MS, row['id'] ?? 0, row['attempts'] ?? 0, row['held_until'] ?? 0],
      });
      if (taken.rows[0] !== undefined) return taken.rows[0];
    }
    return undefined;
  }

  async #run(row: SqlRow): Promise<void> {
    const id = Number(row['id']);
    const attempt = Number(row['attempts']);
    const one = this.#jobs.get(String(row['name']));
    if (one === undefined) return;
    const run = randomId();
    const startedMs = this.#clock.monotonicMs();
    const renew = this.#clock.every(RENEW_MS, () => void this.#renew(id, attempt));
    try {
      await one.work(JSON.parse(String(row['payload'])) as never, {
        id,
        attempt,
        signal: this.#stop.signal,
      });
      const ms = Math.round(this.#clock.monotonicMs() - startedMs);
      this.#log.info(`Job ${one.name} done`, { id: run, job: id, ms });
      await this.#database.run({
        sql: 'DELETE FROM moln_jobs WHERE id = ? AND attempts = ?',
        args: [id, attempt],
      });
    } catch (error) {
      this.#log.error(`Job ${one.name} failed`, {
        id: run,
        job: id,
        attempt,
        error: error instanceof Error ? error.stack : error,
      });
      await this.#failed(one, id, attempt, reasonOf(error));
    } finally {
      renew[Symbol.dispose]();
    }
  }

  /** With growing pauses, until it is given up; then it stays, with its reason. */
  async #failed(one: Job, id: number, attempt: number, why: string): Promise<void> {
    const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** (attempt - 1), PAUSE_MS_MAX);
    const state = attempt >= one.attempts ? 'failed' : 'waiting';
    try {
      await this.#database.run({
        sql: 'UPDATE moln_jobs SET state = ?, error = ?, run_at = ?, held_until = 0 WHERE id = ? AND attempts = ?',
        args: [state, why.slice(0, ERROR_CHARACTERS), this.#clock.now() + pauseMs, id, attempt],
      });
    } catch (error) {
      // The lease ends by itself, and the job is begun again.
      this.#log.warn('What became of a job cannot be noted', { job: id, error: messageOf(error) });
    }
  }

  async #renew(id: number, attempt: number): Promise<void> {
    try {
      const sql = 'UPDATE moln_jobs SET held_until = ? WHERE id = ? AND attempts = ?';
      await this.#database.run({ sql, args: [this.#clock.now() + LEASE_MS, id, attempt] });
    } catch (error) {
      this.#log.warn('The lease of a job cannot be renewed', { job: id, error: messageOf(error) });
    }
  }
}

/** What a failed job says of itself: why, and the first line of the app's own code that had to do with it. */
export function reasonOf(error: unknown): string {
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  const frames = [...stack.matchAll(APP_LINE)];
  const [, file, line] = frames.find(([text]) => !text.includes('/node_modules/')) ?? [];
  return file === undefined ? messageOf(error) : `${messageOf(error)} (${file}:${line})`;
}
