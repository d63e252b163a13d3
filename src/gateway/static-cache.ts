/**
 * What is known about files: validators, precompressed siblings, and the bytes of small ones. An entry is
 * believed for a second; then the disk is asked again, and a file that has not changed is not read again.
 */
import { constants } from 'node:fs';
import { open, realpath, stat, type FileHandle } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { systemCode } from '../base/errors.ts';
import { formatHttpDate } from '../http/http-date.ts';
import { mediaTypeOf } from '../http/media-type.ts';

/** Files up to this size are kept in memory. */
export const MEMORY_FILE_BYTES_MAX: number = 1024 * 1024;
/** Files up to this size are kept as complete answers too, and their tag is a hash of their bytes. */
export const SMALL_FILE_BYTES_MAX: number = 64 * 1024;
/** All bytes kept, their heads not counted; the longest unused go first. */
const CACHE_BYTES_MAX = 64 * 1024 * 1024;
/** Entries kept, those of large files included. */
const CACHE_ENTRIES_MAX = 10_000;
/** An entry is answered from for this long before the disk is asked again. */
export const FRESH_MS = 1000;

/** A sibling older than its file by more was forgotten in a build; a release is not written in one instant. */
const SIBLING_OLDER_MS_MAX = 10_000;

/** Codings of precompressed siblings, best first, and how their names end. */
const CODINGS = [
  ['br', '.br'],
  ['zstd', '.zst'],
  ['gzip', '.gz'],
] as const;
export type Coding = (typeof CODINGS)[number][0];

/** Files older than this have a made-up time (a release without times): they get no Last-Modified. */
const CREDIBLE_TIME_MS = 631_152_000_000;

/** One file as it is sent: the file itself, or its precompressed sibling. */
export interface FileVersion {
  /** Real path, without symbolic links. */
  readonly path: string;
  readonly size: number;
  readonly mtimeMs: number;
  readonly inode: number;
  readonly etag: string;
  readonly lastModifiedMs: number | undefined;
  readonly coding: Coding | undefined;
  /** All bytes, unless the file is too large for memory. */
  readonly body: Buffer | undefined;
  /** Fields that are the same in every answer: whole lines. */
  readonly lines: string;
  /** A complete 200 to a plain GET, and the second that its Date says. */
  whole: { readonly second: number; readonly answer: Buffer | string } | undefined;
}

export interface StaticFile {
  readonly plain: FileVersion;
  /** Precompressed siblings, best first. */
  readonly coded: readonly FileVersion[];
  /** Monotonic milliseconds of the last look at the disk. */
  checkedMs: number;
}

export class StaticCache {
  private readonly files = new Map<string, StaticFile>();
  private readonly looking = new Map<string, Promise<StaticFile | undefined>>();
  private bytes = 0;

  get bytesKept(): number {
    return this.bytes;
  }

  /** What is known and fresh, without asking the disk. */
  fresh(path: string, nowMs: number): StaticFile | undefined {
    const known = this.files.get(path);
    return known !== undefined && nowMs - known.checkedMs < FRESH_MS ? known : undefined;
  }

  /** Asks the disk; `path` is a real path of a regular file, or the answer is undefined. */
  look(path: string, nowMs: number): Promise<StaticFile | undefined> {
    const running = this.looking.get(path);
    if (running !== undefined) return running;
    const started = this.load(path, nowMs).finally(() => this.looking.delete(path));
    this.looking.set(path, started);
    return started;
  }

  private async load(path: string, nowMs: number): Promise<StaticFile | undefined> {
    const known = this.files.get(path);
    const plain = await version(path, undefined, path, known?.plain);
    if (plain === undefined) {
      this.forget(path);
      return undefined;
    }
    const siblings = await Promise.all(
      CODINGS.map(([coding, suffix]) =>
        version(
          `${path}${suffix}`,
          coding,
          path,
          known?.coded.find((one) => one.coding === coding),
        ),
      ),
    );
    const coded = siblings.filter(
      (one) => one !== undefined && one.mtimeMs >= plain.mtimeMs - SIBLING_OLDER_MS_MAX,
    ) as FileVersion[];
    const same =
      known?.plain === plain &&
      known.coded.length === coded.length &&
      known.coded.every((one, index) => one === coded[index]);
    if (same) {
      known.checkedMs = nowMs;
      // Behind the others: used last.
      this.files.delete(path);
      this.files.set(path, known);
      return known;
    }
    this.forget(path);
    const file: StaticFile = {
      plain: withVary(plain, coded.length > 0),
      coded: coded.map((one) => withVary(one, true)),
      checkedMs: nowMs,
    };
    this.files.set(path, file);
    this.bytes += bytesOf(file);
    this.evict();
    return file;
  }

