/** Files on their way between here and a bucket: whole ones at once, large ones in parts, so that what breaks off goes on where it was. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { access, constants, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { temporaryName } from '../base/disk.ts';
import { isMolnError, messageOf, MolnError, systemCode } from '../base/errors.ts';
import { giveBack, PIECE_BYTES_MAX, takePiece } from '../base/piece-pool.ts';
import { formatBytes } from '../base/units.ts';
import { mediaTypeOf } from '../http/media-type.ts';
import type { Context } from './command.ts';
import { usageError } from './errors.ts';
import type { FileInfo, FilePart } from './files-client.ts';
import { type Display, showSteps } from './progress.ts';

export interface FilePlace {
  readonly bucket: string;
  readonly key: string;
}

const MIB: number = 1024 * 1024;
const BYTES = 'application/octet-stream';
const TRIES_MAX = 5;
const AGAIN_MS = 1000;
const SHOW_EVERY_BYTES: number = 8 * MIB;
/** Files from this size on go in parts. */
const PARTS_FROM_BYTES: number = 64 * MIB;
const PART_BYTES: number = 32 * MIB;
/** S3 allows no more; larger files have larger parts. */
const PARTS_MAX = 10_000;
/** What tools upload in: ours, aws-cli's, rclone's, and others. */
const PART_SIZES: readonly number[] = [32, 8, 5, 16, 64, 10, 15, 25, 50, 100].map(
  (size) => size * MIB,
);

export async function putFile(context: Context, path: string, to: FilePlace): Promise<FileInfo> {
  const { bucket, key } = to;
  const files = context.client().files();
  if (path === '-')
    return await files.put(bucket, key, {
      type: mediaTypeOf(key),
      stream: Readable.from(context.io.stdin),
    });
  const from = resolve(context.io.cwd, path);
  const { size } = await readable(path, from);
  using meter = new Meter(context, `${bucket}/${key}`, size);
  if (size >= PARTS_FROM_BYTES) return await putInParts(context, from, { to, size, meter });
  const way = { bytes: 0 };
  return await again(context, () => {
    const stream = meter.pass(piecesOf(from, { start: 0, length: size }), way);
    return files.put(bucket, key, { type: mediaTypeOf(key), stream, length: size });
  });
}

/** Throws `CLI_USAGE` when it is no file, or not to be read by whoever asks. */
export async function readable(path: string, from: string): Promise<{ readonly size: number }> {
  try {
    await access(from, constants.R_OK);
    const found = await stat(from);
    if (!found.isDirectory()) return found;
  } catch (error) {
    throw usageError(`"${path}" cannot be read`, messageOf(error));
  }
  throw usageError(`"${path}" is a folder`, 'Give --recursive (-r) to put all that is in it');
}

/** What an upload of this file that broke off has already, is not sent again. */
async function putInParts(
  context: Context,
  path: string,
  { to, size, meter }: { readonly to: FilePlace; readonly size: number; readonly meter: Meter },
): Promise<FileInfo> {
  const files = context.client().files();
  const partBytes = partBytesOf(size);
  const begun = await begunUpload(context, path, { to, size });
  const upload = begun?.upload ?? (await files.createUpload(to, mediaTypeOf(to.key), size)).upload;
  const parts: FilePart[] = [];
  for (let start = 0; start < size; start += partBytes) {
    const number = parts.length + 1;
    const length = Math.min(partBytes, size - start);
    const before = begun?.parts.get(number);
    if (before !== undefined) {
      meter.add(length);
      parts.push(before);
      continue;
    }
    const way = { bytes: 0 };
    const part = await again(context, () => {
      const stream = meter.pass(piecesOf(path, { start, length }), way);
      return files.putPart(to, { upload, number }, { type: BYTES, stream, length });
    });
    parts.push(part);
  }
  return await again(context, () => files.completeUpload(to, upload, parts));
}

interface BegunUpload {
  readonly upload: string;
  readonly parts: ReadonlyMap<number, FilePart>;
}

/** One that has parts, all of them as they are here: another one is of another client, or of what the file was before. */
async function begunUpload(
  context: Context,
  path: string,
  { to, size }: { readonly to: FilePlace; readonly size: number },
): Promise<BegunUpload | undefined> {
  const { bucket, key } = to;
  const files = context.client().files();
  const partBytes = partBytesOf(size);
  const isHere = async ({ number, size: length, checksums }: FilePart): Promise<boolean> => {
    const start = (number - 1) * partBytes;
    const end = Math.min(start + partBytes, size) - 1;
    if (length !== end - start + 1) return false;
    // Not the tag: that of an encrypted part is not its MD5.
    return (
      checksums['sha256'] === (await hashOf(path, 'sha256', { start, end })).toString('base64')
    );
  };
  for (const { upload } of await files.uploads(bucket, key)) {
    const parts = await files.parts(bucket, key, upload);
    if (parts.length > 0 && (await every(parts, isHere)))
      return { upload, parts: new Map(parts.map((part) => [part.number, part])) };
  }
  return undefined;
}

async function every<T>(list: readonly T[], holds: (one: T) => Promise<boolean>): Promise<boolean> {
  for (const one of list) if (!(await holds(one))) return false;
  return true;
}

