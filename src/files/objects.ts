/** Objects: putting, reading, copying, appending, moving, removing. Each change is one transaction of the catalogue. */
import type { Clock } from '../base/time.ts';
import type { Buckets } from './buckets.ts';
import type { CatalogueLink, Statement } from './catalogue-link.ts';
import type { Change, Changes, Effect, Insert } from './changes.ts';
import { checkConditions } from './conditions.ts';
import {
  type Contents,
  contentInserts,
  isSegmented,
  newFid,
  type Segment,
  type StoredContent,
} from './content.ts';
import {
  exists,
  keyInvalid,
  noObject,
  notAppendable,
  offsetWrong,
  quotaMet,
  sessionOver,
  versioningChanged,
} from './errors.ts';
import { INLINE_BYTES_MAX, KEY_BYTES_MAX, TAIL_BYTES } from './limits.ts';
import type { Deleted, FileStore, ObjectFields, ObjectInfo, PutOptions, Range } from './model.ts';
import { parsePolicy } from './policy.ts';
import {
  type BucketState,
  fieldsOf,
  objectOf,
  VERSION_COLUMNS,
  type VersionRow,
  versionOf,
} from './rows.ts';
import type { Sessions } from './sessions.ts';
import {
  firstVersion,
  nextVersion,
  NULL_VERSION,
  readCurrent,
  readNext,
  readOlder,
  removeKey,
  removeVersion,
  supersede,
} from './versions.ts';

export interface ObjectsOptions {
  readonly link: CatalogueLink;
  readonly changes: Changes;
  readonly buckets: Buckets;
  readonly contents: Contents;
  readonly sessions: Sessions;
  readonly clock: Clock;
}

/** What becomes the newest version of a key. */
export interface Fresh {
  readonly fid: string;
  readonly data: Uint8Array | null;
  readonly size: number;
  readonly etag: string;
  readonly info: ObjectFields;
  /** Of the session that wrote its bytes; undefined when they were there. */
  readonly session: number | undefined;
  readonly inserts: readonly Insert[];
  readonly statements?: readonly Statement[];
  /** Of its size, counted in the bucket before. */
  readonly countedBytes?: number;
}

export class Objects {
  readonly #options: ObjectsOptions;
  /** What came from the catalogue along with `head`. */
  readonly #small = new WeakMap<ObjectInfo, Uint8Array>();

  constructor(options: ObjectsOptions) {
    this.#options = options;
  }

  async head(bucket: string, key: string, version?: string): Promise<ObjectInfo | undefined> {
    const asked = [readCurrent(bucket, key)];
    if (version !== undefined) asked.push(readOlder(bucket, key, version));
    const [first, second] = await this.#options.link.read(asked);
    const current = firstVersion(first);
    const isCurrent = version === undefined || current?.version === version;
    const row = isCurrent ? current : firstVersion(second);
    if (row === undefined) return undefined;
    const plain = objectOf(bucket, row, isCurrent);
    const isOfParts = row.etag.includes('-') && row.fid !== null && isSegmented(row.fid);
    const { contents } = this.#options;
    const info = isOfParts
      ? { ...plain, partSizes: await contents.partSizes(bucket, row.fid ?? '') }
      : plain;
    if (row.data !== null) this.#small.set(info, row.data);
    return info;
  }

  async *read(info: ObjectInfo, range?: Range): AsyncGenerator<Uint8Array> {
    const { bucket, size, fid } = info;
    const start = Math.max(0, range?.start ?? 0);
    const end = Math.min(size, range?.end ?? size);
    if (start >= end) return;
    if (size > INLINE_BYTES_MAX || isSegmented(fid)) {
      return yield* this.#options.contents.read(bucket, fid, { start, end });
    }
    const data = this.#small.get(info) ?? (await this.#inline(info));
    if (data === null) yield* this.#options.contents.read(bucket, fid, { start, end });
    else yield data.subarray(start, end);
  }

