/**
 * Applies entries of the log to a mirror's file. It runs no client's SQL but DDL, holds no triggers, checks no foreign keys and
 * never queries FTS5. An entry that does not fit exactly means that this copy, or the log, is broken: it throws `DATABASE_CORRUPT`
 * and the file is left as it was.
 */
import { isMolnError, messageOf } from '../base/errors.ts';
import {
  type Applied,
  holdTriggers,
  prepareFile,
  readApplied,
  releaseTriggers,
  schemaDigest,
  tableNames,
  writeApplied,
  writeSequences,
} from './applied.ts';
import { summarize } from './changeset.ts';
import { Connection } from './connection.ts';
import { crashPoint } from './crash-points.ts';
import { type Entry, hex, sameHash } from './entry.ts';
import { corrupt, isOfDisk } from './errors.ts';

export class Applier implements Disposable {
  readonly #connection: Connection;
  #applied: Applied;
  #tables: ReadonlySet<string>;

  constructor(path: string) {
    this.#connection = new Connection(path, 'applier');
    prepareFile(this.#connection);
    this.#transact(() => holdTriggers(this.#connection));
    this.#applied = readApplied(this.#connection);
    this.#tables = new Set(tableNames(this.#connection));
  }

  get applied(): Applied {
    return this.#applied;
  }

  /** All of them or none, in one transaction of SQLite. True when the schema changed. */
  apply(entries: readonly Entry[]): boolean {
    const before = this.#applied;
    try {
      this.#transact(() => {
        for (const entry of entries) this.#one(entry);
        writeApplied(this.#connection, this.#applied);
        crashPoint('apply:before-commit');
      });
      crashPoint('apply:after-commit');
    } catch (error) {
      this.#applied = before;
      this.#forget();
      if (isMolnError(error) || isOfDisk(error)) throw error;
      throw corrupt(
        `Entry ${before.index + 1} or one after it cannot be applied: ${messageOf(error)}`,
      );
    }
    return this.#applied.schemaVersion !== before.schemaVersion;
  }

  [Symbol.dispose](): void {
    this.#connection[Symbol.dispose]();
  }

  #one(entry: Entry): void {
    const { index, hash, schemaVersion, epoch } = this.#applied;
    if (entry.index !== index + 1) throw corrupt(`Entry ${entry.index} comes after entry ${index}`);
    if (!sameHash(entry.previousHash, hash)) {
      throw corrupt(
        `Entry ${entry.index} follows ${hex(entry.previousHash).slice(0, 12)}, this copy is at ${hex(hash).slice(0, 12)}`,
      );
    }
    if (entry.epoch < epoch)
      throw corrupt(`Entry ${entry.index} is of epoch ${entry.epoch}, after ${epoch}`);
    // A stripe that joins others takes over their version, and skips some.
    const fits =
      entry.kind === 'ddl'
        ? entry.schemaVersion > schemaVersion
        : entry.schemaVersion === schemaVersion;
    if (!fits) {
      throw corrupt(
        `Entry ${entry.index} is for schema ${entry.schemaVersion}, this copy has ${schemaVersion}`,
      );
    }
    const rows = this.#rows();
    let others = 0;
    for (const part of entry.parts) {
      switch (part.kind) {
        case 'changes':
          this.#changes(part.changeset, entry.index);
          break;
        case 'ddl':
          others += this.#counted(() => this.#ddl(part.sql));
          break;
        case 'sequences':
          others += this.#counted(() => writeSequences(this.#connection, part.values));
          break;
        case 'schema':
          this.#compareSchema(part.digest, entry.index);
          break;
      }
    }
    const changed = this.#rows() - rows - others;
    if (changed !== entry.changes) {
      throw corrupt(
        `Entry ${entry.index} changed ${changed} rows here, ${entry.changes} on the primary`,
      );
    }
    this.#applied = {
      index: entry.index,
      hash: entry.hash,
      schemaVersion: entry.schemaVersion,
      epoch: entry.epoch,
    };
  }

  #changes(changeset: Uint8Array, index: number): void {
    for (const table of summarize(changeset).tables) {
      if (!this.#tables.has(table))
        throw corrupt(`Entry ${index} changes table "${table}", which this copy does not have`);
    }
    if (!this.#connection.apply(changeset))
      throw corrupt(`A row that entry ${index} changes is different in this copy`);
  }

  #ddl(sql: string): void {
    // SQLite itself carries triggers along when a table is renamed or dropped.
    releaseTriggers(this.#connection);
    this.#connection.exec(sql);
    holdTriggers(this.#connection);
    this.#forget();
  }

  #compareSchema(digest: Uint8Array, index: number): void {
    if (sameHash(digest, schemaDigest(this.#connection))) return;
    throw corrupt(`After entry ${index} this copy has another schema than the primary`);
  }

  #forget(): void {
    this.#connection.forget();
    this.#tables = new Set(tableNames(this.#connection));
  }

  #rows(): number {
    return Number(this.#connection.ownValue('SELECT total_changes()'));
  }

  #counted(work: () => void): number {
    const before = this.#rows();
    work();
    return this.#rows() - before;
  }

  #transact(work: () => void): void {
    this.#connection.exec('BEGIN IMMEDIATE');
    try {
      work();
      this.#connection.exec('COMMIT');
    } catch (error) {
      if (this.#connection.inTransaction) this.#connection.exec('ROLLBACK');
      throw error;
    }
  }
}