/** Under its name when all of it is there. Throws `CLI_PATH_TAKEN` where a folder, or a file in place of one, has that name. */
export async function getFile(context: Context, from: FilePlace, path: string): Promise<void> {
  const temporary = temporaryName(path);
  try {
    await mkdir(dirname(path), { recursive: true });
    {
      await using file = await open(temporary, 'wx');
      const { length, pieces } = await context.client().files().pieces(from.bucket, from.key);
      using meter = new Meter(context, `${from.bucket}/${from.key}`, length);
      for await (const piece of meter.pass(pieces)) {
        await file.writeFile(piece);
        giveBack(piece);
      }
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw TAKEN.has(systemCode(error) ?? '') ? pathTaken(path, error) : error;
  }
}

/** Names that a bucket can have and a folder cannot, such as `a` beside `a/b`. */
const TAKEN: ReadonlySet<string> = new Set(['EEXIST', 'EISDIR', 'ENOTDIR']);

function pathTaken(path: string, cause: unknown): MolnError {
  return new MolnError('CLI_PATH_TAKEN', `"${path}" cannot be a file here: a name is in the way`, {
    hint: 'A bucket can have both "a" and "a/b", a folder cannot: get one of them elsewhere',
    cause,
  });
}

/** Whether the file here has the bytes that an object's tag tells of. A tag of parts of an unknown size is that of other bytes. */
export async function isSame(
  path: string,
  { size, etag }: Pick<FileInfo, 'size' | 'etag'>,
): Promise<boolean> {
  if ((await stat(path)).size !== size) return false;
  const [, parts] = /-(\d+)$/.exec(etag) ?? [];
  if (parts === undefined) return (await md5Of(path)) === etag;
  const wanted = Number(parts);
  const sizes = new Set([partBytesOf(size), ...PART_SIZES]);
  for (const partBytes of sizes) {
    if (Math.ceil(size / partBytes) !== wanted) continue;
    if ((await md5OfParts(path, size, partBytes)) === etag) return true;
  }
  return false;
}

function partBytesOf(size: number): number {
  const least = Math.ceil(size / PARTS_MAX / MIB) * MIB;
  return Math.max(PART_BYTES, least);
}

async function md5OfParts(path: string, size: number, partBytes: number): Promise<string> {
  const all = createHash('md5');
  let parts = 0;
  for (let start = 0; start < size; start += partBytes) {
    all.update(await md5Of(path, { start, end: Math.min(start + partBytes, size) - 1 }), 'hex');
    parts += 1;
  }
  return `${all.digest('hex')}-${parts}`;
}

interface FileRange {
  readonly start?: number;
  /** Inclusive. */
  readonly end?: number;
}

async function md5Of(path: string, range: FileRange = {}): Promise<string> {
  return (await hashOf(path, 'md5', range)).toString('hex');
}

async function hashOf(path: string, name: 'md5' | 'sha256', range: FileRange): Promise<Buffer> {
  const hash = createHash(name);
  for await (const piece of createReadStream(path, range) as AsyncIterable<Buffer>)
    hash.update(piece);
  return hash.digest();
}

/** Of a file, as it is while it is read: one that ends before is not what was announced. */
async function* piecesOf(
  path: string,
  { start, length }: { readonly start: number; readonly length: number },
): AsyncGenerator<Uint8Array, void, undefined> {
  await using file = await open(path);
  for (let at = 0; at < length;) {
    const piece = takePiece(Math.min(PIECE_BYTES_MAX, length - at));
    const { bytesRead } = await file.read(piece, 0, piece.length, start + at);
    if (bytesRead === 0) throw new Error(`it ended at ${start + at} bytes`);
    at += bytesRead;
    yield piece.subarray(0, bytesRead);
  }
}

/** As when a machine goes away while it is written to: it is sent to another one. */
async function again<T>(context: Context, work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await work();
    } catch (error) {
      if (!isMolnError(error) || !error.retryable || tries >= TRIES_MAX) throw error;
      await context.clock.sleep(AGAIN_MS, context.signal);
    }
  }
}

/** Says how far it is, on the way of the bytes. */
class Meter implements Disposable {
  readonly #display: Display | undefined;
  readonly #size: number;
  #next = SHOW_EVERY_BYTES;
  bytes = 0;

  constructor(context: Context, title: string, size: number) {
    this.#size = size;
    this.#display = size < SHOW_EVERY_BYTES ? undefined : showSteps(context, title);
  }

  /** `way`: how much of a part has gone, which is sent again from its beginning when that breaks off. */
  async *pass(
    body: AsyncIterable<Uint8Array>,
    way = { bytes: 0 },
  ): AsyncGenerator<Uint8Array, void, undefined> {
    this.bytes -= way.bytes;
    way.bytes = 0;
    for await (const piece of body) {
      way.bytes += piece.length;
      this.add(piece.length);
      yield piece;
    }
  }

  add(bytes: number): void {
    this.bytes += bytes;
    if (this.bytes < this.#next) return;
    this.#next = this.bytes + SHOW_EVERY_BYTES;
    const share = Math.floor((100 * this.bytes) / this.#size);
    this.#display?.step(`${formatBytes(this.bytes)} of ${formatBytes(this.#size)} (${share} %)`);
  }

  [Symbol.dispose](): void {
    this.#display?.[Symbol.dispose]();
  }
}
