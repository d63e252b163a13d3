/**
 * The door of the planner: SQL of one database run over many stripes. `new Planner(...)`, then a `connect()` for each client.
 */
import { Catalogue, type Table } from './catalogue.ts';
import { Coercion } from './coercion.ts';
import { Connection } from './connection.ts';
import { GATHER_BUDGET, type GatherBudget } from './gather.ts';
import { Combiners } from './scatter-run.ts';
import { ScratchPool } from './scratch.ts';
import { PlanCache } from './plan-cache.ts';
import type { IdSource, Stripes } from './stripes.ts';

export { Connection, type Result } from './connection.ts';
export type { Explanation } from './explain.ts';
export type { Given } from './parameters.ts';
export { evenSlotMap, type SlotMap, slotOf, SLOTS } from './slots.ts';
export type {
  IdSource,
  SchemaChange,
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
  /** Every statement takes the way that is always right: for tests that compare. */
  readonly force?: 'gather';
}

const DEFAULTS: PlannerSettings = {
  budget: GATHER_BUDGET,
  exact: { rowsMax: 500, bytesMax: 1024 * 1024 },
  foreignKeys: true,
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
  #catalogue: Catalogue;
  #homes: { readonly version: number; readonly stripes: ReadonlySet<number> } | undefined;

  constructor(stripes: Stripes, settings: Partial<PlannerSettings> = {}) {
    this.stripes = stripes;
    this.settings = { ...DEFAULTS, ...settings };
    this.#catalogue = Catalogue.parse(stripes.catalogue, stripes.schemaVersion);
  }

  /** `stripes`: where this client's transactions begin, when that is not the same for all. */
  connect(stripes: Pick<Stripes, 'begin'> = this.stripes): Connection {
    return new Connection(this, stripes);
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

  /** Stripes that have slots at all. */
  get homes(): ReadonlySet<number> {
    const { slots } = this.stripes;
    if (this.#homes?.version !== slots.version) {
      this.#homes = { version: slots.version, stripes: new Set(slots.stripes) };
    }
    return this.#homes.stripes;
  }

  [Symbol.dispose](): void {
    this.combiners[Symbol.dispose]();
    this.pool[Symbol.dispose]();
    this.coercion[Symbol.dispose]();
    this.#catalogue[Symbol.dispose]();
  }
}
