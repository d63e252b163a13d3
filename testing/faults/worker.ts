/** One client of a fault run: does one random thing at a time and says what it saw. */
import { setTimeout as pause } from 'node:timers/promises';
import { isMolnError, messageOf, MolnError } from '../../src/base/errors.ts';
import {
  type CommitLog,
  Moment,
  type SqlValue,
  type Statement,
  type StripeClient,
  Together,
} from '../../src/database/database.ts';
import type { Step } from '../histories/history.ts';
import type { Seeded } from '../seeded.ts';
import { monotonicMs, type Observation } from './observation.ts';

export interface WorkerOptions {
  readonly log: CommitLog;
  /** Each stripe at its primary. */
  readonly leaders: readonly StripeClient[];
  /** By stripe, each of its copies. */
  readonly copies: readonly (readonly StripeClient[])[];
  readonly random: Seeded;
  /** A process whose outcome is unknown does nothing more; the next one's number is so much larger. */
  readonly process: number;
  readonly processStep: number;
  readonly round: number;
  readonly accounts: number;
  readonly say: (observation: Observation) => void;
}

/** Lists, registers and rows live so long, so that they stay short. */
const PERIOD_MS = 3000;
const PERIODS_PER_ROUND = 100_000;
const KEYS_PER_PERIOD = 10;
const STEPS_MAX = 4;
const AMOUNT_MAX = 20;
const READS_IN_A_ROW = 20;

type Rows = readonly (readonly SqlValue[])[];

export const TABLES: readonly Statement[] = [
  { sql: 'CREATE TABLE list (k INTEGER PRIMARY KEY, v TEXT NOT NULL)' },
  { sql: 'CREATE TABLE account (id INTEGER PRIMARY KEY, n INTEGER NOT NULL)' },
  { sql: 'CREATE TABLE counter (id INTEGER PRIMARY KEY, n INTEGER NOT NULL)' },
  { sql: 'CREATE TABLE register (id INTEGER PRIMARY KEY, v INTEGER NOT NULL)' },
  {
    sql: 'CREATE TABLE note (space INTEGER NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (space, id)) WITHOUT ROWID',
  },
];

