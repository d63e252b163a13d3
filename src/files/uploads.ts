/** Uploads in parts. Each part is a content of its own; completing makes an object of their pieces, without moving bytes. */
import { createHash } from 'node:crypto';
import { randomId } from '../base/ids.ts';
import type { Clock } from '../base/time.ts';
import type { Buckets } from './buckets.ts';
import type { CatalogueLink, Row, Statement } from './catalogue-link.ts';
import type { Changes } from './changes.ts';
import { type Contents, contentInserts, segmentsFid, type Segment } from './content.ts';
import { etagOf as taggedBy, type Keyring, usualEncryption } from './encryption.ts';
import { noUpload, partOrder, partSmall, partWrong, sizeWrong } from './errors.ts';
import { PART_BYTES_MIN, PARTS_MAX, UPLOAD_KEPT_MS } from './limits.ts';
import { behindPrefix, commonPrefix } from './listing.ts';
import type {
  FileStore,
  ObjectFields,
  ObjectInfo,
  PartInfo,
  PartOptions,
  PartPage,
  Range,
  UploadInfo,
  UploadPage,
  WantedPart,
} from './model.ts';
import { checkKey, checkQuota, checkState } from './object-checks.ts';
import type { Objects } from './objects.ts';
import { segmentRows } from './segments.ts';
import { parsePolicy } from './policy.ts';
import { fieldsOf, number, text } from './rows.ts';
import type { Sessions } from './sessions.ts';

export interface UploadsOptions {
  readonly link: CatalogueLink;
  readonly changes: Changes;
  readonly buckets: Buckets;
  readonly contents: Contents;
  readonly objects: Objects;
  readonly sessions: Sessions;
  readonly keyring: Keyring;
  readonly clock: Clock;
}

interface KeptInfo {
  readonly owner?: string;
  readonly checksumAlgorithm?: string;
  readonly fields: ObjectFields;
}

/** How an upload ended: the object that it became. */
interface Done {
  readonly parts: string;
  readonly at: number;
  readonly fid: string;
}

interface PartRow extends PartInfo {
  readonly fid: string;
}

const UPLOAD_COLUMNS = 'id, key, created, info, done';
const PART_COLUMNS = 'number, fid, size, etag, mtime, checksums';

type CompleteOptions = Parameters<FileStore['completeUpload']>[4];

/** Characters; of them those of the time, base 36, are enough for three thousand years. */
const UPLOAD_ID_LENGTH = 32;
const TIME_LENGTH = 9;

export class Uploads {
  readonly #options: UploadsOptions;

  constructor(options: UploadsOptions) {
    this.#options = options;
  }

