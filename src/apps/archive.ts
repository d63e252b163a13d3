/**
 * Folders as tar streams, both ways: how an app's source travels from a person's machine to the node. The only file
 * that knows the tar library. Packing is deterministic; unpacking trusts nothing that it reads.
 */
import { constants, createReadStream } from 'node:fs';
import { copyFile, lstat, mkdir, open, readdir, readlink, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { extract, pack } from 'tar-stream';
import type { Extract, Header, Pack } from 'tar-stream';
import { diskError, readTextIfAny } from '../base/disk.ts';
import { MolnError, isMolnError, messageOf, systemCode } from '../base/errors.ts';
import { EPOCH } from '../base/time.ts';
import { formatBytes } from '../base/units.ts';
import {
  archivePath,
  archiveRefused,
  checkLinkStaysInside,
  checkLinkText,
  foldersAbove,
} from './archive-paths.ts';
import type { AbsoluteLinks, EntryKind } from './archive-paths.ts';
import { IgnoreRules } from './ignore-rules.ts';

/** Files, folders and links in one archive. */
export const ARCHIVE_FILES_MAX = 100_000;
/** Bytes of all files in one archive. */
export const ARCHIVE_BYTES_MAX: number = 4 * 1024 ** 3;
/** A tar archive ends with two blocks of zeros; without them it was cut off. */
const END_BLOCKS_BYTES = 1024;

export interface ArchiveLimits {
  readonly filesMax: number;
  readonly bytesMax: number;
  /** `refused` when left out. */
  readonly absoluteLinks?: AbsoluteLinks;
}

export const ARCHIVE_LIMITS: ArchiveLimits = {
  filesMax: ARCHIVE_FILES_MAX,
  bytesMax: ARCHIVE_BYTES_MAX,
};

/**
 * Of a built tree, which another node has sealed. Builds make links to the system, such as the interpreter of a Python
 * environment; whoever takes them compares the tree with its hash before anything follows one.
 */
export const BUILT_ARCHIVE_LIMITS: ArchiveLimits = {
  filesMax: 500_000,
  bytesMax: 8 * 1024 ** 3,
  absoluteLinks: 'taken',
};

export interface PackOptions {
  /** Everything, without any rules: a sealed release. */
  readonly isWhole?: boolean;
  /** Patterns beside those of `.molnignore`, in the same notation. */
  readonly ignore?: readonly string[];
  /** Called for what stays behind although one might miss it: `.env`, sockets, devices. */
  readonly onSkipped?: (path: string, why: string) => void;
  readonly limits?: ArchiveLimits;
}

type Entry = Extract extends AsyncIterable<infer Source> ? Source : never;
type EntryName = Pick<Header, 'name' | 'mtime' | 'uid' | 'gid'>;

interface FolderEntry {
  readonly path: string;
  readonly kind: EntryKind;
}

/**
 * The folder as an uncompressed tar stream: sorted, without times and owners, with the executable bit. Equal folders
 * give equal bytes. The stream fails with `APPS_FOLDER_MISSING`, `APPS_ARCHIVE_REFUSED` or `APPS_ARCHIVE_TOO_LARGE`.
 */
export function packFolder(folder: string, options: PackOptions = {}): Readable {
  return Readable.from(packedBytes(folder, options), { objectMode: false });
}

async function* packedBytes(folder: string, options: PackOptions): AsyncGenerator<Buffer> {
  const limits = options.limits ?? ARCHIVE_LIMITS;
  const entries = await listFolder(folder, options);
  if (entries.length > limits.filesMax) throw tooManyFiles(entries.length, limits);
  const tar = pack();
  let failure: unknown;
  const feeding = feed(tar, folder, entries, limits).catch((error: unknown) => {
    failure = error;
    tar.destroy();
  });
  try {
    for await (const chunk of tar) yield chunk as Buffer;
  } catch (error) {
    await feeding;
    throw failure ?? error;
  } finally {
    tar.destroy();
    await feeding;
  }
  if (failure !== undefined) throw failure;
}

async function listFolder(folder: string, options: PackOptions): Promise<readonly FolderEntry[]> {
  const rules = await ignoreRules(folder, options);
  const found: FolderEntry[] = [];
  const skipped = options.onSkipped ?? (() => undefined);
  const walk = async (above: string): Promise<void> => {
    const list = await readdir(join(folder, above), { withFileTypes: true });
    const isVenv = list.some((entry) => entry.name === 'pyvenv.cfg');
    if (options.isWhole !== true && above !== '' && isVenv) {
      skipped(above, 'a Python environment is rebuilt on the node');
      return;
    }
    if (above !== '') found.push({ path: above, kind: 'directory' });
    for (const entry of list.toSorted((a, b) => compareBytes(a.name, b.name))) {
      const path = archivePath(above === '' ? entry.name : `${above}/${entry.name}`);
      const verdict = options.isWhole === true ? 'keep' : rules.verdict(path, entry.isDirectory());
      if (verdict === 'skip-secret') skipped(path, 'secrets are set with "moln app NAME env"');
      if (verdict !== 'keep') continue;
      if (entry.isDirectory()) await walk(path);
      else if (entry.isFile()) found.push({ path, kind: 'file' });
      else if (entry.isSymbolicLink()) found.push({ path, kind: 'symlink' });
      else skipped(path, 'it is neither a file, a folder nor a link');
    }
  };
  await walk('');
  return found;
}

async function ignoreRules(folder: string, options: PackOptions): Promise<IgnoreRules> {
  try {
    if (!(await isFolder(folder))) {
      throw new MolnError('APPS_FOLDER_MISSING', `"${folder}" is not a folder`, {
        hint: 'Give the folder of the app, such as "moln deploy ."',
      });
    }
    const text = (await readTextIfAny(join(folder, '.molnignore'))) ?? '';
    return new IgnoreRules(text, options.ignore);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
    throw new MolnError('APPS_FOLDER_MISSING', `There is no folder "${folder}"`, {
      hint: 'Give the folder of the app, such as "moln deploy ."',
      cause: error,
    });
  }
}

/** True for a folder, also behind a link; throws ENOENT when there is nothing. */
async function isFolder(path: string): Promise<boolean> {
  return (await lstat(join(path, '.'))).isDirectory();
}

async function feed(
  tar: Pack,
  folder: string,
  entries: readonly FolderEntry[],
  limits: ArchiveLimits,
): Promise<void> {
  const links = new Map<string, string>();
  for (const { path, kind } of entries) {
    if (kind === 'symlink') links.set(path, await readlink(join(folder, path)));
  }
  let bytes = 0;
  for (const { path, kind } of entries) {
    if (tar.destroyed) return;
    const common = { name: path, mtime: EPOCH, uid: 0, gid: 0 };
    if (kind === 'directory') tar.entry({ ...common, type: 'directory', mode: 0o755 });
    else if (kind === 'symlink') {
      checkLinkStaysInside(path, links, limits.absoluteLinks ?? 'refused');
      const linkname = links.get(path) ?? '';
      tar.entry({ ...common, type: 'symlink', linkname, mode: 0o777 });
    } else {
      bytes += await feedFile(tar, join(folder, path), common);
      if (bytes > limits.bytesMax) throw tooManyBytes(limits);
    }
  }
  tar.finalize();
}

/** Bytes of the file. Its size is fixed when it is opened: a file that changes meanwhile is an error. */
async function feedFile(tar: Pack, path: string, common: EntryName): Promise<number> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw archiveRefused(common.name, 'it changed while it was packed');
    const mode = (stat.mode & 0o100) === 0 ? 0o644 : 0o755;
    const header = { ...common, type: 'file' as const, mode, size: stat.size };
    const sink = tar.entry(header) as unknown as NodeJS.WritableStream;
    const closed = new Promise((resolve) => sink.once('close', resolve));
    if (stat.size === 0) sink.end();
    else {
      const options = { fd: file, autoClose: false, start: 0, end: stat.size - 1 };
      const content = createReadStream(path, options);
      await pipeline(content, sink);
      if (content.bytesRead !== stat.size) {
        throw archiveRefused(common.name, 'it changed while it was packed');
      }
    }
    await closed;
    return stat.size;
  } finally {
    await file.close();
  }
}

