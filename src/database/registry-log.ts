/**
 * The commit log in a registry: the embedded engine for a node that is alone, etcd for more. An append is one commit of the registry
 * under its conditions, which is all that safety rests on; leases and watches are liveness only.
 */
import { isMolnError } from '../base/errors.ts';
import type { Clock } from '../base/time.ts';
import {
  type Condition,
  type Operation,
  type Registry,
  type Revision,
  VALUE_BYTES_MAX,
} from '../registry/registry.ts';
import type {
  Append,
  AppendResult,
  CommitLog,
  Head,
  Primary,
  PrimaryRecord,
  ReadStripe,
  SnapshotRecord,
  Term,
  Watched,
} from './commit-log.ts';
import {
  decodeEntry,
  type EncodedEntry,
  type Entry,
  GROUP_ID_BYTES,
  hex,
  previousHashOf,
  sameHash,
  sha256,
} from './entry.ts';
import { corrupt, limitMet, trimmed } from './errors.ts';
import {
  ENTRY_INLINE_BYTES_MAX,
  PRIMARY_TTL_MS,
  READ_BYTES_MAX,
  READ_ENTRIES_MAX,
  TRANSACTION_STRIPES_MAX,
} from './limits.ts';
import {
  BUCKET_ENTRIES,
  bucketOf,
  decodeHead,
  decodeIndex,
  decodeStored,
  encodeHead,
  encodeIndex,
  encodeStored,
  LogKeys,
} from './log-keys.ts';

export interface RegistryLogOptions {
  readonly registry: Registry;
  readonly database: string;
  readonly clock: Clock;
  /** Resolves when what was committed up to there will not be lost any more; left out: it never is. The registry's commits wait by themselves. */
  readonly confirm?: (revision: Revision) => Promise<void>;
}

/** So few new entries are got one by one; for more the whole bucket is read. */
const SINGLE_READS_MAX = 16;
/** Buckets that one commit removes: two prefixes each. */
const TRIM_BUCKETS_MAX = 32;
/** Entries of a bucket that is needed further on: a key and a prefix each. */
const TRIM_ENTRIES_MAX = 32;
/** One chunk of a large entry. */
const CHUNK_BYTES: number = VALUE_BYTES_MAX;
/** Before a watch that failed is begun again. */
const WATCH_PAUSE_MS = 200;

export class RegistryLog implements CommitLog {
  readonly #registry: Registry;
  readonly #database: string;
  readonly #clock: Clock;
  readonly #confirm: (revision: Revision) => Promise<void>;
  readonly #keys = new Map<string, LogKeys>();
  /** As they were when somebody asked for several. */
  readonly #heads = new Map<string, Head>();

  constructor(options: RegistryLogOptions) {
    this.#registry = options.registry;
    this.#database = options.database;
    this.#clock = options.clock;
    this.#confirm = options.confirm ?? (() => Promise.resolve());
  }

  async append(
    appends: readonly Append[],
    reads: readonly ReadStripe[] = [],
  ): Promise<AppendResult> {
    if (appends.length + reads.length > TRANSACTION_STRIPES_MAX) {
      throw limitMet(
        'transactionStripes',
        `The transaction touches ${appends.length + reads.length} stripes, at most ${TRANSACTION_STRIPES_MAX} fit into one`,
        'Touch fewer keys at once; nothing was changed',
      );
    }
    const conditions: Condition[] = [];
    const operations: Operation[] = [];
    // What all entries of one commit share: etcd takes 1.5 MiB.
    const inlineMax = Math.floor(
      ENTRY_INLINE_BYTES_MAX / Math.max(1, Math.ceil(appends.length / 4)),
    );
    for (const { stripe, epoch, after, entry } of appends) {
      if (entry.index !== after.index + 1 || !sameHash(previousHashOf(entry), after.hash)) {
        throw corrupt(
          `Entry ${entry.index} of stripe "${stripe}" does not follow from entry ${after.index} of its log`,
        );
      }
      const keys = this.#keysOf(stripe);
      conditions.push({ key: keys.primary, revision: epoch });
      conditions.push({ key: keys.head, revision: after.revision });
      const value = await this.#store(keys, entry, inlineMax);
      operations.push({ kind: 'put', key: keys.entry(entry.index), value });
      operations.push({ kind: 'put', key: keys.head, value: encodeHead(entry) });
    }
    for (const { stripe, epoch, at } of reads) {
      const keys = this.#keysOf(stripe);
      conditions.push({ key: keys.primary, revision: epoch });
      conditions.push({ key: keys.head, revision: at.revision });
    }
    const result = await this.#registry.commit(conditions, operations);
    if (result.kind === 'conflict') return this.#refused([...appends, ...reads], result.failed);
    const { revision } = result;
    const heads = appends.map(({ entry: { index, hash, group } }) => ({
      index,
      hash,
      group,
      revision,
    }));
    return { kind: 'appended', revision, heads };
  }

