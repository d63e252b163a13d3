/**
 * The stripes of one database as the planner sees them: their clients by number, and the schema that they all have. The catalogue is
 * kept on stripe 0, inside the same transaction as the change of the schema itself, and that makes a new version of every stripe's
 * schema; so a statement that was planned for an older one is noticed wherever it arrives.
 */
import { isMolnError } from '../base/errors.ts';
import {
  type CommitLog,
  SharedQuestion,
  type Statement,
  type StripeClient,
} from '../database/database.ts';
import type { Stripes, StripeSession } from '../planner/planner.ts';
import { evenSlotMap, type SlotMap } from '../slots/slots.ts';

/** What all stripes have. */
export interface Schema {
  readonly catalogue: string;
  /** Which stripe has which keys; kept with the catalogue, so that both change at one revision. */
  readonly slots: SlotMap;
  /** Of the catalogue; also counts what changes no stripe, such as a view. */
  readonly version: number;
  /** Of the stripes, which is the same for all that the slot map counts. */
  readonly stripeVersion: number;
}

const CATALOGUE_TABLE =
  'CREATE TABLE _moln_catalogue(version INTEGER PRIMARY KEY, text TEXT NOT NULL)';
/** The row with the slot map; it is missing before slots have moved for the first time. */
const SLOTS_ROW = -1n;
const SLOW_TEXTS_KEPT = 1000;
const SLOW_TIMES = 3;
const SLOW_TEXT_MAX = 16_384;
/** In a row: what is read in vain with one in so many is less than what the others gain. */
const CALM_MOMENTS = 16;

type Rows = readonly (readonly unknown[])[];

/** What one stripe runs when the schema or the slot map changes: on all it makes a new version, stripe 0 keeps both. */
export function keepCatalogue(
  stripe: number,
  { catalogue, version, slots }: Omit<Schema, 'stripeVersion'>,
): readonly Statement[] {
  const insert = (row: bigint, text: string): Statement => ({
    sql: 'INSERT INTO _moln_catalogue VALUES (?, ?)',
    args: [row, text],
  });
  return [
    { sql: 'DROP TABLE IF EXISTS _moln_catalogue' },
    { sql: CATALOGUE_TABLE },
    insert(BigInt(version), stripe === 0 ? catalogue : ''),
    ...(stripe === 0 ? [insert(SLOTS_ROW, JSON.stringify(slots))] : []),
  ];
}

export class StripeSet implements Stripes {
  readonly log: CommitLog;
  /** Texts that could not be looked at, with how often in a row. */
  readonly #slow = new Map<string, number>();
  #calmMoments = CALM_MOMENTS;
  readonly #ends: SharedQuestion<ReadonlyMap<string, number>>;
  readonly #clients: StripeClient[];
  readonly #more: ((stripe: number) => StripeClient) | undefined;
  readonly #onForeign: (() => void) | undefined;
  readonly #first: SlotMap;
  #schema: Schema;
  #loading: Promise<void> | undefined;