export interface Unpacked {
  readonly files: number;
  readonly bytes: number;
}

/**
 * Unpacks into `folder`, which must be empty. Files get mode 0644 or 0755, folders 0755; owners and times are not
 * taken over. Fails with `APPS_ARCHIVE_REFUSED` (a path or link that leads out, a device, a duplicate),
 * `APPS_ARCHIVE_TOO_LARGE`, `APPS_ARCHIVE_BROKEN` or `DISK_FULL`; the caller then removes the folder.
 */
export async function unpackArchive(
  source: Readable,
  folder: string,
  limits: ArchiveLimits = ARCHIVE_LIMITS,
  signal?: AbortSignal,
): Promise<Unpacked> {
  const parser = extract();
  const unpacking = new Unpacking(folder, limits);
  let broken: unknown;
  const feeding = feedParser(source, parser, signal).catch((error: unknown) => {
    broken ??= readError(error, signal);
    parser.destroy();
  });
  try {
    for await (const entry of parser) {
      try {
        await unpacking.take(entry);
      } catch (error) {
        // What the disk or the archive's content is to blame for counts more than the end of the stream, which follows.
        if (isMolnError(error) || isSystemError(error)) broken = diskError(error, folder);
        throw error;
      }
    }
    await feeding;
    if (broken !== undefined) throw broken;
    await unpacking.finish();
  } catch (error) {
    source.destroy();
    parser.destroy();
    await feeding;
    throw broken ?? diskError(error, folder);
  }
  return { files: unpacking.files, bytes: unpacking.bytes };
}

