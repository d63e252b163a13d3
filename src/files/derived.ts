/** Objects that are made of what is there: copies that share their bytes, and what grows at its end. */
import { createHash } from 'node:crypto';
import {
  type Contents,
  contentInserts,
  isSegmented,
  segmentsFid,
  type Segment,
  type StoredContent,
} from './content.ts';
import { etagOf, isKeptSo, usualEncryption } from './encryption.ts';
import { noObject, notAppendable, offsetWrong } from './errors.ts';
import { INLINE_BYTES_MAX, TAIL_BYTES } from './limits.ts';
import type { Buckets } from './buckets.ts';
import type { CopyOptions, MoveOptions, ObjectInfo, PutOptions } from './model.ts';
import { checkKey } from './object-checks.ts';
import type { Fresh, Objects } from './objects.ts';
import { parsePolicy } from './policy.ts';
import { type BucketState, fieldsOf } from './rows.ts';
import { segmentRows } from './segments.ts';
import type { Sessions } from './sessions.ts';

export interface DerivedOptions {
  readonly buckets: Buckets;
  readonly contents: Contents;
  readonly objects: Objects;
  readonly sessions: Sessions;
}

export class DerivedObjects {
  readonly #options: DerivedOptions;

  constructor(options: DerivedOptions) {
    this.#options = options;
  }

