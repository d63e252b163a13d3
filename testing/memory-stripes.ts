/** Stripes in memory behind the planner's interface: plain SQLite, one database a stripe, one writer at a time. */
import type {
  SchemaChange,
  Sightings,
  SqlRow,
  Stripes,
  StripeSession,
  StripeWrite,
  WriteOutcome,
} from '../src/planner/planner.ts';
import { evenSlotMap, type SlotMap } from '../src/slots/slots.ts';
import { MemoryDatabase } from '../src/sqlite/sqlite.ts';

export class MemoryStripes implements Stripes, Disposable {
  slots: SlotMap;
  readonly databases: readonly MemoryDatabase[];
  catalogue = '';
  schemaVersion = 0;
  /** Texts that the stripes were given, newest last: for tests that look at plans. */
  log: string[] | undefined;
  readonly batchRows: number;
  /** Readers look, and so may use what was kept: see `Sightings`. */
  isLookedAt = false;
  /** Writes so far, those that were undone too, by stripe. */
  readonly writes: number[];

  constructor(count: number, batchRows = 100) {
    this.slots = evenSlotMap(count);
    this.batchRows = batchRows;
    this.writes = Array.from({ length: count }, () => 0);
    this.databases = Array.from({ length: count }, () => new MemoryDatabase());
  }

  get count(): number {
    return this.databases.length;
  }

  begin(mode: 'read' | 'write'): Promise<StripeSession> {
    if (mode === 'write') for (const db of this.databases) db.exec('BEGIN');
    return Promise.resolve(new MemorySession(this, mode));
  }

  [Symbol.dispose](): void {
    for (const db of this.databases) db[Symbol.dispose]();
  }
}

class MemorySession implements StripeSession {
  readonly #stripes: MemoryStripes;
  readonly #mode: 'read' | 'write';
  readonly #before: { readonly catalogue: string; readonly schemaVersion: number };
  #lookedTimes = 0;
  #used: ReadonlyMap<number, number> = new Map();

  constructor(stripes: MemoryStripes, mode: 'read' | 'write') {
    this.#stripes = stripes;
    this.#mode = mode;
    this.#before = { catalogue: stripes.catalogue, schemaVersion: stripes.schemaVersion };
  }

  /** What was kept is tried once. */
  looks(): boolean {
    this.#used = new Map();
    return this.#stripes.isLookedAt && this.#mode === 'read' && this.#lookedTimes++ < 2;
  }

  get sightings(): Sightings | undefined {
    if (this.#lookedTimes === 0) return undefined;
    return {
      of: (stripe) => this.#stripes.writes[stripe],
      use: (at) => {
        if (this.#lookedTimes === 1) this.#used = new Map(at);
        return this.#lookedTimes === 1;
      },
    };
  }

  isOneMoment(): Promise<boolean> {
    const isNow = [...this.#used].every(([stripe, at]) => this.#stripes.writes[stripe] === at);
    return Promise.resolve(isNow);
  }

  #written(stripe: number): void {
    this.#stripes.writes[stripe] = (this.#stripes.writes[stripe] ?? 0) + 1;
  }

  #database(stripe: number): MemoryDatabase {
    const db = this.#stripes.databases[stripe];
    if (db === undefined) throw new Error(`There is no stripe ${stripe}`);
    return db;
  }

  async *rows(stripe: number, sql: string, values: SqlRow): AsyncGenerator<readonly SqlRow[]> {
    this.#stripes.log?.push(`${stripe}: ${sql}`);
    const rows = this.#database(stripe).keep(sql).all(values);
    const { batchRows } = this.#stripes;
    for (let at = 0; at < rows.length; at += batchRows) {
      yield await Promise.resolve(rows.slice(at, at + batchRows));
    }
  }

  write(stripe: number, writes: readonly StripeWrite[]): Promise<readonly WriteOutcome[]> {
    const db = this.#database(stripe);
    this.#written(stripe);
    return new Promise((resolve) => {
      resolve(
        writes.map(({ sql, runs }) => {
          this.#stripes.log?.push(`${stripe}: ${sql}`);
          const statement = db.keep(sql);
          const rows: SqlRow[] = [];
          let changes = 0;
          for (const values of runs) {
            rows.push(...statement.all(values));
            changes += Number(db.keep('SELECT changes()').all()[0]?.[0] ?? 0);
          }
          const inserts = /^\s*(?:insert|replace)\b/i.test(sql);
          const [last] = db.keep('SELECT last_insert_rowid()').all()[0] ?? [];
          return { changes, rows, lastInsertRowid: inserts ? BigInt(last as bigint) : undefined };
        }),
      );
    });
  }

  alter({ texts, catalogue, schemaVersion }: SchemaChange): Promise<void> {
    return this.#everywhere(() => {
      for (const db of this.#stripes.databases) for (const text of texts) db.exec(text);
      for (const db of this.#stripes.databases) db.forget();
      for (const stripe of this.#stripes.writes.keys()) this.#written(stripe);
      this.#stripes.catalogue = catalogue;
      this.#stripes.schemaVersion = schemaVersion;
    });
  }

  savepoint(name: string): Promise<void> {
    return this.#exec(`SAVEPOINT ${name}`);
  }

  release(name: string): Promise<void> {
    return this.#exec(`RELEASE ${name}`);
  }

  rollbackTo(name: string): Promise<void> {
    return this.#exec(`ROLLBACK TO ${name}`);
  }

  commit(): Promise<void> {
    return this.#mode === 'write' ? this.#exec('COMMIT') : Promise.resolve();
  }

  rollback(): Promise<void> {
    if (this.#mode === 'read') return Promise.resolve();
    this.#stripes.catalogue = this.#before.catalogue;
    this.#stripes.schemaVersion = this.#before.schemaVersion;
    return this.#exec('ROLLBACK');
  }

  #exec(sql: string): Promise<void> {
    return this.#everywhere(() => {
      for (const db of this.#stripes.databases) db.exec(sql);
      if (!sql.startsWith('ROLLBACK')) return;
      for (const stripe of this.#stripes.writes.keys()) this.#written(stripe);
    });
  }

  #everywhere(work: () => void): Promise<void> {
    return new Promise((resolve) => {
      work();
      resolve();
    });
  }
}