function isSystemError(error: unknown): boolean {
  return /^E[A-Z]+$/.test(systemCode(error) ?? '');
}

/** What goes wrong before the bytes reach the disk: the sender stops, or sends something else. */
function readError(error: unknown, signal?: AbortSignal): unknown {
  if (signal?.aborted === true) return signal.reason;
  if (isMolnError(error)) return error;
  return new MolnError('APPS_ARCHIVE_BROKEN', `The archive cannot be read: ${messageOf(error)}`, {
    hint: 'Send an uncompressed tar archive, complete to its end, or use "moln deploy"',
    cause: error,
  });
}

async function feedParser(source: Readable, parser: Extract, signal?: AbortSignal): Promise<void> {
  let tail = Buffer.alloc(0);
  const watchEnd = async function* (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      tail = Buffer.concat([tail, chunk.subarray(-END_BLOCKS_BYTES)]).subarray(-END_BLOCKS_BYTES);
      yield chunk;
    }
    if (tail.length < END_BLOCKS_BYTES || tail.some((byte) => byte !== 0)) {
      throw new Error('it ends too early');
    }
  };
  const sink = parser as unknown as NodeJS.WritableStream;
  await pipeline(source, watchEnd, sink, signal === undefined ? {} : { signal });
}

/** One archive on its way to the disk: knows every name so far, so that nothing is written through a link. */
class Unpacking {
  readonly #folder: string;
  readonly #limits: ArchiveLimits;
  readonly #kinds = new Map<string, EntryKind>();
  readonly #explicit = new Set<string>();
  /** Made last: until then no link exists that something could be written through. */
  readonly #links = new Map<string, string>();
  files = 0;
  bytes = 0;

  constructor(folder: string, limits: ArchiveLimits) {
    this.#folder = folder;
    this.#limits = limits;
  }