  async put(
    bucket: string,
    key: string,
    body: AsyncIterable<Uint8Array>,
    options: PutOptions,
  ): Promise<ObjectInfo> {
    checkKey(key);
    const state = await this.#options.buckets.need(bucket);
    if (options.conditions !== undefined || state.quota !== null) {
      // Judged again in the commit; now it saves the way of the bytes.
      const current = await this.head(bucket, key);
      checkConditions(options.conditions, present(current));
      const replaced = state.versioning === 'off' ? (current?.size ?? 0) : 0;
      checkQuota(bucket, state, (options.size ?? 0) - replaced);
    }
    await using session = await this.#options.sessions.take();
    const content = await this.#options.contents.write(body, {
      name: `${bucket}/${key}`,
      policy: parsePolicy(state.policy),
      size: options.size,
      session: session.seq,
      mayInline: true,
    });
    const { size, md5, sha256 } = content;
    const extra = options.accept?.({ size, md5, sha256 }) ?? {};
    const fresh: Fresh = {
      fid: content.fid,
      data: content.data,
      size,
      etag: md5,
      info: fieldsOf({ ...options, ...extra }),
      session: session.seq,
      inserts: contentInserts(content),
    };
    return await this.enter(bucket, key, { fresh, state, conditions: options.conditions });
  }

  /** One version more of a key, in one transaction. */
  async enter(
    bucket: string,
    key: string,
    options: {
      readonly fresh: Fresh;
      /** As it was known before: it decides what is read. */
      readonly state: BucketState;
      readonly conditions: PutOptions['conditions'];
      readonly reads?: readonly Statement[];
      /** Judges what `reads` gave. */
      readonly check?: (rows: Parameters<Change<unknown>['decide']>[0]) => void;
      readonly touches?: readonly string[];
    },
  ): Promise<ObjectInfo> {
    const { fresh, state, conditions, reads = [], check, touches = [] } = options;
    const now = this.#options.clock.now();
    const own = keyReads(bucket, key, state);
    return await this.#options.changes.make(bucket, {
      touches: [`key ${key}`, ...touches],
      reads: [...own, ...reads],
      decide: (rows, latest) => {
        const current = firstVersion(rows[0]);
        if (current?.fid === fresh.fid) return { result: objectOf(bucket, current, true) };
        checkState(state, latest, fresh.session);
        checkConditions(conditions, present(current));
        check?.(rows.slice(own.length));
        const row = rowOf(key, fresh, { state: latest, now });
        const keyRows = { bucket, state: latest, current, olderNull: firstVersion(rows[1]), now };
        const pieces = supersede(keyRows, row);
        const bytes = (pieces.bytes ?? 0) - (fresh.countedBytes ?? 0);
        checkQuota(bucket, latest, bytes);
        return {
          ...pieces,
          bytes,
          inserts: [...(pieces.inserts ?? []), ...fresh.inserts],
          statements: [...(pieces.statements ?? []), ...(fresh.statements ?? [])],
          result: objectOf(bucket, row, true),
        };
      },
    });
  }

  async copy(
    from: ObjectInfo,
    to: { readonly bucket: string; readonly key: string },
    options: PutOptions & { readonly range?: Range | undefined },
  ): Promise<ObjectInfo> {
    const { range, ...put } = options;
    const fields = { ...fieldsOf(from), ...fieldsOf(put) };
    // Headers that are given are all of them.
    if (options.headers !== undefined && put.contentType === undefined)
      delete (fields as { contentType?: string }).contentType;
    const isWhole = range === undefined || (range.start <= 0 && range.end >= from.size);
    const shares = isWhole && from.bucket === to.bucket && from.size > INLINE_BYTES_MAX;
    if (!shares) {
      const size = Math.min(range?.end ?? from.size, from.size) - (range?.start ?? 0);
      const wish = { ...put, ...fields, size };
      return await this.put(to.bucket, to.key, this.read(from, range), wish);
    }
    checkKey(to.key);
    const state = await this.#options.buckets.need(to.bucket);
    const fid = from.fid;
    const extra = options.accept?.({ size: from.size, md5: from.etag, sha256: '' }) ?? {};
    // The same content under another name of the same bucket.
    const alias = newFid('segments');
    const args = [to.bucket, fid];
    const parts = isSegmented(fid) ? await this.#segmentsOf(to.bucket, fid) : undefined;
    const segments = parts ?? [{ part: 1, source: fid, start: 0, length: from.size }];
    return await this.enter(to.bucket, to.key, {
      state,
      conditions: options.conditions,
      touches: [`content ${fid}`],
      reads: [{ sql: 'SELECT refs FROM content WHERE bucket = ? AND fid = ? AND refs > 0', args }],
      check: ([rows]) => {
        if ((rows ?? []).length === 0) throw noObject(from.bucket, from.key);
      },
      fresh: {
        fid: alias,
        data: null,
        size: from.size,
        etag: from.etag,
        info: fieldsOf({ ...fields, ...extra }),
        session: undefined,
        ...segmentRows(to.bucket, alias, {
          segments,
          size: from.size,
          policy: state.policy,
          fresh: new Set(),
        }),
      },
    });
  }

  async change(
    info: ObjectInfo,
    change: Pick<ObjectFields, 'meta' | 'headers' | 'tags' | 'acl' | 'lock'>,
  ): Promise<ObjectInfo> {
    const { bucket, key, version } = info;
    return await this.#options.changes.make(bucket, {
      touches: [`key ${key}`],
      reads: [readCurrent(bucket, key), readOlder(bucket, key, version)],
      decide: (rows) => {
        const current = firstVersion(rows[0]);
        const isLatest = current?.version === version;
        const row = isLatest ? current : firstVersion(rows[1]);
        if (row === undefined) throw noObject(bucket, key);
        const changed: VersionRow = { ...row, info: fieldsOf({ ...row.info, ...change }) };
        const where = isLatest ? 'object' : 'older';
        return {
          statements: [
            {
              sql: `UPDATE ${where} SET info = ? WHERE bucket = ? AND key = ? AND ord = ?`,
              args: [JSON.stringify(changed.info), bucket, key, row.ord],
            },
          ],
          result: objectOf(bucket, changed, isLatest),
        };
      },
    });
  }

  /** A last piece that is short is written again together with what comes. */
  async append(
    bucket: string,
    key: string,
    offset: number,
    body: AsyncIterable<Uint8Array>,
    options: PutOptions = {},
  ): Promise<ObjectInfo> {
    const current = await this.head(bucket, key);
    const isThere = current !== undefined && !current.isDeleteMarker;
    if (!isThere && offset === 0) return await this.put(bucket, key, body, options);
    if (!isThere) throw offsetWrong(0);
    if (current.size !== offset) throw offsetWrong(current.size);
    const state = await this.#options.buckets.need(bucket);
    if (state.versioning !== 'off') throw notAppendable(`bucket "${bucket}" keeps versions`);
    const conditions = { ...options.conditions, ifMatch: current.etag, ifSize: offset };
    const { fid } = current;
    const keeps = this.#small.has(current)
      ? []
      : isSegmented(fid)
        ? await this.#segmentsOf(bucket, fid)
        : [{ part: 1, source: fid, start: 0, length: offset }];
    const tail = keeps.at(-1);
    const rewrites = tail !== undefined && tail.length < TAIL_BYTES;
    const kept = rewrites ? keeps.slice(0, -1) : keeps;
    const keptBytes = kept.reduce((sum, { length }) => sum + length, 0);
    const before = this.read(current, { start: keptBytes, end: offset });
    await using session = await this.#options.sessions.take();
    const content = await this.#options.contents.write(joined(before, body), {
      name: `${bucket}/${key}`,
      policy: parsePolicy(state.policy),
      size: options.size === undefined ? undefined : options.size + offset - keptBytes,
      session: session.seq,
      mayInline: kept.length === 0,
    });
    const grown = content.size - (offset - keptBytes);
    options.accept?.({ size: grown, md5: content.md5, sha256: content.sha256 });
    const fresh = this.#appended(bucket, { state, current, kept, content, grown });
    return await this.enter(bucket, key, { fresh, state, conditions });
  }

  async delete(
    bucket: string,
    key: string,
    options: Parameters<FileStore['delete']>[2] = {},
  ): Promise<Deleted> {
    const { version, conditions } = options;
    const state = await this.#options.buckets.need(bucket);
    const now = this.#options.clock.now();
    const reads = [
      ...keyReads(bucket, key, state),
      readNext(bucket, key),
      readOlder(bucket, key, version ?? NULL_VERSION),
    ];
    return await this.#options.changes.make(bucket, {
      touches: [`key ${key}`],
      reads,
      decide: (rows, latest): Effect<Deleted> => {
        checkState(state, latest, undefined);
        const [first, second, third, fourth] = rows;
        const current = firstVersion(first);
        if (version === undefined) {
          checkConditions(conditions, present(current));
          const keyRows = { bucket, state: latest, current, olderNull: firstVersion(second), now };
          const { pieces, deleted } = removeKey(keyRows, key);
          return { ...pieces, result: deleted };
        }
        const target = current?.version === version ? current : firstVersion(fourth);
        checkConditions(conditions, present(target));
        if (target === undefined)
          return { result: { version, deleteMarker: false, existed: false } };
        const pieces = removeVersion({ bucket, current, next: firstVersion(third), now }, target);
        return { ...pieces, result: { version, deleteMarker: target.marker, existed: true } };
      },
    });
  }

  async move(
    bucket: string,
    from: string,
    to: string,
    options: Parameters<FileStore['move']>[3] = {},
  ): Promise<ObjectInfo> {
    checkKey(to);
    const state = await this.#options.buckets.need(bucket);
    const now = this.#options.clock.now();
    const target = keyReads(bucket, to, state);
    if (from === to || state.versioning !== 'off')
      return await this.#moveVersioned(bucket, from, to, options);
    return await this.#options.changes.make(bucket, {
      touches: [`key ${from}`, `key ${to}`],
      reads: [readCurrent(bucket, from), ...target],
      decide: (rows, latest) => {
        checkState(state, latest, undefined);
        const source = firstVersion(rows[0]);
        const current = firstVersion(rows[1]);
        if (source === undefined || source.marker) throw noObject(bucket, from);
        checkConditions(options.conditions, present(current));
        const moved: VersionRow = { ...source, key: to, ord: latest.ord + 1 };
        const pieces = supersede(
          { bucket, state: latest, current, olderNull: undefined, now },
          moved,
        );
        return {
          ...pieces,
          bytes: (pieces.bytes ?? 0) - source.size,
          objects: (pieces.objects ?? 0) - 1,
          statements: [
            ...(pieces.statements ?? []),
            { sql: 'DELETE FROM object WHERE bucket = ? AND key = ?', args: [bucket, from] },
          ],
          result: objectOf(bucket, moved, true),
        };
      },
    });
  }

  /** What was removed last comes back. Throws `FILES_EXISTS` when something else is there. */
  async undelete(bucket: string, key: string): Promise<ObjectInfo> {
    const state = await this.#options.buckets.need(bucket);
    const now = this.#options.clock.now();
    const reads = [
      ...keyReads(bucket, key, state),
      readNext(bucket, key),
      {
        sql: `SELECT ${VERSION_COLUMNS}, id FROM trash WHERE bucket = ? AND key = ? ORDER BY ord DESC, until DESC LIMIT 1`,
        args: [bucket, key],
      },
    ];
    return await this.#options.changes.make(bucket, {
      touches: [`key ${key}`],
      reads,
      decide: (rows, latest) => {
        checkState(state, latest, undefined);
        const current = firstVersion(rows[0]);
        if (current !== undefined && !current.marker) throw exists(key);
        const next = firstVersion(rows[2]);
        if (current !== undefined && next !== undefined && !next.marker) {
          const pieces = removeVersion({ bucket, current, next, now }, current);
          return { ...pieces, result: objectOf(bucket, next, true) };
        }
        const [trashed] = rows[3] ?? [];
        if (trashed === undefined) throw noObject(bucket, key);
        const back: VersionRow = { ...versionOf(trashed), ...nextVersion(latest) };
        const keyRows = { bucket, state: latest, current, olderNull: firstVersion(rows[1]), now };
        const pieces = supersede(keyRows, back);
        checkQuota(bucket, latest, back.size);
        const drop = {
          sql: 'DELETE FROM trash WHERE bucket = ? AND id = ?',
          args: [bucket, trashed.at(-1) ?? null],
        };
        return {
          ...pieces,
          statements: [...(pieces.statements ?? []), drop],
          result: objectOf(bucket, back, true),
        };
      },
    });
  }

  async #moveVersioned(
    bucket: string,
    from: string,
    to: string,
    options: Parameters<FileStore['move']>[3],
  ): Promise<ObjectInfo> {
    const source = await this.head(bucket, from);
    if (source === undefined || source.isDeleteMarker) throw noObject(bucket, from);
    if (from === to) return source;
    const moved = await this.copy(source, { bucket, key: to }, { conditions: options?.conditions });
    await this.delete(bucket, from, { conditions: { ifMatch: source.etag } });
    return moved;
  }

  /** Null when it is not in the catalogue. */
  async #inline({ bucket, key, fid }: ObjectInfo): Promise<Uint8Array | null> {
    const asked = ['object', 'older', 'trash'].map((table) => ({
      sql: `SELECT data FROM ${table} WHERE bucket = ? AND key = ? AND fid = ?`,
      args: [bucket, key, fid],
    }));
    const found = (await this.#options.link.read(asked)).flat().find(([data]) => data !== null);
    return found?.[0] instanceof Uint8Array ? found[0] : null;
  }

  async #segmentsOf(bucket: string, fid: string): Promise<readonly Segment[]> {
    const rows: Segment[] = [];
    for await (const one of this.#options.contents.segments(bucket, fid)) rows.push(one);
    return rows;
  }

  #appended(
    bucket: string,
    options: {
      readonly state: BucketState;
      readonly current: ObjectInfo;
      readonly kept: readonly Segment[];
      readonly content: StoredContent;
      readonly grown: number;
    },
  ): Fresh {
    const { state, current, kept, content, grown } = options;
    const info = fieldsOf({ ...fieldsOf(current), checksums: {} });
    const size = current.size + grown;
    if (kept.length === 0) {
      const { fid, data, md5, session } = content;
      return { fid, data, size, etag: md5, info, session, inserts: contentInserts(content) };
    }
    const alias = newFid('segments');
    const segments = [...kept, { part: 1, source: content.fid, start: 0, length: content.size }];
    const rows = segmentRows(bucket, alias, {
      segments,
      size,
      policy: state.policy,
      fresh: new Set([content.fid]),
    });
    return {
      fid: alias,
      data: null,
      size,
      etag: content.md5,
      info,
      session: content.session,
      ...rows,
      inserts: [...contentInserts(content), ...rows.inserts],
    };
  }
}