  async copy(
    from: ObjectInfo,
    to: { readonly bucket: string; readonly key: string },
    options: CopyOptions & { readonly keepsEncryption?: boolean },
  ): Promise<ObjectInfo> {
    const { objects } = this.#options;
    const { range, sourceKey, keepsEncryption = false, ...put } = options;
    const state = await this.#options.buckets.need(to.bucket);
    const wish = put.encrypt ?? usualEncryption(state.settings);
    const fields = {
      ...fieldsOf({ ...from, lock: undefined, movedBy: undefined }),
      ...fieldsOf(put),
    };
    // Headers that are given are all of them.
    if (options.headers !== undefined && put.contentType === undefined)
      delete (fields as { contentType?: string }).contentType;
    const isWhole = range === undefined || (range.start <= 0 && range.end >= from.size);
    const isOneBucket = from.bucket === to.bucket && from.size > INLINE_BYTES_MAX;
    const shares = isWhole && isOneBucket && (keepsEncryption || isKeptSo(from.encryption, wish));
    if (!shares) {
      const size = Math.min(range?.end ?? from.size, from.size) - (range?.start ?? 0);
      const body = objects.read(from, range, sourceKey);
      return await objects.put(to.bucket, to.key, body, { ...put, ...fields, size });
    }
    checkKey(to.key);
    const fid = from.fid;
    const extra = options.accept?.({ size: from.size, md5: from.etag, sha256: '' }) ?? {};
    // The same content under another name of the same bucket.
    const alias = segmentsFid();
    const args = [to.bucket, fid];
    const parts = isSegmented(fid) ? await this.#segmentsOf(to.bucket, fid) : undefined;
    const segments = parts ?? [{ part: 1, source: fid, start: 0, length: from.size }];
    return await objects.enter(to.bucket, to.key, {
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
        info: fieldsOf({ ...fields, ...extra, encryption: from.encryption }),
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

  /** A last piece that is short is written again together with what comes. */
  async append(
    bucket: string,
    key: string,
    offset: number,
    body: AsyncIterable<Uint8Array>,
    options: PutOptions = {},
  ): Promise<ObjectInfo> {
    const { objects } = this.#options;
    const current = await objects.head(bucket, key);
    const isThere = current !== undefined && !current.isDeleteMarker;
    if (!isThere && offset === 0) return await objects.put(bucket, key, body, options);
    if (!isThere) throw offsetWrong(0);
    if (current.size !== offset) throw offsetWrong(current.size);
    const state = await this.#options.buckets.need(bucket);
    if (state.versioning !== 'off') throw notAppendable(`bucket "${bucket}" keeps versions`);
    const conditions = { ...options.conditions, ifMatch: current.etag, ifSize: offset };
    const { fid } = current;
    const dataKey = objects.keyOf(current);
    const keeps = objects.isSmall(current)
      ? []
      : isSegmented(fid)
        ? await this.#segmentsOf(bucket, fid)
        : [{ part: 1, source: fid, start: 0, length: offset }];
    const tail = keeps.at(-1);
    const rewrites = tail !== undefined && tail.length < TAIL_BYTES;
    const kept = rewrites ? keeps.slice(0, -1) : keeps;
    const keptBytes = kept.reduce((sum, { length }) => sum + length, 0);
    const before = objects.read(current, { start: keptBytes, end: offset });
    await using session = await this.#options.sessions.take();
    const content = await this.#options.contents.write(joined(before, body), {
      name: `${bucket}/${key}`,
      policy: parsePolicy(state.policy),
      size: options.size === undefined ? undefined : options.size + offset - keptBytes,
      session: session.seq,
      mayInline: kept.length === 0,
      about: { at: keptBytes, fields: fieldsOf(current) },
      secret: dataKey?.secret,
    });
    const grown = content.size - (offset - keptBytes);
    options.accept?.({ size: grown, md5: content.md5, sha256: content.sha256 });
    const last = etagOf(content.md5, dataKey);
    const etag = kept.length === 0 ? last : appendedTag(current.etag, keptBytes, last);
    const fresh = this.#appended(bucket, { state, current, kept, content, grown, etag });
    return await objects.enter(bucket, key, { fresh, conditions });
  }

  /** In a bucket with versions the old name gets a delete marker. */
  async move(
    bucket: string,
    from: string,
    to: string,
    options: MoveOptions = {},
  ): Promise<ObjectInfo> {
    const { objects, buckets } = this.#options;
    const state = await buckets.need(bucket);
    const { conditions } = options;
    const mark = options.mark === undefined ? undefined : ownMark(options.mark, from);
    if (from !== to && state.versioning === 'off')
      return await objects.rename(bucket, { from, to }, { conditions, mark, state });
    return await this.#moveVersioned(bucket, from, to, { conditions, mark });
  }

  async #moveVersioned(
    bucket: string,
    from: string,
    to: string,
    { conditions, mark }: MoveOptions,
  ): Promise<ObjectInfo> {
    const { objects } = this.#options;
    const source = await objects.head(bucket, from);
    const there = mark === undefined ? undefined : await objects.head(bucket, to);
    const isThere = source !== undefined && !source.isDeleteMarker;
    const step = isThere && mark !== undefined ? stepMark(mark, source) : undefined;
    // The copy was made. What is at the old name is removed only if it is what was copied.
    const copied = there !== undefined && isMarked(there, mark) ? there : undefined;
    if (copied !== undefined && copied.movedBy !== step) return copied;
    if (!isThere) throw noObject(bucket, from);
    if (from === to) return source;
    const moved =
      copied ??
      (await this.copy(
        source,
        { bucket, key: to },
        { conditions, keepsEncryption: true, movedBy: step },
      ));
    await objects.delete(bucket, from, { conditions: { ifMatch: source.etag } });
    return moved;
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
      readonly etag: string;
    },
  ): Fresh {
    const { state, current, kept, content, grown, etag } = options;
    const none = { checksums: {}, checksumType: undefined, partChecksums: undefined };
    const info = fieldsOf({ ...fieldsOf(current), ...none });
    const size = current.size + grown;
    if (kept.length === 0) {
      const { fid, data, session } = content;
      return { fid, data, size, etag, info, session, inserts: contentInserts(content) };
    }
    const alias = segmentsFid();
    const grownBy = { source: content.fid, start: 0, length: content.size };
    const segments = [...kept, grownBy].map((one) => ({ ...one, part: 1 }));
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
      etag,
      info,
      session: content.session,
      ...rows,
      inserts: [...contentInserts(content), ...rows.inserts],
    };
  }
}

/** Of what came before and of what is new: as that of an upload of one part it is not taken for the MD5 of the bytes, which nobody has read. */
function appendedTag(before: string, keptBytes: number, last: string): string {
  return `${createHash('md5').update(`${before} ${keptBytes} ${last}`).digest('hex')}-1`;
}

/** The same mark with another old name is of another rename: that must not be told as done. */
function ownMark(mark: string, from: string): string {
  return createHash('sha256').update(`${mark}\n${from}`).digest('base64url');
}

/** Of a rename that is a copy and a removal: what comes to the old name afterwards is not what was copied. */
function stepMark(mark: string, { fid }: ObjectInfo): string {
  return `${mark} ${fid}`;
}

/** By a rename with that mark, in whichever way it was made. */
function isMarked({ movedBy }: ObjectInfo, mark: string | undefined): boolean {
  return movedBy !== undefined && (movedBy === mark || movedBy.replace(/ \S+$/, '') === mark);
}

async function* joined(
  first: AsyncIterable<Uint8Array>,
  second: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  yield* first;
  yield* second;
}
