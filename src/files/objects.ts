/** Objects: putting, reading, copying, appending, moving, removing. Each change is one transaction of the catalogue. */
import { isMolnError } from '../base/errors.ts';
import type { Clock } from '../base/time.ts';
import type { Buckets } from './buckets.ts';
import type { CatalogueLink, Row, Statement } from './catalogue-link.ts';
import type { Change, Changes, Effect, Insert } from './changes.ts';
import { checkConditions } from './conditions.ts';
import { type Contents, contentInserts, isSegmented } from './content.ts';
import { coderOf, type DataKey, etagOf, type Keyring, usualEncryption } from './encryption.ts';
import { exists, noObject } from './errors.ts';
import { INLINE_BYTES_MAX } from './limits.ts';
import type { Lookups } from './lookups.ts';
import type {
  Deleted,
  FileStore,
  MoveOptions,
  ObjectFields,
  ObjectInfo,
  PutOptions,
  Range,
} from './model.ts';
import { checkKey, checkQuota, checkState, present } from './object-checks.ts';
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
  readonly lookups: Lookups;
  readonly changes: Changes;
  readonly buckets: Buckets;
  readonly contents: Contents;
  readonly sessions: Sessions;
  readonly keyring: Keyring;
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
  /** When it was written first; default: now. */
  readonly mtime?: number;
}

export interface EnterOptions {
  readonly fresh: Fresh;
  readonly conditions: PutOptions['conditions'];
  readonly reads?: readonly Statement[];
  /** Judges what `reads` gave. */
  readonly check?: (rows: Parameters<Change<unknown>['decide']>[0]) => void;
  readonly touches?: readonly string[];
}

export class Objects {
  readonly #options: ObjectsOptions;
  /** What came from the catalogue along with `head`: the bytes of what is small, else where they begin. */
  readonly #small = new WeakMap<ObjectInfo, Uint8Array>();
  readonly #places = new WeakMap<ObjectInfo, readonly string[]>();

  constructor(options: ObjectsOptions) {
    this.#options = options;
  }

  async head(bucket: string, key: string, version?: string): Promise<ObjectInfo | undefined> {
    const { link, lookups } = this.#options;
    const current = await lookups.current(bucket, key);
    const isCurrent = version === undefined || current?.row.version === version;
    const row = isCurrent
      ? current?.row
      : firstVersion((await link.read([readOlder(bucket, key, version)]))[0]);
    if (row === undefined) return undefined;
    const plain = objectOf(bucket, row, isCurrent);
    const isOfParts = row.etag.includes('-') && row.fid !== null && isSegmented(row.fid);
    const { contents } = this.#options;
    const info = isOfParts
      ? { ...plain, partSizes: await contents.partSizes(bucket, row.fid ?? '') }
      : plain;
    if (row.data !== null) this.#small.set(info, row.data);
    else if (isCurrent && current?.places !== undefined) this.#places.set(info, current.places);
    return info;
  }

  read(info: ObjectInfo, range?: Range, key?: Uint8Array): AsyncGenerator<Uint8Array> {
    const start = Math.max(0, range?.start ?? 0);
    const end = Math.min(info.size, range?.end ?? info.size);
    return this.#read(info, { start, end }, this.keyOf(info, key)?.secret);
  }

  /** Throws `FILES_ENCRYPTED` and `FILES_ENCRYPTION_KEY`. */
  keyOf({ bucket, encryption }: ObjectInfo, key?: Uint8Array): DataKey | undefined {
    return encryption === undefined
      ? undefined
      : this.#options.keyring.open(bucket, encryption, key);
  }

