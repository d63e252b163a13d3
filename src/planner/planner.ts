/**
 * The door of the planner: SQL of one database run over many stripes. `new Planner(...)`, then a `connect()` for each client.
 */
import { Catalogue } from './catalogue.ts';
import type { Table } from './table.ts';
import { Coercion } from './coercion.ts';
import { Connection } from './connection.ts';
import { GATHER_BUDGET, type GatherBudget } from './gather.ts';
import { KeptTables } from './kept-tables.ts';
import { type LoneInsert, loneInsert } from './lone-insert.ts';
import { Combiners } from './scatter-run.ts';
import { ScratchPool } from './scratch.ts';
import { PlanCache } from './plan-cache.ts';
import type { IdSource, Stripes } from './stripes.ts';
import type { StoredObject } from './table.ts';
import type { SqlRow, SqlValue } from './values.ts';
import { TEMPORARY_BYTES_MAX, type TemporaryRoom, temporaryRoom } from './temporary.ts';

export { Connection, type Result } from './connection.ts';
export type { Explanation } from './explain.ts';
export type { LoneInsert } from './lone-insert.ts';
export type { Given } from './parameters.ts';
export { insertText, keyNames } from './gathered-write.ts';
export { slotOf } from './key-slot.ts';
export { OWN_STRIPE } from './stripes.ts';
export { storedColumns, type StoredObject, type Table } from './table.ts';
export { quoted } from './syntax.ts';
export type {
  IdSource,
  OwnTables,
  SchemaChange,
  Sightings,
  Stripes,
  StripeSession,
  StripeWrite,
  WriteOutcome,
} from './stripes.ts';
export { sqliteFailure } from './sqlite-errors.ts';
export { splitScript } from './syntax.ts';
export type { SqlRow, SqlValue } from './values.ts';

export interface PlannerSettings {
  readonly budget: GatherBudget;
  /** Tables up to this size are read whole, so that what SQL leaves open comes out as in one SQLite; 0 rows for never. */
  readonly exact: GatherBudget;
  /** What new connections begin with, see PRAGMA foreign_keys. */
  readonly foreignKeys: boolean;
  /** Without one, ids are those that SQLite would give, and an insert without one asks every stripe. */
  readonly ids?: IdSource;
  /** Every statement takes the way that is always right: where it was decided elsewhere, and for tests that compare. */
  readonly force?: 'gather';
  /** What the temporary tables of one connection may hold. */
  readonly temporaryBytesMax: number;
}

const DEFAULTS: PlannerSettings = {
  budget: GATHER_BUDGET,
  exact: { rowsMax: 500, bytesMax: 1024 * 1024 },
  foreignKeys: true,
  temporaryBytesMax: TEMPORARY_BYTES_MAX,
};

export class Planner implements Disposable {
  readonly stripes: Stripes;
  readonly settings: PlannerSettings;
  readonly pool: ScratchPool = new ScratchPool();
  readonly combiners: Combiners = new Combiners();
  readonly plans: PlanCache = new PlanCache();
  readonly coercion: Coercion = new Coercion();
  /** Tables that were found too large to be gathered for the sake of order alone. */
  readonly large: WeakSet<Table> = new WeakSet();
  readonly keeps: KeptTables = new KeptTables();
  /** What all connections' temporary tables take. */
  readonly temporaryRoom: TemporaryRoom;
  #catalogue: Catalogue;
  readonly #coerce = (value: SqlValue, affinity: string): SqlValue =>
    this.coercion.apply(value, affinity);

  constructor(stripes: Stripes, settings: Partial<PlannerSettings> = {}) {
    this.stripes = stripes;
    this.settings = { ...DEFAULTS, ...settings };
    this.temporaryRoom = temporaryRoom(this.settings.temporaryBytesMax);
    this.#catalogue = Catalogue.parse(stripes.catalogue, stripes.schemaVersion);
  }

  /**
   * `stripes`: where this client's transactions begin, when that is not the same for all. `temporary`: definitions of another
   * connection, whose rows `OWN_STRIPE` gives.
   */
  connect(
    stripes: Pick<Stripes, 'begin'> = this.stripes,
    temporary?: readonly StoredObject[],
  ): Connection {
    return new Connection(this, stripes, temporary);
  }

  /** What a new connection would do with an INSERT, when that is one statement on one stripe; see `loneInsert`. */
  loneInsert(sql: string, values: SqlRow): LoneInsert | undefined {
    const { plans, settings, stripes, catalogue } = this;
    const { foreignKeys, force, ids } = settings;
    if (force === 'gather') return undefined;
    return loneInsert(sql, values, {
      plans,
      reach: { foreignKeys, recursiveTriggers: false },
      catalogue,
      slots: stripes.slots,
      coerce: this.#coerce,
      ids,
    });
  }

  /** The newest committed schema. */
  get catalogue(): Catalogue {
    const { schemaVersion, catalogue } = this.stripes;
    if (schemaVersion !== this.#catalogue.version) {
      this.adopt(Catalogue.parse(catalogue, schemaVersion));
    }
    return this.#catalogue;
  }

  adopt(catalogue: Catalogue): void {
    this.#catalogue = catalogue;
  }

  [Symbol.dispose](): void {
    this.combiners[Symbol.dispose]();
    this.pool[Symbol.dispose]();
    this.coercion[Symbol.dispose]();
    this.#catalogue[Symbol.dispose]();
  }
}
