/** The file of a mirror: entries of some prefixes as they were at the last revision that was heard of. A cache. */
import { open } from 'node:fs/promises';
import {
  type Database,
  migrate,
  openDatabase,
  type Statement,
  transaction,
} from '../sqlite/sqlite.ts';
import type { Change, Entry, ListResult, Revision, WatchBatch } from './contract.ts';
import { rangeOf } from './store.ts';

/** Format 1. Released formats are never edited: append a step. */
const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE source (id TEXT NOT NULL) STRICT;
  CREATE TABLE prefixes (prefix TEXT PRIMARY KEY, revision INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE entries (
    key TEXT NOT NULL UNIQUE, revision INTEGER NOT NULL, created INTEGER NOT NULL, lease TEXT,
    value BLOB NOT NULL
  ) STRICT;
  `,
];
/** "Molm" in ASCII: kept in the file's header. */
const ABSENT_MAX = 10_000;
const APPLICATION = { id: 0x4d6f_6c6d, name: 'mirror' } as const;

interface EntryRow {
  readonly key: string;
  readonly value: Uint8Array;
  readonly revision: number;
  readonly created: number;
  readonly lease: string | null;
}

export class MirrorStore implements Disposable {
  readonly #db: Database;
  readonly #path: string;
  readonly #get: Statement<EntryRow>;
  readonly #list: Statement<EntryRow>;
  readonly #put: Statement<object>;
  readonly #delete: Statement<object>;
  readonly #clear: Statement<object>;
  readonly #revision: Statement<{ revision: number }>;
  readonly #setRevision: Statement<object>;
  /** Keys that are known not to be here: check-ins come all the time. */
  readonly #absent = new Set<string>();

  /** Opens or creates the file. What it holds of another source is forgotten: its revisions mean nothing here. */
  constructor(options: {
    readonly path: string;
    readonly sourceId: string;
    readonly durability?: 'normal' | 'full';
  }) {
    const { path, sourceId, durability = 'full' } = options;
    const db = openDatabase({ path, durability, exclusive: true, check: true });
    this.#db = db;
    this.#path = path;
    try {
      migrate(db, { application: APPLICATION, migrations: MIGRATIONS });
      transaction(db, () => forgetOther(db, sourceId));
      const columns = 'key, value, revision, created, lease';
      const range = 'key >= ? AND key < CAST(? AS TEXT)';
      this.#get = db.prepare(`SELECT ${columns} FROM entries WHERE key = ?`);
      this.#list = db.prepare(`SELECT ${columns} FROM entries WHERE ${range} ORDER BY key`);
      this.#put = db.prepare(
        `INSERT INTO entries (${columns}) VALUES (?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET
         value = excluded.value, revision = excluded.revision, created = excluded.created,
         lease = excluded.lease`,
      );
      this.#delete = db.prepare('DELETE FROM entries WHERE key = ?');
      this.#clear = db.prepare(`DELETE FROM entries WHERE ${range}`);
      this.#revision = db.prepare('SELECT revision FROM prefixes WHERE prefix = ?');
      this.#setRevision = db.prepare('INSERT OR REPLACE INTO prefixes VALUES (?, ?)');
    } catch (error) {
      db[Symbol.dispose]();
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#db[Symbol.dispose]();
  }

  /** With `normal` durability: all that was written before the call is on the disk when it resolves. */
  async sync(): Promise<void> {
    // What a commit has written is in there, checked by sums, until a checkpoint has synced the rest.
    const log = await open(`${this.#path}-wal`, 'r');
    try {
      await log.datasync();
    } finally {
      await log.close();
    }
  }

  get(key: string): Entry | undefined {
    const row = this.#get.get(key);
    return row === undefined ? undefined : entryOf(row);
  }

  list(prefix: string): readonly Entry[] {
    return this.#list.all(...rangeOf(prefix)).map(entryOf);
  }

  /** Undefined when the prefix was never loaded. */
  revisionOf(prefix: string): Revision | undefined {
    return this.#revision.get(prefix)?.revision;
  }

  /** True when it holds these entries and no others, but for those on a lease. */
  isSame(prefix: string, entries: readonly Entry[]): boolean {
    const wanted = entries.filter(({ leaseId }) => leaseId === undefined);
    const here = new Map(this.list(prefix).map(({ key, revision }) => [key, revision]));
    return (
      here.size === wanted.length && wanted.every(({ key, revision }) => here.get(key) === revision)
    );
  }

  replace(prefix: string, { entries, revision }: ListResult): void {
    this.#absent.clear();
    transaction(this.#db, () => {
      this.#clear.run(...rangeOf(prefix));
      for (const entry of entries) if (entry.leaseId === undefined) this.#write(entry);
      this.#setRevision.run(prefix, revision);
    });
  }

  /** Returns the part of the commit that is kept here. When that is nothing, the file is not touched. */
  apply(prefix: string, batch: WatchBatch): WatchBatch {
    const changes = batch.changes.flatMap((change) => this.#kept(change));
    if (changes.length === 0) return { ...batch, changes };
    transaction(this.#db, () => {
      for (const change of changes) {
        if (change.kind === 'put') this.#write(change.entry);
        else this.#delete.run(change.key);
      }
      this.#setRevision.run(prefix, batch.revision);
    });
    return { ...batch, changes };
  }

  /** A key that now hangs on a lease is as good as deleted here. */
  #kept(change: Change): readonly Change[] {
    const key = change.kind === 'put' ? change.entry.key : change.key;
    if (change.kind === 'put' && change.entry.leaseId === undefined) {
      this.#absent.delete(key);
      return [change];
    }
    if (this.#absent.has(key)) return [];
    if (this.get(key) !== undefined) return [{ kind: 'delete', key }];
    if (this.#absent.size >= ABSENT_MAX) this.#absent.clear();
    this.#absent.add(key);
    return [];
  }

  #write({ key, value, revision, created, leaseId }: Entry): void {
    this.#put.run(key, value, revision, created, leaseId ?? null);
  }
}

function forgetOther(db: Database, sourceId: string): void {
  const known = db.prepare<{ id: string }>('SELECT id FROM source').get();
  if (known?.id === sourceId) return;
  for (const table of ['source', 'prefixes', 'entries']) db.exec(`DELETE FROM ${table}`);
  db.prepare('INSERT INTO source VALUES (?)').run(sourceId);
}

function entryOf(row: EntryRow): Entry {
  const { key, value, revision, created, lease } = row;
  return { key, value, revision, created, leaseId: lease ?? undefined };
}
