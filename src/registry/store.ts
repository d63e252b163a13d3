/**
 * The tables of the embedded registry: entries as they are now, the history that watches read, and leases. Every
 * method is synchronous and belongs into a transaction of the caller; durability and grouping are his affair.
 */
import type { Database, Statement } from '../sqlite/sqlite.ts';
import type {
  Change,
  CommitResult,
  Condition,
  Entry,
  Operation,
  Revision,
  WatchBatch,
} from './contract.ts';
import { leaseLost } from './errors.ts';
import { WATCH_PAGE_BYTES_MAX, WATCH_PAGE_CHANGES_MAX } from './limits.ts';

/** Format 1. Released formats are never edited: append a step. */
export const MIGRATIONS: readonly string[] = [
  `
  -- One row: the newest revision, and the newest one whose history is gone.
  CREATE TABLE state (id INTEGER PRIMARY KEY CHECK (id = 1), revision INTEGER NOT NULL, compacted INTEGER NOT NULL) STRICT;
  INSERT INTO state VALUES (1, 0, 0);
  CREATE TABLE leases (id TEXT PRIMARY KEY, ttl_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE entries (
    key TEXT NOT NULL UNIQUE, revision INTEGER NOT NULL, created INTEGER NOT NULL,
    lease TEXT REFERENCES leases (id), value BLOB NOT NULL
  ) STRICT;
  CREATE INDEX entries_lease ON entries (lease) WHERE lease IS NOT NULL;
  -- A NULL value is a deletion. bytes: what the row is counted as.
  CREATE TABLE history (
    revision INTEGER NOT NULL, ordinal INTEGER NOT NULL, at INTEGER NOT NULL, bytes INTEGER NOT NULL,
    key TEXT NOT NULL, created INTEGER, lease TEXT, value BLOB, PRIMARY KEY (revision, ordinal)
  ) STRICT;
  `,
];

/** "Moln" in ASCII plus 1: kept in the file's header. */
export const APPLICATION = { id: 0x4d6f_6c01, name: 'registry' } as const;

interface EntryRow {
  readonly key: string;
  readonly value: Uint8Array;
  readonly revision: number;
  readonly created: number;
  readonly lease: string | null;
}
interface HistoryRow {
  readonly revision: number;
  readonly key: string;
  readonly value: Uint8Array | null;
  readonly created: number | null;
  readonly lease: string | null;
  readonly bytes: number;
}

/** A row's own cost beside key and value: its number, index and page share. */
const HISTORY_ROW_BYTES = 64;

export interface Applied {
  readonly result: CommitResult;
  /** Keys put or deleted. */
  readonly keys: readonly string[];
}

export interface Counters {
  readonly revision: Revision;
  readonly compacted: Revision;
  readonly historyBytes: number;
}

export interface HistoryPage {
  readonly batches: readonly WatchBatch[];
  /** Where the next page starts. */
  readonly next: Revision;
}

export class Store {
  revision: Revision = 0;
  /** Newest revision whose history is gone. */
  compacted: Revision = 0;
  /** What the history is counted as, kept along so that no commit has to sum it up. */
  historyBytes = 0;
  readonly #db: Database;
  readonly #sql: Statements;

  constructor(db: Database) {
    this.#db = db;
    this.#sql = prepareStatements(db);
    const state = this.#sql.state.get();
    this.restore({
      revision: state?.revision ?? 0,
      compacted: state?.compacted ?? 0,
      historyBytes: this.#sql.historyBytes.get()?.bytes ?? 0,
    });
  }

  /** What a rolled back transaction has to give back to `restore`. */
  counters(): Counters {
    const { revision, compacted, historyBytes } = this;
    return { revision, compacted, historyBytes };
  }

  restore(counters: Counters): void {
    this.revision = counters.revision;
    this.compacted = counters.compacted;
    this.historyBytes = counters.historyBytes;
  }

  get(key: string): Entry | undefined {
    const row = this.#sql.get.get(key);
    return row === undefined ? undefined : entryOf(row);
  }

  list(prefix: string): Entry[] {
    return this.#sql.list.all(...rangeOf(prefix)).map(entryOf);
  }