  async create(
    bucket: string,
    key: string,
    options: Parameters<FileStore['createUpload']>[2],
  ): ReturnType<FileStore['createUpload']> {
    checkKey(key);
    const created = this.#options.clock.now();
    const id = uploadId(created);
    const { size } = options;
    const state = await this.#options.buckets.need(bucket);
    const { settings } = state;
    if (size !== undefined) {
      checkQuota(bucket, state, size);
      this.#options.contents.checkRoom({ policy: parsePolicy(state.policy), size });
    }
    const wish = options.encrypt ?? usualEncryption(settings);
    const encryption =
      wish === undefined ? undefined : this.#options.keyring.make(bucket, wish).kept;
    const info: KeptInfo = {
      fields: fieldsOf({ ...options, encryption }),
      ...(options.owner === undefined ? {} : { owner: options.owner }),
      ...(options.checksumAlgorithm === undefined
        ? {}
        : { checksumAlgorithm: options.checksumAlgorithm }),
    };
    const row = [id, key, created, JSON.stringify(info), null];
    return await this.#options.changes.make(bucket, {
      touches: [`upload ${id}`],
      reads: [],
      decide: () => ({
        inserts: [{ table: 'upload', columns: UPLOAD_COLUMNS, rows: [row] }],
        result: { upload: id, encryption },
      }),
    });
  }

  async get(bucket: string, key: string, upload: string): Promise<UploadInfo> {
    const [row] = await this.#options.link.all(...asked(readUpload(bucket, upload)));
    if (row === undefined || row[1] !== key || row[4] !== null) throw noUpload();
    return uploadOf(bucket, row);
  }

  async putPart(
    to: {
      readonly bucket: string;
      readonly key: string;
      readonly upload: string;
      readonly number: number;
    },
    body: AsyncIterable<Uint8Array>,
    options: PartOptions,
  ): Promise<PartInfo> {
    const { bucket, key, upload, number: at } = to;
    if (!Number.isSafeInteger(at) || at < 1 || at > PARTS_MAX)
      throw partWrong(at, `has no number from 1 to ${PARTS_MAX}`);
    const { fields } = await this.get(bucket, key, upload);
    const dataKey =
      fields.encryption === undefined
        ? undefined
        : this.#options.keyring.open(bucket, fields.encryption, options.key);
    const state = await this.#options.buckets.need(bucket);
    checkQuota(bucket, state, options.size ?? 0);
    await using session = await this.#options.sessions.take();
    const content = await this.#options.contents.write(body, {
      name: `${bucket}/${key}`,
      policy: parsePolicy(state.policy),
      size: options.size,
      session: session.seq,
      mayInline: false,
      about: { upload, part: at, fields },
      secret: dataKey?.secret,
    });
    const { size, md5, sha256, fid } = content;
    const kept = options.accept?.({ size, md5, sha256 });
    const etag = taggedBy(md5, dataKey);
    const checksums = { ...options.checksums, ...kept?.checksums };
    const now = this.#options.clock.now();
    const info: PartInfo = { number: at, etag, size, modifiedAt: now, checksums };
    return await this.#options.changes.make(bucket, {
      touches: [`upload ${upload}`],
      reads: [readUpload(bucket, upload), readPart(bucket, upload, at)],
      decide: (rows, latest) => {
        const [found] = rows[0] ?? [];
        if (found === undefined || found[4] !== null) throw noUpload();
        if (session.seq < latest.fence) this.#options.sessions.drop();
        checkState(latest, latest, session.seq);
        const [before] = (rows[1] ?? []).map(partOf);
        const bytes = size - (before?.size ?? 0);
        checkQuota(bucket, latest, bytes);
        const row = [upload, at, fid, size, etag, now, JSON.stringify(checksums)];
        const where = 'WHERE bucket = ? AND upload = ? AND number = ?';
        const statements: Statement[] = [];
        if (before !== undefined)
          statements.push(
            {
              sql: `UPDATE part SET fid = ?, size = ?, etag = ?, mtime = ?, checksums = ? ${where}`,
              args: [...row.slice(2), bucket, upload, at],
            },
            releaseOf(bucket, before.fid, now),
          );
        const inserts = [...contentInserts(content)];
        if (before === undefined)
          inserts.push({ table: 'part', columns: `upload, ${PART_COLUMNS}`, rows: [row] });
        return { inserts, statements, bytes, result: info };
      },
    });
  }

  async copyPart(
    from: ObjectInfo,
    range: Range | undefined,
    to: Parameters<FileStore['copyPart']>[2],
    options: Parameters<FileStore['copyPart']>[3],
  ): Promise<PartInfo> {
    const start = range?.start ?? 0;
    const size = Math.min(range?.end ?? from.size, from.size) - start;
    const body = this.#options.objects.read(from, range, options.sourceKey);
    return await this.putPart(to, body, { ...options, size });
  }

  async parts(
    bucket: string,
    key: string,
    upload: string,
    options: Parameters<FileStore['parts']>[3],
  ): Promise<PartPage> {
    await this.get(bucket, key, upload);
    const { after = 0, limit } = options;
    const rows = await this.#options.link.all(
      `SELECT ${PART_COLUMNS} FROM part WHERE bucket = ? AND upload = ? AND number > ? ORDER BY number LIMIT ?`,
      [bucket, upload, after, limit + 1],
    );
    const parts = rows.slice(0, limit).map((row) => infoOf(partOf(row)));
    return { parts, next: rows.length > limit ? parts.at(-1)?.number : undefined };
  }

  async list(bucket: string, options: Parameters<FileStore['uploads']>[1]): Promise<UploadPage> {
    await this.#options.buckets.need(bucket);
    const { prefix = '', delimiter, after, limit } = options;
    const behind = behindPrefix(prefix);
    // An upload of the marked key counts only with a marked upload.
    const rows = await this.#options.link.all(
      `SELECT ${UPLOAD_COLUMNS} FROM upload WHERE bucket = ? AND done IS NULL AND key >= ?
       ${behind === undefined ? '' : 'AND key < ?'} AND (key > ? OR (key = ? AND id > ?)) ORDER BY key, id`,
      [
        bucket,
        prefix,
        ...(behind === undefined ? [] : [behind]),
        after?.key ?? '',
        after?.key ?? '',
        after?.upload ?? '\u{10ffff}',
      ],
    );
    const uploads: UploadInfo[] = [];
    const prefixes: string[] = [];
    let last: UploadPage['next'];
    for (const row of rows) {
      const info = uploadOf(bucket, row);
      const folder = commonPrefix(info.key, { prefix, delimiter });
      if (folder !== undefined && (prefixes.at(-1) === folder || after?.key === folder)) continue;
      if (uploads.length + prefixes.length >= limit) return { uploads, prefixes, next: last };
      if (folder === undefined) uploads.push(info);
      else prefixes.push(folder);
      last = { key: folder ?? info.key, upload: folder === undefined ? info.upload : '' };
    }
    return { uploads, prefixes, next: undefined };
  }

  async complete(
    where: { readonly bucket: string; readonly key: string; readonly upload: string },
    wanted: readonly WantedPart[],
    options: CompleteOptions,
  ): Promise<ObjectInfo> {
    const { bucket, key, upload } = where;
    const [row] = await this.#options.link.all(...asked(readUpload(bucket, upload)));
    if (row === undefined || row[1] !== key) throw noUpload();
    const fingerprint = fingerprintOf(wanted);
    const before = await this.#done(bucket, key, { row, fingerprint });
    if (before !== undefined) return before;
    const all = (
      await this.#options.link.all(
        `SELECT ${PART_COLUMNS} FROM part WHERE bucket = ? AND upload = ? ORDER BY number`,
        [bucket, upload],
      )
    ).map(partOf);
    const chosen = choosePartsOf(all, wanted);
    const size = chosen.reduce((sum, part) => sum + part.size, 0);
    if (options.size !== undefined && options.size !== size) throw sizeWrong(options.size, size);
    const state = await this.#options.buckets.need(bucket);
    const fid = segmentsFid();
    const segments = chosen.map(({ number: part, fid: source, size: length }): Segment => {
      return { part, source, start: 0, length };
    });
    const now = this.#options.clock.now();
    const done: Done = { parts: fingerprint, at: now, fid };
    const used = new Set(chosen.map((part) => part.fid));
    const rows = segmentRows(bucket, fid, {
      segments,
      size,
      policy: state.policy,
      // The parts' own use of their contents goes on as that of the object.
      fresh: used,
    });
    const { fields } = JSON.parse(text(row[3])) as KeptInfo;
    if (fields.encryption !== undefined && options.key !== undefined)
      this.#options.keyring.open(bucket, fields.encryption, options.key);
    return await this.#options.objects.enter(bucket, key, {
      conditions: options.conditions,
      touches: [`upload ${upload}`],
      reads: [readUpload(bucket, upload), readParts(bucket, upload)],
      check: ([uploads, parts]) => {
        const [latest] = uploads ?? [];
        if (latest === undefined || latest[4] !== null) throw noUpload();
        const isSame =
          (parts ?? []).map(([one]) => one).join() === all.map((one) => one.fid).join();
        if (!isSame) throw partWrong(wanted[0]?.number ?? 1, 'or another one came anew just now');
      },
      fresh: {
        fid,
        data: null,
        size,
        etag: etagOf(chosen),
        info: fieldsOf({
          ...fields,
          checksums: options.checksums,
          checksumType: options.checksumType,
          partChecksums: options.partChecksums,
        }),
        session: undefined,
        inserts: rows.inserts,
        statements: [
          ...all
            .filter((part) => !used.has(part.fid))
            .map((part) => releaseOf(bucket, part.fid, now)),
          { sql: 'DELETE FROM part WHERE bucket = ? AND upload = ?', args: [bucket, upload] },
          {
            sql: 'UPDATE upload SET done = ? WHERE bucket = ? AND id = ?',
            args: [JSON.stringify(done), bucket, upload],
          },
        ],
        countedBytes: all.reduce((sum, part) => sum + part.size, 0),
      },
    });
  }

  async abort(bucket: string, key: string, upload: string): Promise<void> {
    const now = this.#options.clock.now();
    await this.#options.changes.make(bucket, {
      touches: [`upload ${upload}`],
      reads: [
        readUpload(bucket, upload),
        {
          sql: `SELECT ${PART_COLUMNS} FROM part WHERE bucket = ? AND upload = ?`,
          args: [bucket, upload],
        },
      ],
      decide: (rows) => {
        const [found] = rows[0] ?? [];
        if (found === undefined || found[1] !== key || found[4] !== null) throw noUpload();
        const parts = (rows[1] ?? []).map(partOf);
        const args = [bucket, upload];
        return {
          bytes: -parts.reduce((sum, part) => sum + part.size, 0),
          statements: [
            ...parts.map((part) => releaseOf(bucket, part.fid, now)),
            { sql: 'DELETE FROM part WHERE bucket = ? AND upload = ?', args },
            { sql: 'DELETE FROM upload WHERE bucket = ? AND id = ?', args },
          ],
          result: undefined,
        };
      },
    });
  }

  /** What it became, when it was completed with the same parts not long ago. */
  async #done(
    bucket: string,
    key: string,
    { row, fingerprint }: { readonly row: Row; readonly fingerprint: string },
  ): Promise<ObjectInfo | undefined> {
    if (typeof row[4] !== 'string') return undefined;
    const done = JSON.parse(row[4]) as Done;
    const isKept = this.#options.clock.now() - done.at < UPLOAD_KEPT_MS;
    if (!isKept || done.parts !== fingerprint) throw noUpload();
    const found = await this.#options.objects.head(bucket, key);
    if (found?.fid !== done.fid) throw noUpload();
    return found;
  }
}