  async take(entry: Entry): Promise<void> {
    const { header } = entry;
    // The library's types promise a string also where an archive has none.
    const linkname = (header.linkname as string | null) ?? '';
    const path = archivePath(header.name);
    if (path === '') {
      if (header.type !== 'directory') throw archiveRefused(header.name, 'it has no name');
      entry.resume();
      return;
    }
    if (this.#explicit.has(path)) throw archiveRefused(path, 'the archive has this path twice');
    if (this.#explicit.size >= this.#limits.filesMax) {
      throw tooManyFiles(this.#explicit.size + 1, this.#limits);
    }
    this.#explicit.add(path);
    await this.#ensureFoldersAbove(path);
    if (header.type === 'directory') await this.#makeFolder(path);
    else this.#claim(path, header.type === 'symlink' ? 'symlink' : 'file');
    if (header.type === 'file' || header.type === 'contiguous-file') {
      await this.#writeFile(path, entry, header);
      return;
    }
    if (header.type === 'symlink') this.#takeLink(path, linkname);
    else if (header.type === 'link') await this.#copyHardLink(path, linkname);
    else if (header.type !== 'directory') {
      throw archiveRefused(path, `it is a ${header.type ?? 'thing of unknown type'}`);
    }
    entry.resume();
  }

  async finish(): Promise<void> {
    for (const path of this.#links.keys()) checkLinkStaysInside(path, this.#links, this.#absolute);
    for (const [path, target] of this.#links) await symlink(target, join(this.#folder, path));
  }

  get #absolute(): AbsoluteLinks {
    return this.#limits.absoluteLinks ?? 'refused';
  }

  #claim(path: string, kind: EntryKind): void {
    if (this.#kinds.has(path)) throw archiveRefused(path, 'the archive has this path twice');
    this.#kinds.set(path, kind);
  }

  async #ensureFoldersAbove(path: string): Promise<void> {
    for (const above of foldersAbove(path)) await this.#makeFolder(above);
  }

  async #makeFolder(path: string): Promise<void> {
    const kind = this.#kinds.get(path);
    if (kind === 'directory') return;
    if (kind !== undefined) throw archiveRefused(path, `it is both a ${kind} and a folder`);
    if (this.#kinds.size >= this.#limits.filesMax) {
      throw tooManyFiles(this.#kinds.size + 1, this.#limits);
    }
    this.#kinds.set(path, 'directory');
    await mkdir(join(this.#folder, path), { mode: 0o755 });
  }

  #takeLink(path: string, target: string): void {
    checkLinkText(path, target, this.#absolute);
    this.#links.set(path, target);
  }

  /** A copy, not a second name: otherwise a build that changes one would change the other. */
  async #copyHardLink(path: string, name: string): Promise<void> {
    const target = archivePath(name);
    if (this.#kinds.get(target) !== 'file' || target === path) {
      throw archiveRefused(path, `it is a hard link to "${name}", which is no file before it`);
    }
    const from = join(this.#folder, target);
    this.#count((await lstat(from)).size);
    await copyFile(from, join(this.#folder, path), constants.COPYFILE_EXCL);
  }

  #count(bytes: number): void {
    this.files += 1;
    this.bytes += bytes;
    if (this.bytes > this.#limits.bytesMax) throw tooManyBytes(this.#limits);
  }

  async #writeFile(path: string, entry: Entry, header: Header): Promise<void> {
    this.#count(header.size);
    const mode = (header.mode & 0o100) === 0 ? 0o644 : 0o755;
    const file = await open(join(this.#folder, path), 'wx', mode);
    try {
      for await (const chunk of entry) await file.writeFile(chunk as Buffer);
      // The umask may have taken bits away.
      await file.chmod(mode);
    } finally {
      await file.close();
    }
  }
}

function tooManyFiles(files: number, limits: ArchiveLimits): MolnError {
  return new MolnError(
    'APPS_ARCHIVE_TOO_LARGE',
    `The folder has more than ${limits.filesMax} files`,
    {
      hint: 'Name what the app does not need in .molnignore',
      details: { files, filesMax: limits.filesMax },
    },
  );
}

function tooManyBytes(limits: ArchiveLimits): MolnError {
  return new MolnError(
    'APPS_ARCHIVE_TOO_LARGE',
    `The folder has more than ${formatBytes(limits.bytesMax)}`,
    {
      hint: 'Name what the app does not need in .molnignore',
      details: { bytesMax: limits.bytesMax },
    },
  );
}

/** Order of the UTF-8 bytes, the same on every machine. */
export function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
