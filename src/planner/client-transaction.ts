/** A client's own transaction, from BEGIN or SAVEPOINT on: its savepoints, and what the schema is inside it. */
import type { Catalogue } from './catalogue.ts';
import { sqliteFailure } from './sqlite-errors.ts';
import type { StripeSession } from './stripes.ts';
import type { StoredObject } from './table.ts';
import type { Temporary } from './temporary.ts';

interface Savepoint {
  readonly name: string;
  readonly catalogue: Catalogue;
  readonly temporary: readonly StoredObject[];
}

export class ClientTransaction {
  session: StripeSession;
  /** Of the database, without what is temporary. */
  catalogue: Catalogue;
  /** Deferred foreign keys were broken on the way. */
  keysOpen = false;
  /** Opened by SAVEPOINT: releasing the first one commits. */
  readonly bySavepoint: boolean;
  readonly #before: readonly StoredObject[];
  readonly #savepoints: Savepoint[] = [];

  constructor(
    session: StripeSession,
    catalogue: Catalogue,
    options: { readonly bySavepoint: boolean; readonly temporary: Temporary | undefined },
  ) {
    this.session = session;
    this.catalogue = catalogue;
    this.bySavepoint = options.bySavepoint;
    this.#before = options.temporary?.objects ?? [];
  }

  /** As the stripes know them. */
  get savepoints(): readonly string[] {
    return this.#savepoints.map((_, at) => `s${at}`);
  }

  /** Throws SQLite's error when there is none of the name. */
  at(name: string): number {
    const at = this.#savepoints.findLastIndex(
      (one) => one.name.toLowerCase() === name.toLowerCase(),
    );
    if (at < 0) throw noSavepoint(name);
    return at;
  }

  async savepoint(name: string, temporary: Temporary | undefined): Promise<void> {
    await this.session.savepoint(`s${this.#savepoints.length}`);
    const { catalogue } = this;
    this.#savepoints.push({ name, catalogue, temporary: temporary?.objects ?? [] });
  }

  async release(at: number): Promise<void> {
    await this.session.release(`s${at}`);
    this.#savepoints.length = at;
  }

  async rollbackTo(name: string, temporary: Temporary | undefined): Promise<void> {
    const at = this.at(name);
    const found = this.#savepoints[at];
    if (found === undefined) return;
    await this.session.rollbackTo(`s${at}`);
    this.#savepoints.length = at + 1;
    this.catalogue = found.catalogue;
    if (temporary !== undefined) temporary.objects = found.temporary;
  }

  async rollback(temporary: Temporary | undefined): Promise<void> {
    if (temporary !== undefined) temporary.objects = this.#before;
    await this.session.rollback();
  }
}

export function noSavepoint(name: string): Error {
  return sqliteFailure(`no such savepoint: ${name}`);
}