/** A content is used once less; the collector sees to the rest. */
export function releaseOf(bucket: string, fid: string, now: number): Statement {
  return {
    sql: `INSERT INTO todo (bucket, kind, ref, place, prio, due, fails) VALUES (?, 'release', ?, ?, 0, ?, 0)`,
    args: [bucket, fid, randomId(8), now],
  };
}

/** Throws `FILES_PART`, `FILES_PART_ORDER` and `FILES_PART_SMALL`. */
export function choosePartsOf<T extends PartInfo>(
  known: readonly T[],
  wanted: readonly WantedPart[],
): readonly T[] {
  if (wanted.length === 0) throw partWrong(1, 'is missing: no part was named');
  const byNumber = new Map(known.map((part) => [part.number, part]));
  let before = 0;
  const chosen = wanted.map(({ number: at, etag, checksums = {} }) => {
    if (at <= before) throw partOrder();
    before = at;
    const part = byNumber.get(at);
    if (part === undefined) throw partWrong(at, 'was not uploaded');
    if (part.etag !== etag) throw partWrong(at, `has the tag ${part.etag}, not ${etag}`);
    for (const [name, value] of Object.entries(checksums)) {
      // One that it was not sent with cannot be vouched for, either.
      if (part.checksums[name] !== value) throw partWrong(at, `has another ${name}`);
    }
    return part;
  });
  for (const part of chosen.slice(0, -1)) {
    if (part.size < PART_BYTES_MIN) throw partSmall(part.number, part.size, PART_BYTES_MIN);
  }
  return chosen;
}

