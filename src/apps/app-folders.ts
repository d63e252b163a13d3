/**
 * Where an app's things lie in the data folder, and who owns them:
 *
 *     apps/<app>/                 root 0711 (the agent's user 0700 without root)
 *       data/                     the app's own; survives deploys (MOLN_DATA_DIR)
 *       run/<instance>/           the app's own: home/, tmp/, http.sock
 *       run/<instance>.json       the agent's record of it
 *       logs/<instance>.log       written by the instance
 *       removing                  exists while the app is being removed
 */
import { chownSync, existsSync, lchownSync, readdirSync, rmdirSync, statSync } from 'node:fs';
import { chown, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureFolder, ensureFolderSync, removeTree } from '../base/disk.ts';
import { systemCode } from '../base/errors.ts';
import { sha256Hex } from '../base/ids.ts';
import { SOCKET_PATH_BYTES_MAX } from './run-limits.ts';

/** The folders of one instance. */
export interface InstanceFolders {
  readonly base: string;
  readonly home: string;
  readonly tmp: string;
  /** The folder of the socket: `base`, or a shorter one elsewhere. */
  readonly socketFolder: string;
  readonly socket: string;
  readonly record: string;
  readonly log: string;
}

const SOCKET_NAME = 'http.sock';

export class AppFolders {
  /** `<data>/apps` */
  readonly apps: string;
  readonly #asRoot: boolean;
  readonly #shortBase: string;

  constructor(options: { readonly data: string }) {
    this.apps = join(options.data, 'apps');
    this.#asRoot = process.geteuid?.() === 0;
    const name = `moln-${sha256Hex(options.data).slice(0, 10)}`;
    this.#shortBase = this.#asRoot
      ? join('/run', name)
      : join(tmpdir().length < 40 ? tmpdir() : '/tmp', `${name}-${process.geteuid?.() ?? 0}`);
  }

  app(app: string): string {
    return join(this.apps, app);
  }

  data(app: string): string {
    return join(this.apps, app, 'data');
  }

  run(app: string): string {
    return join(this.apps, app, 'run');
  }

  logs(app: string): string {
    return join(this.apps, app, 'logs');
  }

  /** Exists from the moment that an app's removal is certain until its folder is gone. */
  tombstone(app: string): string {
    return join(this.apps, app, 'removing');
  }

  instance(app: string, instance: string): InstanceFolders {
    const base = join(this.run(app), instance);
    const fits = Buffer.byteLength(join(base, SOCKET_NAME)) <= SOCKET_PATH_BYTES_MAX;
    const socketFolder = fits ? base : join(this.#shortBase, sha256Hex(instance).slice(0, 12));
    return {
      base,
      home: join(base, 'home'),
      tmp: join(base, 'tmp'),
      socketFolder,
      socket: join(socketFolder, SOCKET_NAME),
      record: join(this.run(app), `${instance}.json`),
      log: join(this.logs(app), `${instance}.log`),
    };
  }

  /** Names of the apps that have a folder, wished or not. */
  list(): string[] {
    return existsSync(this.apps) ? readdirSync(this.apps) : [];
  }

  /** Makes what every instance of the app needs. */
  async prepareApp(app: string, uid: number): Promise<void> {
    const mode = this.#asRoot ? 0o711 : 0o700;
    ensureFolderSync(this.apps, mode);
    ensureFolderSync(this.app(app), mode);
    ensureFolderSync(this.run(app), mode);
    await ensureFolder(this.logs(app));
    const data = this.data(app);
    await ensureFolder(data);
    // A node that ran without root before left files of another owner; an app must be able to use its data.
    if (this.#asRoot && statSync(data).uid !== uid) await chownTree(data, uid);
  }

  /** Makes the folders of one instance, owned by the app. */
  prepareInstance(folders: InstanceFolders, uid: number): void {
    if (folders.socketFolder !== folders.base) ensureFolderSync(this.#shortBase, 0o711);
    for (const folder of [folders.base, folders.home, folders.tmp, folders.socketFolder]) {
      ensureFolderSync(folder);
      if (this.#asRoot) chownSync(folder, uid, uid);
    }
  }

  async removeInstance(folders: InstanceFolders): Promise<void> {
    await removeTree(folders.socketFolder);
    if (folders.socketFolder !== folders.base) removeIfEmpty(this.#shortBase);
    await removeTree(folders.base);
    await removeTree(folders.record);
  }
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch (error) {
    if (systemCode(error) !== 'ENOTEMPTY' && systemCode(error) !== 'ENOENT') throw error;
  }
}

async function chownTree(root: string, uid: number): Promise<void> {
  await chown(root, uid, uid);
  for (const entry of await readdir(root, { withFileTypes: true, recursive: true })) {
    lchownSync(join(entry.parentPath, entry.name), uid, uid);
  }
}
