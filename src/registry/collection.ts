/**
 * Records of one kind under one prefix: JSON of a known shape, changed only where the writer has seen the newest.
 * Stored as `{"format": 1, "record": …}`, so that a newer Moln can read what an older one wrote.
 */
import { messageOf } from '../base/errors.ts';
import type { Schema } from '../base/schema.ts';
import { isMolnError } from '../base/errors.ts';
import type { CommitResult, Condition, Entry, Operation, Registry, Revision } from './contract.ts';
import { conflict, recordInvalid, recordTooNew } from './errors.ts';

export type Decode<T> = (value: unknown, path: string) => T;

export interface CollectionOptions<T> {
  readonly registry: Registry;
  /** Ends in `/`. Ids are what follows it, so nothing else may live below. */
  readonly prefix: string;
  readonly schema: Schema<T> | Decode<T>;
  /** `upgrades[0]` makes a record of format 2 out of one of format 1. The newest format is their number plus 1. */
  readonly upgrades?: readonly ((record: unknown) => unknown)[];
}

/** A record and the revision that last wrote it. */
export interface Stored<T> {
  readonly id: string;
  readonly value: T;
  readonly revision: Revision;
}

/** The collection at one revision, and what led there since the view before. */
export interface CollectionView<T> {
  readonly records: ReadonlyMap<string, T>;
  /** In the first view, and after a gap, `changes` holds every record. `value` is undefined for a deleted one. */
  readonly changes: readonly { readonly id: string; readonly value: T | undefined }[];
  readonly revision: Revision;
}

/** Rounds of `update` that lose against other writers before it gives up. */
const UPDATE_ROUNDS_MAX = 100;

export class Collection<T> {
  readonly prefix: string;
  readonly #registry: Registry;
  readonly #decode: Decode<T>;
  readonly #upgrades: readonly ((record: unknown) => unknown)[];

  constructor(options: CollectionOptions<T>) {
    const { schema } = options;
    this.prefix = options.prefix;
    this.#registry = options.registry;
    this.#decode =
      typeof schema === 'function' ? schema : (value, path) => schema.decode(value, path);
    this.#upgrades = options.upgrades ?? [];
  }

  keyOf(id: string): string {
    return this.prefix + id;
  }

  async get(id: string): Promise<Stored<T> | undefined> {
    const entry = await this.#registry.get(this.keyOf(id));
    return entry === undefined ? undefined : this.decode(entry);
  }

  /** Sorted by id, bytewise. */
  async list(): Promise<readonly Stored<T>[]> {
    const { entries } = await this.#registry.list(this.prefix);
    return entries.map((entry) => this.decode(entry));
  }