function etagOf(parts: readonly PartInfo[]): string {
  const md5 = createHash('md5');
  for (const { etag } of parts) md5.update(Buffer.from(etag, 'hex'));
  return `${md5.digest('hex')}-${parts.length}`;
}

function fingerprintOf(wanted: readonly WantedPart[]): string {
  const text = wanted.map(({ number: at, etag }) => `${at} ${etag}`).join('\n');
  return createHash('sha256').update(text).digest('hex');
}

function readUpload(bucket: string, id: string): Required<Statement> {
  return {
    sql: `SELECT ${UPLOAD_COLUMNS} FROM upload WHERE bucket = ? AND id = ?`,
    args: [bucket, id],
  };
}

function readPart(bucket: string, upload: string, at: number): Statement {
  return {
    sql: `SELECT ${PART_COLUMNS} FROM part WHERE bucket = ? AND upload = ? AND number = ?`,
    args: [bucket, upload, at],
  };
}

function readParts(bucket: string, upload: string): Statement {
  return {
    sql: 'SELECT fid FROM part WHERE bucket = ? AND upload = ? ORDER BY number',
    args: [bucket, upload],
  };
}

function asked({ sql, args }: Required<Statement>): [string, Required<Statement>['args']] {
  return [sql, args];
}

function uploadOf(bucket: string, row: Row): UploadInfo {
  const info = JSON.parse(text(row[3])) as KeptInfo;
  return {
    bucket,
    key: text(row[1]),
    upload: text(row[0]),
    createdAt: number(row[2]),
    owner: info.owner,
    checksumAlgorithm: info.checksumAlgorithm,
    fields: info.fields,
  };
}

function partOf(row: Row): PartRow {
  const [at, fid, size, etag, mtime, checksums] = row;
  return {
    number: number(at),
    fid: text(fid),
    size: number(size),
    etag: text(etag),
    modifiedAt: number(mtime),
    checksums: JSON.parse(text(checksums)) as Record<string, string>,
  };
}

function infoOf({ number: at, etag, size, modifiedAt, checksums }: PartRow): PartInfo {
  return { number: at, etag, size, modifiedAt, checksums };
}

/** In the order of time: uploads of one key are listed from the first to the last. */
function uploadId(createdMs: number): string {
  return (
    createdMs.toString(36).padStart(TIME_LENGTH, '0') + randomId(UPLOAD_ID_LENGTH - TIME_LENGTH)
  );
}