  async head(stripe: string): Promise<Head> {
    const found = await this.#registry.get(this.#keysOf(stripe).head);
    // What nobody may count on yet is not shown, nor applied by a mirror.
    await this.#confirm(found?.revision ?? 0);
    return decodeHead(found?.value, found?.revision ?? 0);
  }

  /** Most of the time nothing has changed since the last question, which one commit that changes nothing tells. */
  async heads(stripes: readonly string[]): Promise<readonly Head[]> {
    const known = stripes.map((stripe) => this.#heads.get(stripe));
    const conditions = known.flatMap((head, at) =>
      head === undefined
        ? []
        : [{ key: this.#keysOf(stripes[at] ?? '').head, revision: head.revision }],
    );
    const isAskable = conditions.length > 0 && conditions.length <= TRANSACTION_STRIPES_MAX;
    const told = isAskable ? await this.#registry.commit(conditions, []) : undefined;
    const moved = told?.kind === 'conflict' ? told.failed : [];
    return await Promise.all(
      stripes.map(async (stripe, at) => {
        const before = known[at];
        const isAsBefore = told !== undefined && !moved.includes(this.#keysOf(stripe).head);
        if (before !== undefined && isAsBefore) return before;
        const head = await this.head(stripe);
        this.#heads.set(stripe, head);
        return head;
      }),
    );
  }

  async read(stripe: string, from: number, to?: number): Promise<readonly Entry[]> {
    const end = to ?? (await this.head(stripe)).index;
    if (from > end) return [];
    const last = Math.min(end, from + READ_ENTRIES_MAX - 1);
    const stored =
      last - from < SINGLE_READS_MAX
        ? await this.#readSingly(stripe, from, last)
        : await this.#readBucket(stripe, from, last);
    return this.#decode(stripe, from, stored);
  }

  async *watch(
    stripe: string,
    what: Watched,
    signal: AbortSignal,
  ): AsyncGenerator<void, void, undefined> {
    const key = this.#keysOf(stripe)[what];
    while (!signal.aborted) {
      try {
        const { revision } = await this.#registry.list(key);
        // What happened before the watch began.
        yield;
        for await (const _ of this.#registry.watch(key, revision + 1, signal)) yield;
      } catch (error) {
        // Compacted, unavailable, moved to another engine: each is mended by beginning anew.
        if (!isMolnError(error)) throw error;
        await this.#clock.sleep(WATCH_PAUSE_MS);
      }
    }
  }

  async primary(stripe: string): Promise<Primary | undefined> {
    const found = await this.#registry.get(this.#keysOf(stripe).primary);
    if (found === undefined) return undefined;
    const record = JSON.parse(Buffer.from(found.value).toString()) as PrimaryRecord;
    return { ...record, epoch: found.revision };
  }

  async claim(
    stripe: string,
    record: PrimaryRecord,
    options: { readonly replaces?: Revision; readonly ttlMs?: number } = {},
  ): Promise<Term | undefined> {
    const key = this.#keysOf(stripe).primary;
    const lease = await this.#registry.lease(options.ttlMs ?? PRIMARY_TTL_MS);
    const value = Buffer.from(JSON.stringify(record));
    const result = await this.#registry.commit(
      [{ key, revision: options.replaces ?? 0 }],
      [{ kind: 'put', key, value, leaseId: lease.id }],
    );
    if (result.kind === 'conflict') {
      await lease.revoke();
      return undefined;
    }
    return {
      epoch: result.revision,
      ttlMs: lease.ttlMs,
      renew: () => lease.renew(),
      [Symbol.asyncDispose]: () => lease.revoke(),
    };
  }

  async snapshot(stripe: string): Promise<SnapshotRecord | undefined> {
    return (await this.#snapshotEntry(stripe))?.record;
  }

  async recordSnapshot(
    stripe: string,
    next: SnapshotRecord,
    before: SnapshotRecord | undefined,
    epoch: Revision,
  ): Promise<boolean> {
    const keys = this.#keysOf(stripe);
    const found = await this.#snapshotEntry(stripe);
    if (found?.record.id !== before?.id) return found?.record.id === next.id;
    const result = await this.#registry.commit(
      [
        { key: keys.primary, revision: epoch },
        { key: keys.snapshot, revision: found?.revision ?? 0 },
      ],
      [{ kind: 'put', key: keys.snapshot, value: Buffer.from(JSON.stringify(next)) }],
    );
    return result.kind === 'committed';
  }

  async trim(stripe: string, index: number, epoch: Revision): Promise<number> {
    const keys = this.#keysOf(stripe);
    for (;;) {
      const found = await this.#registry.get(keys.start);
      const start = found === undefined ? 1 : decodeIndex(found.value);
      if (start > index) return start;
      const { next, removals } = trimStep(keys, start, index);
      const operations: Operation[] = [
        { kind: 'put', key: keys.start, value: encodeIndex(next) },
        ...removals,
      ];
      const result = await this.#registry.commit(
        [
          { key: keys.primary, revision: epoch },
          { key: keys.start, revision: found?.revision ?? 0 },
        ],
        operations,
      );
      if (result.kind === 'conflict') return start;
    }
  }

  /** The newest entry that each stripe has as of one revision, which is later than all that was appended before the call. */
  async indexesNow(stripes: readonly string[]): Promise<readonly number[]> {
    const { revision } = await this.#registry.list(this.#keysOf(stripes[0] ?? '').head);
    return await Promise.all(stripes.map((stripe) => this.#indexAt(stripe, revision)));
  }

  /** The oldest state that log, newest snapshot and what is kept from before it lead to, as an index. */
  async floor(stripe: string): Promise<number> {
    const start = await this.#registry.get(this.#keysOf(stripe).start);
    if (start === undefined) return 0;
    const newest = await this.snapshot(stripe);
    return newest?.past?.[0]?.from ?? newest?.index ?? 0;
  }

  /** Begins the log of a new database behind a snapshot; nothing of it is there yet. */
  async begin(stripe: string, snapshot: SnapshotRecord): Promise<void> {
    const keys = this.#keysOf(stripe);
    const { index, hash } = snapshot;
    const group = new Uint8Array(GROUP_ID_BYTES);
    const head = encodeHead({ index, hash: Uint8Array.from(Buffer.from(hash, 'hex')), group });
    const result = await this.#registry.commit(
      [{ key: keys.head, revision: 0 }],
      [
        { kind: 'put', key: keys.snapshot, value: Buffer.from(JSON.stringify(snapshot)) },
        { kind: 'put', key: keys.start, value: encodeIndex(index + 1) },
        { kind: 'put', key: keys.head, value: head },
      ],
    );
    if (result.kind === 'conflict') throw corrupt(`There is a log of stripe "${stripe}" already`);
  }

  /** Counters of ids, by table. */
  async ids(): Promise<Readonly<Record<string, string>>> {
    const prefix = this.#idsPrefix;
    const { entries } = await this.#registry.list(prefix);
    return Object.fromEntries(
      entries.map(({ key, value }) => [key.slice(prefix.length), Buffer.from(value).toString()]),
    );
  }

  /** Of a new database: they go on where those of another one were. */
  async setIds(ids: Readonly<Record<string, string>>): Promise<void> {
    for (const [table, value] of Object.entries(ids)) {
      const key = `${this.#idsPrefix}${table}`;
      await this.#registry.commit([], [{ kind: 'put', key, value: Buffer.from(value) }]);
    }
  }

  get #idsPrefix(): string {
    return `/db/${this.#database}/ids/`;
  }

  /** Appends go on meanwhile, so it is one of the newest. */
  async #indexAt(stripe: string, revision: Revision): Promise<number> {
    const head = await this.head(stripe);
    let { index } = head;
    if (head.revision <= revision) return index;
    for (; index > 0; index--) {
      const found = await this.#registry.get(this.#keysOf(stripe).entry(index));
      if (found === undefined || found.revision <= revision) break;
    }
    return index;
  }

  #keysOf(stripe: string): LogKeys {
    const known = this.#keys.get(stripe);
    if (known !== undefined) return known;
    const keys = new LogKeys(this.#database, stripe);
    this.#keys.set(stripe, keys);
    return keys;
  }

  #refused(
    stripes: readonly { readonly stripe: string }[],
    failed: readonly string[],
  ): AppendResult {
    const names = stripes.map(({ stripe }) => stripe);
    const has = (kind: 'primary' | 'head'): readonly string[] =>
      names.filter((name) => failed.includes(this.#keysOf(name)[kind]));
    return { kind: 'refused', fenced: has('primary'), moved: has('head') };
  }

  /** The value of an entry's key. Chunks are written first; what no entry names goes with the bucket. */
  async #store(keys: LogKeys, entry: EncodedEntry, inlineMax: number): Promise<Uint8Array> {
    const { header, body, index, hash } = entry;
    if (body.byteLength <= inlineMax) return encodeStored({ header, body });
    const chunks = Math.ceil(body.byteLength / CHUNK_BYTES);
    for (let at = 0; at < chunks; at++) {
      const value = body.subarray(at * CHUNK_BYTES, (at + 1) * CHUNK_BYTES);
      await this.#registry.commit(
        [],
        [{ kind: 'put', key: keys.chunk(index, hex(hash), at), value }],
      );
    }
    return encodeStored({ header, chunks });
  }

  async #readSingly(stripe: string, from: number, last: number): Promise<readonly Uint8Array[]> {
    const keys = this.#keysOf(stripe);
    const indexes = Array.from({ length: last - from + 1 }, (_, at) => from + at);
    const found = await Promise.all(indexes.map((index) => this.#registry.get(keys.entry(index))));
    return untilGap(found.map((one) => one?.value));
  }

  async #readBucket(stripe: string, from: number, last: number): Promise<readonly Uint8Array[]> {
    const keys = this.#keysOf(stripe);
    const { entries } = await this.#registry.list(keys.bucket(bucketOf(from)));
    const values = new Map(entries.map(({ key, value }) => [key, value]));
    const end = Math.min(last, (bucketOf(from) + 1) * BUCKET_ENTRIES - 1);
    return untilGap(
      Array.from({ length: end - from + 1 }, (_, at) => values.get(keys.entry(from + at))),
    );
  }

  async #decode(
    stripe: string,
    from: number,
    stored: readonly Uint8Array[],
  ): Promise<readonly Entry[]> {
    // Below the head everything exists, unless it was trimmed.
    if (stored.length === 0) throw trimmed(stripe, from);
    const entries: Entry[] = [];
    let bytes = 0;
    for (const [at, value] of stored.entries()) {
      const entry = await this.#decodeOne(stripe, from + at, value);
      const before = entries.at(-1);
      if (before !== undefined && !sameHash(entry.previousHash, before.hash)) {
        throw corrupt(
          `Entry ${entry.index} of stripe "${stripe}" does not follow from the one before`,
        );
      }
      entries.push(entry);
      for (const part of entry.parts) {
        if (part.kind === 'changes') bytes += part.changeset.byteLength;
      }
      if (bytes > READ_BYTES_MAX) break;
    }
    return entries;
  }