export class Worker {
  readonly #options: WorkerOptions;
  #process: number;
  #serial = 0;

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#process = options.process;
  }

  async next(): Promise<void> {
    const { random, say } = this.#options;
    const work = random.pick([
      () => this.#lists(),
      () => this.#lists(),
      () => this.#lists(),
      () => this.#transfer(),
      () => this.#bank(),
      () => this.#note(),
      () => this.#count(),
      () => this.#counters(),
      () => this.#register(),
      () => this.#register(),
      () => this.#watch(),
      () => this.#oldList(),
    ]);
    try {
      await work();
    } catch (error) {
      if (!isMolnError(error))
        say({
          kind: 'broken',
          what: error instanceof Error ? (error.stack ?? error.message) : messageOf(error),
        });
      else say({ kind: 'refused', code: error.code });
      // Nobody leads, or the network is away.
      await pause(20 + random.below(50));
    }
  }

  /** A transaction that appends to lists and reads them. */
  async #lists(): Promise<void> {
    const { random, say, leaders } = this.#options;
    const isRead = random.chance(0.25);
    const count = 1 + random.below(STEPS_MAX);
    const keys = Array.from(
      { length: count },
      () => this.#period() * KEYS_PER_PERIOD + random.below(6),
    );
    const asked = keys.map((key): Step => {
      if (isRead || random.chance(0.4)) return ['r', key, null];
      return ['append', key, this.#value()];
    });
    const id = this.#value().toString();
    say({ kind: 'begin', id, process: this.#process, at: monotonicMs(), steps: asked });
    const stripes = new Set(keys.map((key) => key % leaders.length));
    try {
      const steps = await this.#doLists(asked, stripes, isRead);
      say({ kind: 'end', id, type: 'ok', at: monotonicMs(), steps });
    } catch (error) {
      const type = isUnknown(error) && !isRead ? 'info' : 'fail';
      say({ kind: 'end', id, type, at: monotonicMs(), steps: asked });
      if (type === 'info') this.#process += this.#options.processStep;
      throw error;
    }
  }

  async #doLists(
    asked: readonly Step[],
    stripes: ReadonlySet<number>,
    isRead: boolean,
  ): Promise<readonly Step[]> {
    const { random, log } = this.#options;
    const [only] = stripes;
    if (isRead) {
      await using moment = await Moment.open(log, this.#leadersOf(stripes));
      return await eachStep(
        asked,
        async (stripe, statement) => (await moment.query(this.#nameOf(stripe), statement)).rows,
        this.#options.leaders.length,
      );
    }
    if (stripes.size === 1 && random.chance(0.7)) {
      const { results } = await this.#leader(only).execute(asked.map(statementOf));
      return asked.map((step, at) => answered(step, results[at]?.rows ?? []));
    }
    const together = await Together.begin(log, this.#leadersOf(stripes));
    try {
      const steps = await eachStep(
        asked,
        async (stripe, statement) => (await together.run(this.#nameOf(stripe), statement)).rows,
        this.#options.leaders.length,
      );
      if (random.chance(0.05)) {
        await together.rollBack();
        throw new MolnError('TEST_ROLLED_BACK', 'Nobody may see what it appended');
      }
      await together.commit();
      return steps;
    } catch (error) {
      await together.rollBack();
      throw error;
    }
  }

  async #transfer(): Promise<void> {
    const { random, log, accounts, leaders } = this.#options;
    const from = random.below(accounts);
    const to = (from + 1 + random.below(accounts - 1)) % accounts;
    const amount = BigInt(1 + random.below(AMOUNT_MAX));
    const together = await Together.begin(
      log,
      this.#leadersOf(new Set([from % leaders.length, to % leaders.length])),
    );
    try {
      for (const [account, change] of [
        [from, -amount],
        [to, amount],
      ] as const) {
        const sql = 'UPDATE account SET n = n + ? WHERE id = ?';
        await together.run(this.#nameOf(account), { sql, args: [change, BigInt(account)] });
      }
      await together.commit();
    } finally {
      await together.rollBack();
    }
  }

  async #bank(): Promise<void> {
    const rows = await this.#everywhere({ sql: 'SELECT n FROM account ORDER BY id' });
    this.#options.say({ kind: 'bank', read: rows.map(([n]) => Number(n)) });
  }

  async #count(): Promise<void> {
    const stripe = this.#options.random.below(this.#options.leaders.length);
    await this.#leader(stripe).execute([{ sql: 'UPDATE counter SET n = n + 1' }]);
  }

  async #counters(): Promise<void> {
    const rows = await this.#everywhere({ sql: 'SELECT n FROM counter' });
    this.#options.say({ kind: 'fork', read: rows.map(([n]) => Number(n)) });
  }

  /** A row of its own, seen at once by a session on any copy; or a look at all rows. */
  async #note(): Promise<void> {
    const { random, say, copies } = this.#options;
    const space = this.#period();
    const began = monotonicMs();
    if (random.chance(0.4)) {
      const rows = await this.#everywhere({
        sql: 'SELECT id FROM note WHERE space = ?',
        args: [BigInt(space)],
      });
      return say({ kind: 'sight', space, began, rows: rows.map(([id]) => Number(id)) });
    }
    const row = this.#value();
    const stripe = random.below(this.#options.leaders.length);
    const args = [BigInt(space), BigInt(row)];
    const { index } = await this.#leader(stripe).execute([
      { sql: 'INSERT INTO note (space, id) VALUES (?, ?)', args },
    ]);
    say({ kind: 'write', space, row, process: this.#process, began, ended: monotonicMs() });
    const copy = random.pick(copies[stripe] ?? []);
    const sql = 'SELECT 1 FROM note WHERE space = ? AND id = ?';
    const { rows } = await copy.query({ sql, args }, { kind: 'session', index });
    if (rows.length === 0)
      say({ kind: 'broken', what: `A session on a copy misses row ${row} of entry ${index}` });
  }

  /** One copy is read so often that it borrows what it needs for that. */
  async #watch(): Promise<void> {
    const { random, leaders, copies } = this.#options;
    const key = this.#registerKey();
    const copy = random.pick(copies[key % leaders.length] ?? []);
    for (let read = 0; read < READS_IN_A_ROW; read++) await this.#readRegister(copy, key);
  }

  #registerKey(): number {
    return this.#period() * KEYS_PER_PERIOD + this.#options.random.below(3);
  }

  async #readRegister(at: StripeClient, key: number): Promise<void> {
    const began = monotonicMs();
    const { rows } = await at.query(
      { sql: 'SELECT v FROM register WHERE id = ?', args: [BigInt(key)] },
      { kind: 'strong' },
    );
    this.#options.say({
      kind: 'register',
      id: `${this.#value()}`,
      key,
      op: ['r', Number(rows[0]?.[0] ?? 0)],
      began,
      ended: monotonicMs(),
    });
  }

  async #register(): Promise<void> {
    const { random, say, leaders, copies } = this.#options;
    const key = this.#registerKey();
    if (random.chance(0.5)) {
      // Strong reads are answered by mirrors, too.
      const at = random.chance(0.5)
        ? this.#leader(key % leaders.length)
        : random.pick(copies[key % leaders.length] ?? []);
      return await this.#readRegister(at, key);
    }
    const id = BigInt(key);
    const began = monotonicMs();
    const value = this.#value();
    const sql =
      'INSERT INTO register (id, v) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET v = ?2';
    const write = { kind: 'register', id: `${value}`, key, op: ['w', value], began } as const;
    say({ ...write, ended: null });
    try {
      await this.#leader(key % leaders.length).execute([{ sql, args: [id, BigInt(value)] }]);
    } catch (error) {
      if (!isUnknown(error)) say({ kind: 'unwritten', id: write.id });
      throw error;
    }
    say({ ...write, ended: monotonicMs() });
  }

  async #oldList(): Promise<void> {
    const { random, say, copies, leaders } = this.#options;
    const key = this.#period() * KEYS_PER_PERIOD + random.below(6);
    const copy = random.pick(copies[key % leaders.length] ?? []);
    const { rows } = await copy.query(statementOf(['r', key, null]), { kind: 'stale' });
    const [, , list] = answered(['r', key, null], rows);
    say({ kind: 'old', key, list: list as readonly number[] });
  }

  /** Of all stripes, as of one moment, in their order. */
  async #everywhere(statement: Statement): Promise<Rows> {
    const { log, leaders } = this.#options;
    await using moment = await Moment.open(log, leaders);
    const all = await Promise.all(leaders.map(({ name }) => moment.query(name, statement)));
    return all.flatMap(({ rows }) => rows);
  }

  #leader(stripe = 0): StripeClient {
    const { leaders } = this.#options;
    const found = leaders[stripe % leaders.length];
    if (found === undefined) throw new Error(`There is no stripe ${stripe}`);
    return found;
  }

  #leadersOf(stripes: ReadonlySet<number>): readonly StripeClient[] {
    return [...stripes].map((stripe) => this.#leader(stripe));
  }

  #nameOf(key: number): string {
    return this.#leader(key).name;
  }

  #period(): number {
    const { round } = this.#options;
    return round * PERIODS_PER_ROUND + (Math.floor(monotonicMs() / PERIOD_MS) % PERIODS_PER_ROUND);
  }

  /** Nobody else's. */
  #value(): number {
    return this.#options.process * 1_000_000 + ++this.#serial;
  }
}

function isUnknown(error: unknown): boolean {
  return !isMolnError(error) || error.code === 'DATABASE_OUTCOME_UNKNOWN';
}

function statementOf([kind, key, value]: Step): Statement {
  if (kind === 'r') return { sql: 'SELECT v FROM list WHERE k = ?', args: [BigInt(key)] };
  return {
    sql: "INSERT INTO list (k, v) VALUES (?1, ?2) ON CONFLICT (k) DO UPDATE SET v = v || ' ' || ?2",
    args: [BigInt(key), String(value)],
  };
}

function answered(step: Step, rows: Rows): Step {
  if (step[0] === 'append') return step;
  const text = rows[0]?.[0];
  return ['r', step[1], typeof text === 'string' ? text.split(' ').map(Number) : []];
}

async function eachStep(
  asked: readonly Step[],
  run: (stripe: number, statement: Statement) => Promise<Rows>,
  stripes: number,
): Promise<readonly Step[]> {
  const steps: Step[] = [];
  for (const step of asked)
    steps.push(answered(step, await run(step[1] % stripes, statementOf(step))));
  return steps;
}