  async *#read(
    info: ObjectInfo,
    { start, end }: Range,
    secret: Uint8Array | undefined,
  ): AsyncGenerator<Uint8Array> {
    if (start >= end) return;
    const { bucket, size, fid } = info;
    if (size > INLINE_BYTES_MAX || isSegmented(fid)) {
      const places = this.#places.get(info);
      return yield* this.#options.contents.read(bucket, fid, { start, end }, { places, secret });
    }
    const data = this.#small.get(info) ?? (await this.#inline(info));
    if (data === null)
      return yield* this.#options.contents.read(bucket, fid, { start, end }, { secret });
    const some = data.subarray(start, end);
    yield secret === undefined ? some : coderOf(secret, fid, start)(some);
  }

  async put(
    bucket: string,
    key: string,
    body: AsyncIterable<Uint8Array>,
    options: PutOptions,
  ): Promise<ObjectInfo> {
    checkKey(key);
    const state = await this.#options.buckets.need(bucket);
    // Both are judged again in the commit; now it saves the way of the bytes.
    if (options.conditions !== undefined)
      checkConditions(options.conditions, present(await this.head(bucket, key)));
    if (state.quota !== null) await this.#checkRoom(bucket, key, options.size ?? 0);
    const wish = options.encrypt ?? usualEncryption(state.settings);
    const dataKey = wish === undefined ? undefined : this.#options.keyring.make(bucket, wish);
    await using session = await this.#options.sessions.take();
    const content = await this.#options.contents.write(body, {
      name: `${bucket}/${key}`,
      policy: parsePolicy(state.policy),
      size: options.size,
      session: session.seq,
      mayInline: true,
      about: { fields: fieldsOf({ ...options, encryption: dataKey?.kept }) },
      secret: dataKey?.secret,
    });
    const { size, md5, sha256 } = content;
    const extra = options.accept?.({ size, md5, sha256 }) ?? {};
    const fresh: Fresh = {
      fid: content.fid,
      data: content.data,
      size,
      etag: etagOf(md5, dataKey),
      info: fieldsOf({
        ...options,
        ...extra,
        encryption: dataKey?.kept,
        partChecksums: undefined,
      }),
      session: session.seq,
      inserts: contentInserts(content),
    };
    return await this.enter(bucket, key, { fresh, conditions: options.conditions });
  }

  /** One version more of a key, in one transaction. */
  async enter(bucket: string, key: string, options: EnterOptions): Promise<ObjectInfo> {
    return await this.#settled(bucket, (state) => this.#enter(bucket, key, { ...options, state }));
  }

  async #enter(
    bucket: string,
    key: string,
    options: EnterOptions & { readonly state: BucketState },
  ): Promise<ObjectInfo> {
    const { fresh, state, conditions, reads = [], check, touches = [] } = options;
    const now = this.#options.clock.now();
    const own = keyReads(bucket, key, state);
    return await this.#options.changes.make(bucket, {
      touches: [`key ${key}`, ...touches],
      keys: [key],
      reads: [...own, ...reads],
      decide: (rows, latest, currentOf) => {
        const current = currentOf(key);
        checkState(state, latest, fresh.session);
        checkConditions(conditions, present(current));
        check?.(rows.slice(own.length));
        const row = rowOf(key, fresh, { state: latest, now });
        const keyRows = { bucket, state: latest, current, olderNull: nullOf(own, rows), now };
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

  /** Whether its bytes came along with `head`. */
  isSmall(info: ObjectInfo): boolean {
    return this.#small.has(info);
  }

  async change(
    info: ObjectInfo,
    change: Parameters<FileStore['changeObject']>[1],
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
        const fields =
          typeof change === 'function' ? change(objectOf(bucket, row, isLatest)) : change;
        const changed: VersionRow = { ...row, info: fieldsOf({ ...row.info, ...fields }) };
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

  async delete(
    bucket: string,
    key: string,
    options: Parameters<FileStore['delete']>[2] = {},
  ): Promise<Deleted> {
    return await this.#settled(bucket, (state) => this.#delete(bucket, key, { ...options, state }));
  }

  async #delete(
    bucket: string,
    key: string,
    options: Parameters<FileStore['delete']>[2] & { readonly state: BucketState },
  ): Promise<Deleted> {
    const { version, conditions, bypassGovernance, state } = options;
    const now = this.#options.clock.now();
    const own = keyReads(bucket, key, state);
    const asked =
      version === undefined ? [] : [readNext(bucket, key), readOlder(bucket, key, version)];
    return await this.#options.changes.make(bucket, {
      touches: [`key ${key}`],
      keys: [key],
      reads: [...own, ...asked],
      decide: (rows, latest, currentOf): Effect<Deleted> => {
        checkState(state, latest, undefined);
        const [next, named] = rows.slice(own.length);
        const current = currentOf(key);
        if (version === undefined) {
          checkConditions(conditions, present(current));
          const keyRows = { bucket, state: latest, current, olderNull: nullOf(own, rows), now };
          const { pieces, deleted } = removeKey(keyRows, key);
          return { ...pieces, result: deleted };
        }
        const target = current?.version === version ? current : firstVersion(named);
        checkConditions(conditions, present(target));
        if (target === undefined)
          return { result: { version, deleteMarker: false, existed: false } };
        const pieces = removeVersion(
          { bucket, current, next: firstVersion(next), now, bypassGovernance },
          target,
        );
        return { ...pieces, result: { version, deleteMarker: target.marker, existed: true } };
      },
    });
  }

  /** In a bucket without versions: one transaction, no bytes move. */
  async rename(
    bucket: string,
    { from, to }: { readonly from: string; readonly to: string },
    { state, conditions, mark }: MoveOptions & { readonly state: BucketState },
  ): Promise<ObjectInfo> {
    checkKey(to);
    const now = this.#options.clock.now();
    return await this.#options.changes.make(bucket, {
      touches: [`key ${from}`, `key ${to}`],
      keys: [from, to],
      reads: [],
      decide: (_rows, latest, currentOf) => {
        checkState(state, latest, undefined);
        const source = currentOf(from);
        const current = currentOf(to);
        if (current !== undefined && mark !== undefined && current.info.movedBy === mark)
          return { result: objectOf(bucket, current, true) };
        if (source === undefined || source.marker) throw noObject(bucket, from);
        checkConditions(conditions, present(current));
        const info = fieldsOf({ ...source.info, movedBy: mark });
        const moved: VersionRow = { ...source, key: to, ord: latest.ord + 1, info };
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
    return await this.#settled(bucket, (state) => this.#undelete(bucket, key, state));
  }

  async #undelete(bucket: string, key: string, state: BucketState): Promise<ObjectInfo> {
    const now = this.#options.clock.now();
    const own = keyReads(bucket, key, state);
    const asked = [
      readNext(bucket, key),
      {
        sql: `SELECT ${VERSION_COLUMNS}, id FROM trash WHERE bucket = ? AND key = ? ORDER BY ord DESC, until DESC LIMIT 1`,
        args: [bucket, key],
      },
    ];
    return await this.#options.changes.make(bucket, {
      touches: [`key ${key}`],
      keys: [key],
      reads: [...own, ...asked],
      decide: (rows, latest, currentOf) => {
        checkState(state, latest, undefined);
        const current = currentOf(key);
        if (current !== undefined && !current.marker) throw exists(key);
        const [nexts, trash] = rows.slice(own.length);
        const next = firstVersion(nexts);
        if (current !== undefined && next !== undefined && !next.marker) {
          const pieces = removeVersion({ bucket, current, next, now }, current);
          return { ...pieces, result: objectOf(bucket, next, true) };
        }
        const [trashed] = trash ?? [];
        if (trashed === undefined) throw noObject(bucket, key);
        const back: VersionRow = { ...versionOf(trashed), ...nextVersion(latest) };
        const keyRows = { bucket, state: latest, current, olderNull: nullOf(own, rows), now };
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

  /** What is known of a bucket may be a moment old: when it has begun to keep versions, all is done again. */
  async #settled<T>(bucket: string, work: (state: BucketState) => Promise<T>): Promise<T> {
    const { buckets, sessions } = this.#options;
    try {
      return await work(await buckets.need(bucket));
    } catch (error) {
      // What is written next begins a session of its own.
      if (isMolnError(error, 'FILES_SESSION_OVER')) sessions.drop();
      if (!isMolnError(error, 'FILES_VERSIONING_CHANGED')) throw error;
      buckets.forget(bucket);
      return await work(await buckets.need(bucket));
    }
  }

  async #checkRoom(bucket: string, key: string, size: number): Promise<void> {
    const { buckets } = this.#options;
    buckets.forget(bucket);
    const state = await buckets.need(bucket);
    const replaced = state.versioning === 'off' ? ((await this.head(bucket, key))?.size ?? 0) : 0;
    checkQuota(bucket, state, size - replaced);
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
}

function rowOf(
  key: string,
  fresh: Fresh,
  { state, now }: { readonly state: BucketState; readonly now: number },
): VersionRow {
  const { fid, data, size, etag, info, mtime = now } = fresh;
  return { key, ...nextVersion(state), size, etag, mtime, marker: false, fid, data, info };
}

/** The version named `null` where it counts, if it is not the newest. */
function keyReads(bucket: string, key: string, state: BucketState): readonly Statement[] {
  return state.versioning === 'off' ? [] : [readOlder(bucket, key, NULL_VERSION)];
}

function nullOf(
  asked: readonly Statement[],
  rows: readonly (readonly Row[])[],
): VersionRow | undefined {
  return asked.length === 0 ? undefined : firstVersion(rows[0]);
}