  /** Conditions first, then leases, then the changes under one new revision; throws before it writes anything. */
  apply(
    conditions: readonly Condition[],
    operations: readonly Operation[],
    nowMs: number,
  ): Applied {
    const failed = new Set<string>();
    for (const condition of conditions) {
      const revision = this.#sql.revisionOf.get(condition.key)?.revision ?? 0;
      if (revision !== condition.revision) failed.add(condition.key);
    }
    if (failed.size > 0) {
      const result = { kind: 'conflict', revision: this.revision, failed: [...failed] } as const;
      return { result, keys: [] };
    }
    for (const operation of operations) {
      if (operation.kind !== 'put' || operation.leaseId === undefined) continue;
      if (this.#sql.lease.get(operation.leaseId) === undefined) throw leaseLost(operation.leaseId);
    }
    return this.#write(operations, nowMs);
  }

  putLease(id: string, ttlMs: number): void {
    this.#sql.putLease.run(id, ttlMs);
  }

  leases(): { readonly id: string; readonly ttlMs: number }[] {
    return this.#sql.leases.all();
  }

  /** Deletes the lease and its keys, all in one revision. */
  endLease(id: string, nowMs: number): Applied {
    const operations = this.#sql.leaseKeys
      .all(id)
      .map(({ key }): Operation => ({ kind: 'delete', key }));
    const applied = this.#write(operations, nowMs);
    this.#sql.deleteLease.run(id);
    return applied;
  }

  /** Whole commits from `from` on that touch the prefix, up to the page limits. */
  readHistory(prefix: string, from: Revision): HistoryPage {
    const batches: { revision: Revision; changes: Change[] }[] = [];
    let bytes = 0;
    let changes = 0;
    for (const row of this.#sql.history.iterate(from, ...rangeOf(prefix))) {
      let batch = batches.at(-1);
      if (batch?.revision !== row.revision) {
        if (bytes >= WATCH_PAGE_BYTES_MAX || changes >= WATCH_PAGE_CHANGES_MAX) {
          return { batches, next: row.revision };
        }
        batch = { revision: row.revision, changes: [] };
        batches.push(batch);
      }
      batch.changes.push(changeOf(row));
      bytes += row.bytes;
      changes++;
    }
    return { batches, next: Math.max(from, this.revision + 1) };
  }

  /** Forgets what exceeds the limits, oldest first. */
  compact(limits: {
    readonly revisionsMax: number;
    readonly bytesMax: number;
    readonly notBefore: number;
  }): void {
    let left = this.historyBytes;
    let cut = Math.max(this.compacted, this.revision - limits.revisionsMax);
    for (const row of this.#sql.historySizes.iterate()) {
      const keep = row.revision > cut && left <= limits.bytesMax && row.at >= limits.notBefore;
      if (keep) break;
      cut = Math.max(cut, row.revision);
      left -= row.bytes;
    }
    if (cut <= this.compacted) return;
    this.#sql.compact.run(cut);
    this.#sql.setState.run(this.revision, cut);
    this.compacted = cut;
    this.historyBytes = left;
  }

  /** Bytes of the file, without its WAL. */
  fileBytes(): number {
    return Number(this.#db.pragma('page_count')) * Number(this.#db.pragma('page_size'));
  }

  #write(operations: readonly Operation[], nowMs: number): Applied {
    const revision = this.revision + 1;
    const keys: string[] = [];
    const record = (key: string, entry: Entry | undefined): void => {
      const value = entry?.value ?? null;
      const bytes = HISTORY_ROW_BYTES + key.length + (value?.byteLength ?? 0);
      const rest = [key, entry?.created ?? null, entry?.leaseId ?? null, value] as const;
      this.#sql.record.run(revision, keys.length, nowMs, bytes, ...rest);
      this.historyBytes += bytes;
      keys.push(key);
    };
    for (const operation of operations) {
      if (operation.kind === 'put') record(operation.key, this.#put(operation, revision));
      else if (operation.kind === 'delete') {
        if (this.#sql.delete.run(operation.key) > 0) record(operation.key, undefined);
      } else {
        const range = rangeOf(operation.prefix);
        for (const { key } of this.#sql.keys.all(...range)) record(key, undefined);
        this.#sql.deleteRange.run(...range);
      }
    }
    if (keys.length > 0) {
      this.#sql.setState.run(revision, this.compacted);
      this.revision = revision;
    }
    return { result: { kind: 'committed', revision: this.revision }, keys };
  }

  #put(operation: Extract<Operation, { kind: 'put' }>, revision: Revision): Entry {
    const { key, value, leaseId } = operation;
    const created = this.#sql.revisionOf.get(key)?.created ?? revision;
    this.#sql.put.run(key, value, revision, created, leaseId ?? null);
    return { key, value, revision, created, leaseId };
  }
}

interface Statements {
  readonly state: Statement<{ revision: number; compacted: number }>;
  readonly setState: Statement<object>;
  readonly get: Statement<EntryRow>;
  readonly revisionOf: Statement<{ revision: number; created: number }>;
  readonly list: Statement<EntryRow>;
  readonly keys: Statement<{ key: string }>;
  readonly put: Statement<object>;
  readonly delete: Statement<object>;
  readonly deleteRange: Statement<object>;
  readonly record: Statement<object>;
  readonly history: Statement<HistoryRow>;
  readonly historyBytes: Statement<{ bytes: number }>;
  readonly historySizes: Statement<{ revision: number; at: number; bytes: number }>;
  readonly compact: Statement<object>;
  readonly lease: Statement<{ id: string }>;
  readonly leases: Statement<{ id: string; ttlMs: number }>;
  readonly putLease: Statement<object>;
  readonly deleteLease: Statement<object>;
  readonly leaseKeys: Statement<{ key: string }>;
}

function prepareStatements(db: Database): Statements {
  // The upper bound of a prefix need not be valid UTF-8, so it is bound as a blob and compared bytewise as text.
  const range = 'key >= ? AND key < CAST(? AS TEXT)';
  const columns = 'key, value, revision, created, lease';
  return {
    state: db.prepare('SELECT revision, compacted FROM state'),
    setState: db.prepare('UPDATE state SET revision = ?, compacted = ?'),
    get: db.prepare(`SELECT ${columns} FROM entries WHERE key = ?`),
    revisionOf: db.prepare('SELECT revision, created FROM entries WHERE key = ?'),
    list: db.prepare(`SELECT ${columns} FROM entries WHERE ${range} ORDER BY key`),
    keys: db.prepare(`SELECT key FROM entries WHERE ${range} ORDER BY key`),
    put: db.prepare(
      `INSERT INTO entries (${columns}) VALUES (?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE
       SET value = excluded.value, revision = excluded.revision, lease = excluded.lease`,
    ),
    delete: db.prepare('DELETE FROM entries WHERE key = ?'),
    deleteRange: db.prepare(`DELETE FROM entries WHERE ${range}`),
    record: db.prepare(
      `INSERT INTO history (revision, ordinal, at, bytes, key, created, lease, value)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    history: db.prepare(
      `SELECT revision, key, value, created, lease, bytes FROM history
       WHERE revision >= ? AND ${range} ORDER BY revision, ordinal`,
    ),
    historyBytes: db.prepare('SELECT coalesce(sum(bytes), 0) AS bytes FROM history'),
    historySizes: db.prepare(
      `SELECT revision, max(at) AS at, sum(bytes) AS bytes FROM history
       GROUP BY revision ORDER BY revision`,
    ),
    compact: db.prepare('DELETE FROM history WHERE revision <= ?'),
    lease: db.prepare('SELECT id FROM leases WHERE id = ?'),
    leases: db.prepare('SELECT id, ttl_ms AS ttlMs FROM leases'),
    putLease: db.prepare('INSERT INTO leases (id, ttl_ms) VALUES (?, ?)'),
    deleteLease: db.prepare('DELETE FROM leases WHERE id = ?'),
    leaseKeys: db.prepare('SELECT key FROM entries WHERE lease = ? ORDER BY key'),
  };
}

/** Smallest key and first key beyond the prefix. UTF-8 has no byte 0xff, so the last one can always grow. */
export function rangeOf(prefix: string): [string, Uint8Array] {
  const end = Buffer.from(prefix);
  if (end.length === 0) return ['', Buffer.of(0xff)];
  end[end.length - 1] = (end.at(-1) ?? 0) + 1;
  return [prefix, end];
}

function entryOf(row: EntryRow): Entry {
  const { key, value, revision, created, lease } = row;
  return { key, value, revision, created, leaseId: lease ?? undefined };
}

function changeOf(row: HistoryRow): Change {
  if (row.value === null) return { kind: 'delete', key: row.key };
  const { key, value, revision, created, lease } = row;
  return {
    kind: 'put',
    entry: { key, value, revision, created: created ?? revision, leaseId: lease ?? undefined },
  };
}
