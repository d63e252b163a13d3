/**
 * The stripes of one database as the planner sees them: their clients by number, and the schema that they all have. The catalogue is
 * kept on stripe 0, inside the same transaction as the change of the schema itself, and that makes a new version of every stripe's
 * schema; so a statement that was planned for an older one is noticed wherever it arrives.
 */
import { isMolnError } from '../base/errors.ts';
import type { CommitLog, StripeClient } from '../database/database.ts';
import { evenSlotMap, type SlotMap, type Stripes, type StripeSession } from '../planner/planner.ts';

/** What all stripes have. */
export interface Schema {
  readonly catalogue: string;
  /** Of the catalogue; also counts what changes no stripe, such as a view. */
  readonly version: number;
  /** Of the stripes, which is the same for all. */
  readonly stripeVersion: number;
}

export const CATALOGUE_TABLE =
  'CREATE TABLE _moln_catalogue(version INTEGER PRIMARY KEY, text TEXT NOT NULL)';

export class StripeSet implements Stripes {
  readonly clients: readonly StripeClient[];
  readonly log: CommitLog;
  readonly slots: SlotMap;
  #schema: Schema = { catalogue: '', version: 0, stripeVersion: -1 };
  #loading: Promise<void> | undefined;

  constructor(clients: readonly StripeClient[], log: CommitLog) {
    this.clients = clients;
    this.log = log;
    this.slots = evenSlotMap(clients.length);
  }

  get count(): number {
    return this.clients.length;
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
    const client = this.clients[stripe];
    if (client === undefined) throw new Error(`There is no stripe ${stripe}`);
    return client;
  }

  /** A transaction that changed the schema was committed. */
  adopt(schema: Schema): void {
    if (schema.stripeVersion > this.#schema.stripeVersion) this.#schema = schema;
  }

  /** Reads the catalogue if that was not done yet. */
  async load(): Promise<void> {
    if (this.#schema.stripeVersion < 0) await this.reload();
  }

  /** Reads the catalogue, once for all who ask at a time. */
  async reload(): Promise<void> {
    this.#loading ??= this.#read().finally(() => {
      this.#loading = undefined;
    });
    await this.#loading;
  }

  async #read(): Promise<void> {
    const transaction = await this.client(0).begin();
    try {
      const stripeVersion = transaction.schemaVersion;
      const [[version, catalogue] = []] = await this.#catalogueRows(transaction);
      this.adopt({
        catalogue: typeof catalogue === 'string' ? catalogue : '',
        version: Number(version ?? 0),
        stripeVersion,
      });
    } finally {
      await transaction.rollBack();
    }
  }

  async #catalogueRows(
    transaction: Awaited<ReturnType<StripeClient['begin']>>,
  ): Promise<readonly (readonly unknown[])[]> {
    try {
      const sql = 'SELECT version, text FROM _moln_catalogue ORDER BY version DESC LIMIT 1';
      return (await transaction.run({ sql })).rows;
    } catch (error) {
      // A database in which nothing was created yet.
      if (isMolnError(error, 'DATABASE_SQL') && /no such table/.test(error.message)) return [];
      throw error;
    }
  }
}