  async #decodeOne(stripe: string, index: number, value: Uint8Array): Promise<Entry> {
    const stored = decodeStored(value);
    const body = 'body' in stored ? stored.body : await this.#chunks(stripe, index, stored);
    const entry = decodeEntry(stored.header, body);
    if (entry.index !== index) {
      throw corrupt(`Entry ${index} of stripe "${stripe}" says that it is number ${entry.index}`);
    }
    return entry;
  }

  async #chunks(
    stripe: string,
    index: number,
    stored: { readonly header: Uint8Array; readonly chunks: number },
  ): Promise<Uint8Array> {
    const hash = hex(sha256(stored.header));
    const keys = this.#keysOf(stripe);
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < stored.chunks; at++) {
      const found = await this.#registry.get(keys.chunk(index, hash, at));
      if (found === undefined) throw trimmed(stripe, index);
      pieces.push(found.value);
    }
    return Buffer.concat(pieces);
  }

  async #snapshotEntry(
    stripe: string,
  ): Promise<{ readonly record: SnapshotRecord; readonly revision: Revision } | undefined> {
    const found = await this.#registry.get(this.#keysOf(stripe).snapshot);
    if (found === undefined) return undefined;
    const record = JSON.parse(Buffer.from(found.value).toString()) as SnapshotRecord;
    return { record, revision: found.revision };
  }
}