  /**
   * Writes the record whatever was there, or only when it is still at `ifRevision` (0: absent); throws
   * `REGISTRY_CONFLICT` otherwise. The record ends with the lease, if one is given.
   */
  async put(
    id: string,
    value: T,
    options: { readonly ifRevision?: Revision; readonly leaseId?: string } = {},
  ): Promise<Stored<T>> {
    const conditions = conditionsOf(this.keyOf(id), options.ifRevision);
    const result = await this.#registry.commit(conditions, [
      this.putOperation(id, value, options.leaseId),
    ]);
    return { id, value, revision: this.#committed(id, result) };
  }

  /** Throws `REGISTRY_CONFLICT` when it exists. */
  async create(id: string, value: T): Promise<Stored<T>> {
    return this.put(id, value, { ifRevision: 0 });
  }

  /** False when there was none. Throws `REGISTRY_CONFLICT` when it is not at `ifRevision`. */
  async delete(id: string, options: { readonly ifRevision?: Revision } = {}): Promise<boolean> {
    const { ifRevision } = options;
    const stored = await this.#registry.get(this.keyOf(id));
    if (stored === undefined && ifRevision === undefined) return false;
    const operation: Operation = { kind: 'delete', key: this.keyOf(id) };
    const result = await this.#registry.commit(
      conditionsOf(this.keyOf(id), ifRevision ?? stored?.revision),
      [operation],
    );
    if (result.kind === 'conflict' && ifRevision === undefined) return this.delete(id);
    this.#committed(id, result);
    return stored !== undefined;
  }

  /**
   * Reads, changes and writes, again from the start when another writer was faster; so `change` may be called
   * several times and must only compute. Returning the very same value writes nothing.
   */
  async update(id: string, change: (current: T | undefined) => T): Promise<Stored<T>> {
    for (let round = 0; round < UPDATE_ROUNDS_MAX; round++) {
      const stored = await this.get(id);
      const value = change(stored?.value);
      if (stored !== undefined && value === stored.value) return stored;
      try {
        return await this.put(id, value, { ifRevision: stored?.revision ?? 0 });
      } catch (error) {
        if (!isMolnError(error, 'REGISTRY_CONFLICT')) throw error;
      }
    }
    throw conflict(this.keyOf(id));
  }

  /**
   * The whole collection now and after every commit that changes it, until the signal aborts. A watcher that is too
   * slow for the registry's history sees the newest state and skips what was between.
   */
  async *watch(signal: AbortSignal): AsyncGenerator<CollectionView<T>, void, undefined> {
    while (!signal.aborted) {
      const { entries, revision } = await this.#registry.list(this.prefix);
      let records = new Map<string, T>();
      for (const entry of entries) records.set(this.#idOf(entry.key), this.decode(entry).value);
      const changes = [...records].map(([id, value]) => ({ id, value }));
      yield { records, changes, revision };
      try {
        for await (const batch of this.#registry.watch(this.prefix, revision + 1, signal)) {
          records = new Map(records);
          const changed = batch.changes.map((change) => {
            const value = change.kind === 'put' ? this.decode(change.entry).value : undefined;
            const id = this.#idOf(change.kind === 'put' ? change.entry.key : change.key);
            if (value === undefined) records.delete(id);
            else records.set(id, value);
            return { id, value };
          });
          yield { records, changes: changed, revision: batch.revision };
        }
        return;
      } catch (error) {
        if (!isMolnError(error, 'REGISTRY_COMPACTED')) throw error;
      }
    }
  }

  /** For commits that change several records, or records of several collections, at once. */
  putOperation(id: string, value: T, leaseId?: string): Operation {
    const format = this.#upgrades.length + 1;
    const bytes = Buffer.from(JSON.stringify({ format, record: value }));
    const lease = leaseId === undefined ? {} : { leaseId };
    return { kind: 'put', key: this.keyOf(id), value: bytes, ...lease };
  }

  /** Throws `REGISTRY_RECORD_INVALID` or `REGISTRY_RECORD_TOO_NEW`. */
  decode(entry: Entry): Stored<T> {
    const known = this.#upgrades.length + 1;
    try {
      const { format, record } = parseEnvelope(entry.value);
      if (format > known) throw recordTooNew(entry.key, format, known);
      const newest = this.#upgrades
        .slice(format - 1)
        .reduce((value, upgrade) => upgrade(value), record);
      const id = this.#idOf(entry.key);
      return { id, value: this.#decode(newest, id), revision: entry.revision };
    } catch (error) {
      if (isMolnError(error, 'REGISTRY_RECORD_TOO_NEW')) throw error;
      throw recordInvalid(entry.key, error, messageOf(error));
    }
  }

  #idOf(key: string): string {
    return key.slice(this.prefix.length);
  }

  #committed(id: string, result: CommitResult): Revision {
    if (result.kind === 'conflict') throw conflict(this.keyOf(id));
    return result.revision;
  }
}

function conditionsOf(key: string, revision: Revision | undefined): readonly Condition[] {
  return revision === undefined ? [] : [{ key, revision }];
}

function parseEnvelope(bytes: Uint8Array): { readonly format: number; readonly record: unknown } {
  const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
  if (typeof value !== 'object' || value === null || !('format' in value) || !('record' in value)) {
    throw new Error('it has no format number');
  }
  if (!Number.isSafeInteger(value.format) || Number(value.format) < 1) {
    throw new Error(`its format is ${String(value.format)}`);
  }
  return { format: Number(value.format), record: value.record };
}