/** A content that is made of pieces of others, each of which is used once more, but for what is `fresh`: it was made for this one. */
export function segmentRows(
  bucket: string,
  fid: string,
  options: {
    readonly segments: readonly Segment[];
    readonly size: number;
    readonly policy: string;
    readonly fresh: ReadonlySet<string>;
  },
): { readonly inserts: readonly Insert[]; readonly statements: readonly Statement[] } {
  const { segments, size, policy, fresh } = options;
  const sources = new Set(segments.map(({ source }) => source).filter((one) => !fresh.has(one)));
  return {
    inserts: [
      {
        table: 'content',
        columns: 'fid, refs, size, kind, policy',
        rows: [[fid, 1, size, 'segments', policy]],
      },
      {
        table: 'segment',
        columns: 'fid, idx, part, source, start, length',
        rows: segments.map(({ part, source, start, length }, index) => [
          fid,
          index,
          part,
          source,
          start,
          length,
        ]),
      },
    ],
    statements: [...sources].map((source) => ({
      sql: 'UPDATE content SET refs = refs + 1 WHERE bucket = ? AND fid = ?',
      args: [bucket, source],
    })),
  };
}

/** Throws `FILES_QUOTA`. */
export function checkQuota(bucket: string, state: BucketState, bytes: number): void {
  if (bytes <= 0 || state.quota === null || state.bytes + bytes <= state.quota) return;
  throw quotaMet(bucket, state.quota);
}