/** Whether an error of `append` leaves open what happened. */
export function isOutcomeOpen(error: unknown): boolean {
  if (!isMolnError(error)) return true;
  if (error.code === 'REGISTRY_OUTCOME_UNKNOWN') return true;
  return !error.code.startsWith('REGISTRY_') && !error.code.startsWith('DATABASE_');
}

/** Whole buckets while there are any, then one entry after the other; the log begins with `next` afterwards. */
function trimStep(
  keys: LogKeys,
  start: number,
  last: number,
): { readonly next: number; readonly removals: readonly Operation[] } {
  const first = bucketOf(start);
  const end = Math.min(bucketOf(last + 1), first + TRIM_BUCKETS_MAX);
  const removals: Operation[] = [];
  for (let bucket = first; bucket < end; bucket++) {
    removals.push({ kind: 'deletePrefix', prefix: keys.bucket(bucket) });
    removals.push({ kind: 'deletePrefix', prefix: keys.chunkBucket(bucket) });
  }
  if (end > first) return { next: end * BUCKET_ENTRIES, removals };
  const next = Math.min(last + 1, start + TRIM_ENTRIES_MAX);
  for (let index = start; index < next; index++) {
    removals.push({ kind: 'delete', key: keys.entry(index) });
    removals.push({ kind: 'deletePrefix', prefix: keys.chunks(index) });
  }
  return { next, removals };
}

function untilGap(values: readonly (Uint8Array | undefined)[]): readonly Uint8Array[] {
  const gap = values.indexOf(undefined);
  return (gap < 0 ? values : values.slice(0, gap)) as readonly Uint8Array[];
}
