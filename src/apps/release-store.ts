/**
 * Releases on this node's disk, below `<data>/apps/<app>/`:
 *
 *     incoming/<release>.tmp-…/tree      unpacked and built here; a crash leaves only such names
 *     releases/<release>/release.json    what it is and how it runs
 *     releases/<release>/tree/           the folder that instances run in, read-only
 *
 * A release appears by one rename and never changes after it. Its id is the hash of the *source*: the same source is
 * the same release and is built once.
 */
import { statSync } from 'node:fs';
import { chmod, readdir, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import {
  diskError,
  diskSpace,
  ensureFolder,
  isTemporary,
  readTextIfAny,
  renameDurable,
  requireSpace,
  syncFolder,
  temporaryName,
  writeFileAtomic,
} from '../base/disk.ts';
import { isMolnError, MolnError, systemCode } from '../base/errors.ts';
import { type ArchiveLimits, BUILT_ARCHIVE_LIMITS, unpackArchive } from './archive.ts';
import type { LaunchPlan, Release } from './model.ts';
import { syncTree } from './tree-sync.ts';
import { grantTree, removeOwnedTree } from './tree-owner.ts';
import { BUILT_LIMITS, hashTree, listTree, verifyTree } from './tree.ts';

/** An app's source on its way to become a release. Dispose removes it, unless it was sealed. */
export interface StagedTree extends AsyncDisposable {
  readonly app: string;
  /** The release's id, if it is sealed. */
  readonly id: string;
  /** Absolute path of the unpacked folder; the build works here. */
  readonly path: string;
  /** Where that folder will be once it is sealed. */
  readonly finalPath: string;
  readonly treeHash: string;
  readonly files: number;
  readonly bytes: number;
}

export interface SealOptions {
  readonly plan: LaunchPlan;
  /** Epoch milliseconds. */
  readonly createdAt: number;
  /** Unix group that may read it; without one only the agent's user may. Needs root. */
  readonly gid?: number;
  /** Of a copy: nothing else is sealed. Throws `APPS_COPY_DIFFERS`. */
  readonly sealedHash?: string;
}

/** `release.json`. */
interface StoredRelease {
  readonly format: 1;
  readonly release: Release;
  /** Hash of the tree as it was sealed, build results included. */
  readonly sealedHash: string;
}

/** What was read, and of which file. */
interface KnownRelease {
  readonly ino: number;
  readonly mtimeMs: number;
  readonly stored: StoredRelease;
}

export class ReleaseStore {
  readonly #appsFolder: string;
  readonly #cacheFolder: string;
  /** By path. */
  readonly #known = new Map<string, KnownRelease>();

  constructor(options: { readonly dataFolder: string }) {
    this.#appsFolder = join(options.dataFolder, 'apps');
    this.#cacheFolder = join(options.dataFolder, 'cache');
  }

  /** Removes what a crash left behind. */
  async start(): Promise<void> {
    await ensureFolder(this.#appsFolder, 0o711);
    for (const app of await namesIn(this.#appsFolder)) {
      for (const part of ['incoming', 'releases']) {
        const folder = join(this.#appsFolder, app, part);
        for (const name of await namesIn(folder)) {
          if (isTemporary(name)) await removeOwnedTree(join(folder, name));
        }
      }
    }
  }

  /** Unpacks and hashes. Throws what `unpackArchive` throws, and then nothing is left of it. */
  async receive(
    app: string,
    tar: Readable,
    signal?: AbortSignal,
    limits?: ArchiveLimits,
  ): Promise<StagedTree> {
    const incoming = join(this.#appsFolder, app, 'incoming');
    await ensureFolder(this.#appsFolder, 0o711);
    await ensureFolder(dirname(incoming), 0o711);
    await ensureFolder(incoming, 0o711);
    requireSpace(this.#appsFolder, freeBytesLeast(this.#appsFolder));
    const staging = temporaryName(join(incoming, 'release'));
    const path = join(staging, 'tree');
    try {
      await ensureFolder(path, 0o755);
      const { files } = await unpackArchive(tar, path, limits, signal);
      if (files === 0 && (await namesIn(path)).length === 0) throw emptyArchive();
      const summary = await hashTree(path);
      signal?.throwIfAborted();
      const id = summary.hash.slice(0, 12);
      return {
        app,
        id,
        path,
        finalPath: join(this.#releaseFolder(app, id), 'tree'),
        treeHash: summary.hash,
        files: summary.files,
        bytes: summary.bytes,
        [Symbol.asyncDispose]: () => removeOwnedTree(staging),
      };
    } catch (error) {
      await removeOwnedTree(staging);
      throw this.#outward(error);
    }
  }

  /**
   * Takes over a release that another node has sealed: unpacked as strictly as any archive, and only if it is to the byte
   * what the registry says.
   */
  async takeOver(
    app: string,
    release: Release,
    tar: Readable,
    given: { readonly gid?: number; readonly signal?: AbortSignal } = {},
  ): Promise<Release> {
    await using staged = await this.receive(app, tar, given.signal, BUILT_ARCHIVE_LIMITS);
    const copy: StagedTree = {
      ...staged,
      id: release.id,
      treeHash: release.treeHash,
      files: release.files,
      bytes: release.bytes,
    };
    return await this.seal(copy, {
      plan: release.plan,
      createdAt: release.createdAt,
      sealedHash: release.sealedHash,
      ...(given.gid === undefined ? {} : { gid: given.gid }),
    });
  }

  /**
   * Makes the built tree read-only and durable, and the release visible, in this order. A release that is already
   * there wins: the staged one is dropped.
   */
  async seal(staged: StagedTree, options: SealOptions): Promise<Release> {
    const existing = await this.find(staged.app, staged.id);
    if (existing !== undefined) return existing;
    const staging = dirname(staged.path);
    // Read only when nobody else can write it any more.
    await listTree(staged.path, BUILT_LIMITS);
    await grantTree(staged.path, options.gid);
    const sealed = await hashTree(staged.path, BUILT_LIMITS);
    if (options.sealedHash !== undefined && options.sealedHash !== sealed.hash) {
      throw copyDiffers(staged.app, staged.id);
    }
    await syncTree(staged.path);
    const release: Release = {
      format: 1,
      id: staged.id,
      treeHash: staged.treeHash,
      sealedHash: sealed.hash,
      files: staged.files,
      bytes: staged.bytes,
      createdAt: options.createdAt,
      plan: options.plan,
    };
    const stored: StoredRelease = { format: 1, release, sealedHash: sealed.hash };
    await writeFileAtomic(join(staging, 'release.json'), `${JSON.stringify(stored, null, 2)}\n`);
    await chmod(staging, 0o711);
    const target = this.#releaseFolder(staged.app, staged.id);
    await ensureFolder(dirname(target), 0o711);
    await syncFolder(dirname(dirname(target)));
    try {
      await renameDurable(staging, target);
    } catch (error) {
      // The same source was sealed meanwhile by another deploy.
      const winner = await this.find(staged.app, staged.id);
      if (winner !== undefined) return winner;
      throw error;
    }
    return release;
  }

  /** The release, or undefined when this node does not have it. */
  async find(app: string, id: string): Promise<Release | undefined> {
    return (await this.#stored(app, id))?.release;
  }

  /** Absolute path of the release's folder; throws `APPS_RELEASE_MISSING`. */
  async open(app: string, id: string): Promise<string> {
    if ((await this.find(app, id)) === undefined) {
      throw new MolnError(
        'APPS_RELEASE_MISSING',
        `Release "${id}" of "${app}" is not on this node`,
        {
          hint: 'Deploy it again',
        },
      );
    }
    return join(this.#releaseFolder(app, id), 'tree');
  }

  /** The folder that a release has, or would have, on this node. */
  pathOf(app: string, id: string): string {
    return join(this.#releaseFolder(app, id), 'tree');
  }

  /** Oldest first. */
  async list(app: string): Promise<readonly Release[]> {
    const releases: Release[] = [];
    for (const id of await namesIn(join(this.#appsFolder, app, 'releases'))) {
      const release = RELEASE_ID.test(id) ? await this.find(app, id) : undefined;
      if (release !== undefined) releases.push(release);
    }
    return releases.toSorted((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1));
  }

  /** Reads everything again; throws `APPS_TREE_CHANGED` when a byte differs from what was sealed. */
  async verify(app: string, id: string): Promise<void> {
    const path = await this.open(app, id);
    await verifyTree(path, (await this.#stored(app, id))?.sealedHash ?? '');
  }

  /** Absent is fine. First out of sight, then off the disk: a crash between leaves a temporary. */
  async remove(app: string, id: string): Promise<void> {
    const folder = this.#releaseFolder(app, id);
    const gone = temporaryName(folder);
    this.#known.delete(join(folder, 'release.json'));
    try {
      await rename(folder, gone);
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return;
      throw error;
    }
    await removeOwnedTree(gone);
  }

  /** Removes all releases but those named; returns the ids that are gone. */
  async prune(app: string, keep: Iterable<string>): Promise<readonly string[]> {
    const kept = new Set(keep);
    const gone = (await this.list(app)).map(({ id }) => id).filter((id) => !kept.has(id));
    for (const id of gone) await this.remove(app, id);
    return gone;
  }

  /** Removes every release of the app, and what is on its way. */
  async removeApp(app: string): Promise<void> {
    const releases = join(this.#appsFolder, app, 'releases');
    for (const path of this.#known.keys()) {
      if (path.startsWith(`${releases}/`)) this.#known.delete(path);
    }
    await removeOwnedTree(join(this.#appsFolder, app, 'incoming'));
    await removeOwnedTree(releases);
    // The next app of this name has another uid, and is not to build from what this one kept.
    for (const tool of CACHES) await removeOwnedTree(join(this.#cacheFolder, tool, app));
  }

  /** The folder of an archive on its way means nothing to people. */
  #outward(error: unknown): unknown {
    const cause = isMolnError(error) ? (error as MolnError).cause : error;
    return systemCode(cause) === undefined ? error : diskError(cause, this.#appsFolder);
  }

  #releaseFolder(app: string, id: string): string {
    if (!RELEASE_ID.test(id)) {
      throw new MolnError('APPS_RELEASE_MISSING', `"${id}" is not the id of a release`, {
        hint: `Run "moln app ${app} releases" to see them`,
      });
    }
    return join(this.#appsFolder, app, 'releases', id);
  }

  async #stored(app: string, id: string): Promise<StoredRelease | undefined> {
    const path = join(this.#releaseFolder(app, id), 'release.json');
    // Asked for every app at every look: what was read stands as long as it is the same file.
    const stats = statSync(path, { throwIfNoEntry: false });
    const known = this.#known.get(path);
    if (known !== undefined && stats?.ino === known.ino && stats.mtimeMs === known.mtimeMs) {
      return known.stored;
    }
    this.#known.delete(path);
    const text = stats === undefined ? undefined : await readTextIfAny(path);
    if (stats === undefined || text === undefined) return undefined;
    const stored = JSON.parse(text) as { readonly format: number };
    if (stored.format !== 1) {
      const message = `Release "${id}" of "${app}" was written by a newer Moln`;
      throw new MolnError('APPS_RELEASE_NEWER', message, {
        hint: 'Update Moln on this node, or deploy the app again under a new name',
      });
    }
    const { ino, mtimeMs } = stats;
    this.#known.set(path, { ino, mtimeMs, stored: stored as StoredRelease });
    return stored as StoredRelease;
  }
}

/** Kept free for what runs: deploys do not begin, and builds end, where less is left. */
const FREE_BYTES_LEAST: number = 256 * 1024 ** 2;
/** Of small disks this part. */
const FREE_PART_LEAST = 0.05;

/** Bytes that are to stay free on the disk of `path`. */
export function freeBytesLeast(path: string): number {
  return Math.min(FREE_BYTES_LEAST, Math.floor(diskSpace(path).sizeBytes * FREE_PART_LEAST));
}

function copyDiffers(app: string, id: string): MolnError {
  return new MolnError(
    'APPS_COPY_DIFFERS',
    `What was received of release "${id}" of "${app}" is not what was sealed`,
    { hint: 'Another node is asked; if all fail, deploy the app again', retryable: true },
  );
}

/** Below `<data>/cache`, one folder an app in each: see `build.ts`. */
const CACHES = ['npm', 'pip'];

const RELEASE_ID = /^[0-9a-f]{12}$/;

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return [];
    throw error;
  }
}

function emptyArchive(): MolnError {
  return new MolnError('APPS_NOTHING_TO_DEPLOY', 'The folder is empty', {
    hint: 'Put an index.html, a package.json, an app.py or an index.php into it',
  });
}