  /** `clients`: the stripes that the database began with; `more` gives those that came since; `onForeign`: another node has changed the schema or the slot map, or one stripe became several. */
  constructor(
    clients: readonly StripeClient[],
    log: CommitLog,
    options: {
      readonly more?: (stripe: number) => StripeClient;
      readonly onForeign?: () => void;
    } = {},
  ) {
    this.log = log;
    this.#ends = new SharedQuestion(async () => {
      const names = this.clientsOf(this.count).map(({ name }) => name);
      const heads = await log.heads(names);
      return new Map(names.map((name, at) => [name, heads[at]?.index ?? 0]));
    });
    this.#clients = [...clients];
    this.#more = options.more;
    this.#onForeign = options.onForeign;
    this.#first = evenSlotMap(clients.length);
    this.#schema = { catalogue: '', slots: this.#first, version: 0, stripeVersion: -1 };
  }

  get count(): number {
    return this.slots.count;
  }

  get slots(): SlotMap {
    return this.#schema.slots;
  }

  get catalogue(): string {
    return this.#schema.catalogue;
  }

  get schemaVersion(): number {
    return this.#schema.version;
  }

  get schema(): Schema {
    return this.#schema;
  }

  /** Each client begins its own way. */
  begin(): Promise<StripeSession> {
    return Promise.reject(new Error('Only the session of a client begins transactions'));
  }

  client(stripe: number): StripeClient {
    const known = this.#clients[stripe] ?? this.#more?.(stripe);
    if (known === undefined) throw new Error(`There is no stripe ${stripe}`);
    this.#clients[stripe] = known;
    return known;
  }

  clientsOf(count: number): readonly StripeClient[] {
    return Array.from({ length: count }, (_, stripe) => this.client(stripe));
  }

  /** It takes more than a look; once may be chance. What is as long as that is not remembered. */
  isSlow(text: string): boolean {
    return text.length > SLOW_TEXT_MAX || (this.#slow.get(text) ?? 0) >= SLOW_TIMES;
  }

  noteSlow(text: string): void {
    if (this.#slow.size >= SLOW_TEXTS_KEPT) this.#slow.clear();
    this.#slow.set(text, (this.#slow.get(text) ?? 0) + 1);
  }

  noteQuick(text: string): void {
    this.#slow.delete(text);
  }

  /** Stripes hardly ever change while a moment is opened. */
  get isCalm(): boolean {
    return this.#calmMoments >= CALM_MOMENTS;
  }

  noteMoment(isCalm: boolean): void {
    this.#calmMoments = isCalm ? this.#calmMoments + 1 : 0;
  }

  /** The newest entry of each stripe, by name, at moments after the call. */
  async ends(): Promise<ReadonlyMap<string, number>> {
    return this.#lentEnds() ?? (await this.#ends.answer());
  }

  /** When the copies here have borrowed all of them: then nobody is asked. */
  #lentEnds(): ReadonlyMap<string, number> | undefined {
    const ends = new Map<string, number>();
    for (const { name, lentEnd } of this.clientsOf(this.count))
      if (lentEnd !== undefined) ends.set(name, lentEnd);
    return ends.size === this.count ? ends : undefined;
  }

  /** A transaction of this node that changed the schema was committed. */
  adopt(schema: Schema): void {
    this.#take(schema, this.count === 1 && schema.slots.count > 1);
  }

  #take(schema: Schema, isForeign: boolean): void {
    if (schema.stripeVersion <= this.#schema.stripeVersion) return;
    this.#schema = schema;
    if (isForeign) this.#onForeign?.();
  }

  /** The catalogue was read. */
  get isLoaded(): boolean {
    return this.#schema.stripeVersion >= 0;
  }

  /** Reads the catalogue if that was not done yet. */
  async load(): Promise<void> {
    if (!this.isLoaded) await this.reload();
  }

  /** Reads the catalogue, once for all who ask at a time. */
  async reload(): Promise<void> {
    this.#loading ??= this.#read().finally(() => {
      this.#loading = undefined;
    });
    await this.#loading;
  }

  async #read(): Promise<void> {
    // At first nothing is known that another node could have made old.
    const isForeign = this.isLoaded;
    try {
      this.#take(await this.#led(), isForeign);
    } catch (error) {
      const here = this.isLoaded || !isAway(error) ? undefined : await this.#here();
      if (here === undefined) throw error;
      this.#take(here, isForeign);
    }
  }

  async #led(): Promise<Schema> {
    const transaction = await this.client(0).begin();
    try {
      const ask = async (sql: string): Promise<Rows> => (await transaction.run({ sql })).rows;
      return await this.#schemaOf(transaction.schemaVersion, ask);
    } finally {
      await transaction.rollBack();
    }
  }

  /** As the copy here has it, for reads whose level allows that: what it is too old for, the stripes do not do. */
  async #here(): Promise<Schema | undefined> {
    const client = this.client(0);
    const { schemaHere } = client;
    if (schemaHere === undefined) return undefined;
    return await this.#schemaOf(schemaHere, async (sql) => {
      const expect = { schemaVersion: schemaHere };
      return (await client.query({ sql }, { kind: 'stale' }, expect)).rows;
    });
  }

  async #schemaOf(stripeVersion: number, ask: (sql: string) => Promise<Rows>): Promise<Schema> {
    const rows = await catalogueRows(ask);
    const [version, catalogue] = rows.find(([row]) => row !== SLOTS_ROW) ?? [];
    const [, slots] = rows.find(([row]) => row === SLOTS_ROW) ?? [];
    return {
      catalogue: typeof catalogue === 'string' ? catalogue : '',
      slots: typeof slots === 'string' ? (JSON.parse(slots) as SlotMap) : this.#first,
      version: Number(version ?? 0),
      stripeVersion,
    };
  }
}

/** Nobody leads, as far as can be seen without the log. */
function isAway(error: unknown): boolean {
  return isMolnError(error, 'REGISTRY_UNAVAILABLE') || isMolnError(error, 'DATABASES_NOT_READY');
}

async function catalogueRows(ask: (sql: string) => Promise<Rows>): Promise<Rows> {
  try {
    return await ask('SELECT version, text FROM _moln_catalogue ORDER BY version DESC');
  } catch (error) {
    // A database in which nothing was created yet.
    if (isMolnError(error, 'DATABASE_SQL') && /no such table/.test(error.message)) return [];
    throw error;
  }
}