  private forget(path: string): void {
    const known = this.files.get(path);
    if (known === undefined) return;
    this.files.delete(path);
    this.bytes -= bytesOf(known);
  }

  private evict(): void {
    for (const path of this.files.keys()) {
      if (this.bytes <= CACHE_BYTES_MAX && this.files.size <= CACHE_ENTRIES_MAX) return;
      this.forget(path);
    }
  }
}

function bytesOf(file: StaticFile): number {
  let bytes = bytesOfVersion(file.plain);
  for (const one of file.coded) bytes += bytesOfVersion(one);
  return bytes;
}

function bytesOfVersion({ body }: FileVersion): number {
  if (body === undefined) return 0;
  // The complete answer is a second copy.
  return body.length <= SMALL_FILE_BYTES_MAX ? body.length * 2 : body.length;
}

const VARY = 'Vary: Accept-Encoding\r\n';

function withVary(one: FileVersion, varies: boolean): FileVersion {
  const has = one.lines.startsWith(VARY);
  if (has === varies) return one;
  const lines = varies ? VARY + one.lines : one.lines.slice(VARY.length);
  return { ...one, lines, whole: undefined };
}

/** The version at `path`; the known one itself when the file has not changed; undefined when there is none. */
async function version(
  path: string,
  coding: Coding | undefined,
  plainPath: string,
  known: FileVersion | undefined,
): Promise<FileVersion | undefined> {
  try {
    const seen = await stat(path);
    if (!seen.isFile()) return undefined;
    if (
      known !== undefined &&
      known.size === seen.size &&
      known.mtimeMs === seen.mtimeMs &&
      known.inode === seen.ino
    ) {
      return known;
    }
    // A sibling may not be a link to elsewhere.
    if (coding !== undefined && (await realpath(path)) !== path) return undefined;
    return await read(path, coding, plainPath);
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

async function read(
  path: string,
  coding: Coding | undefined,
  plainPath: string,
): Promise<FileVersion | undefined> {
  await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  // Of the open file, so that size, tag and bytes belong together whatever is renamed meanwhile.
  const seen = await file.stat();
  if (!seen.isFile()) return undefined;
  const body = seen.size <= MEMORY_FILE_BYTES_MAX ? await readWhole(file, seen.size) : undefined;
  const tag =
    body === undefined || body.length > SMALL_FILE_BYTES_MAX
      ? `${seen.size.toString(36)}-${seen.mtimeMs.toString(36)}-${seen.ino.toString(36)}`
      : createHash('sha256').update(body).digest('base64url').slice(0, 22);
  const etag = `"${tag}${coding === undefined ? '' : `-${coding}`}"`;
  const lastModifiedMs =
    seen.mtimeMs < CREDIBLE_TIME_MS ? undefined : Math.floor(seen.mtimeMs / 1000) * 1000;
  return {
    path,
    size: body?.length ?? seen.size,
    mtimeMs: seen.mtimeMs,
    inode: seen.ino,
    etag,
    lastModifiedMs,
    coding,
    body,
    lines:
      `ETag: ${etag}\r\n` +
      (lastModifiedMs === undefined ? '' : `Last-Modified: ${formatHttpDate(lastModifiedMs)}\r\n`) +
      (coding === undefined ? '' : `Content-Encoding: ${coding}\r\n`) +
      `Content-Type: ${mediaTypeOf(plainPath)}\r\n`,
    whole: undefined,
  };
}

async function readWhole(file: FileHandle, size: number): Promise<Buffer> {
  const body = Buffer.allocUnsafeSlow(size);
  let at = 0;
  while (at < size) {
    const { bytesRead } = await file.read(body, at, size - at, at);
    if (bytesRead === 0) break;
    at += bytesRead;
  }
  return at === size ? body : body.subarray(0, at);
}

/** Not there, not a folder on the way, not readable, a link: all the same to a client. */
export function isAbsent(error: unknown): boolean {
  const code = systemCode(error);
  return (
    code === 'ENOENT' ||
    code === 'ENOTDIR' ||
    code === 'EACCES' ||
    code === 'ELOOP' ||
    code === 'ENAMETOOLONG'
  );
}