/** Throws `FILES_SESSION_OVER` and `FILES_VERSIONING_CHANGED`. */
export function checkState(
  known: BucketState,
  latest: BucketState,
  session: number | undefined,
): void {
  if (session !== undefined && session < latest.fence) throw sessionOver();
  if (known.versioning === 'off' && latest.versioning !== 'off') throw versioningChanged();
}

/** Throws `FILES_KEY`. */
export function checkKey(key: string): void {
  const bytes = Buffer.byteLength(key);
  if (bytes === 0) throw keyInvalid('it is empty');
  if (bytes > KEY_BYTES_MAX) throw keyInvalid(`it has ${bytes} bytes, more than ${KEY_BYTES_MAX}`);
  if (!key.isWellFormed()) throw keyInvalid('it is not UTF-8');
}

function present(
  one: VersionRow | ObjectInfo | undefined,
): { readonly etag: string; readonly mtime: number; readonly size: number } | undefined {
  if (one === undefined) return undefined;
  if ('marker' in one) return one.marker ? undefined : one;
  return one.isDeleteMarker ? undefined : { etag: one.etag, mtime: one.modifiedAt, size: one.size };
}

function rowOf(
  key: string,
  fresh: Fresh,
  { state, now }: { readonly state: BucketState; readonly now: number },
): VersionRow {
  const { fid, data, size, etag, info } = fresh;
  return { key, ...nextVersion(state), size, etag, mtime: now, marker: false, fid, data, info };
}

/** The newest version, and the one named `null` where it counts. */
function keyReads(bucket: string, key: string, state: BucketState): readonly Statement[] {
  const none = { sql: 'SELECT 1 WHERE 0' };
  const current = readCurrent(bucket, key);
  return [current, state.versioning === 'off' ? none : readOlder(bucket, key, NULL_VERSION)];
}

async function* joined(
  first: AsyncIterable<Uint8Array>,
  second: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  yield* first;
  yield* second;
}
