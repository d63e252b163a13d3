/**
 * Where an app's things lie in the data folder, and who owns them:
 *
 *     apps/<app>/                 root 0711 (the agent's user 0700 without root)
 *       data/                     the app's own; survives deploys (MOLN_DATA_DIR)
 *       run/<instance>/           the agent's; in it home/, tmp/ and socket/ of the app, and
 *       run/<instance>/http.sock  the agent's own name of the socket that the app listens on
 *       run/<instance>.json       the agent's record of it
 *       logs/<instance>.log       written by the instance
 *
 * and, as root, /run/moln-<hash>/folders/<app>/+<place>: the folders of buckets that it asked for, mounted.
 */
import {
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ensureFolder, ensureFolderSync, removeTree, temporaryName } from '../base/disk.ts';
import { systemCode } from '../base/errors.ts';
import { sha256Hex } from '../base/ids.ts';
import { SOCKET_PATH_BYTES_MAX } from './run-limits.ts';
import { giveTree, removeOwnedTree } from './tree-owner.ts';

/** The folders of one instance. */
export interface InstanceFolders {
  readonly base: string;
  readonly home: string;
  readonly tmp: string;
  /** The app's folder for its socket: in `base`, or in a shorter one elsewhere. */
  readonly socketFolder: string;
  /** Where the app is to listen. The app may put anything there: see `linkSocket`. */
  readonly listen: string;
  /** Where it is connected to: a name in a folder of the agent. */
  readonly socket: string;
  readonly record: string;
  readonly log: string;
}

const SOCKET_NAME = 'http.sock';
const SOCKET_FOLDER = 'socket';

export class AppFolders {
  /** `<data>/apps` */
  readonly apps: string;
  /** `<data>/doors`: sockets for all apps, such as that of databases. */
  readonly doors: string;
  readonly #asRoot: boolean;
  readonly #shortBase: string;

  constructor(options: { readonly data: string }) {
    this.apps = join(options.data, 'apps');
    this.doors = join(options.data, 'doors');
    this.#asRoot = process.geteuid?.() === 0;
    const name = `moln-${sha256Hex(options.data).slice(0, 10)}`;
    this.#shortBase = this.#asRoot
      ? join('/run', name)
      : join(tmpdir().length < 40 ? tmpdir() : '/tmp', `${name}-${process.geteuid?.() ?? 0}`);
  }

  /**
   * Where shared folders are mounted: short, of no other folder of Moln, and the same for sandboxes, which know it as
   * `SHARED_FOLDERS` (`sandbox-script.ts`).
   */
  get shared(): string {
    return join(this.#shortBase, 'folders');
  }

  /**
   * `place`: `BUCKET` or `BUCKET/FOLDER`. davfs2 knows a mount by its path with "-" for "/": without a "+" before the place, "admin-photos"
   * of "shop" would be "photos" of "shop-admin".
   */
  sharedFolder(app: string, place: string): string {
    return join(this.shared, app, `+${place.replaceAll('/', '+')}`);
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

  instance(app: string, instance: string): InstanceFolders {
    const base = join(this.run(app), instance);
    const fits = Buffer.byteLength(join(base, SOCKET_FOLDER, SOCKET_NAME)) <= SOCKET_PATH_BYTES_MAX;
    const above = fits ? base : join(this.#shortBase, sha256Hex(instance).slice(0, 12));
    const socketFolder = join(above, SOCKET_FOLDER);
    return {
      base,
      home: join(base, 'home'),
      tmp: join(base, 'tmp'),
      socketFolder,
      listen: join(socketFolder, SOCKET_NAME),
      socket: join(above, SOCKET_NAME),
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
    if (this.#asRoot && statSync(data).uid !== uid) await giveTree(data, uid);
  }

  /**
   * Makes the folders of one instance anew. What lies in them is the app's; they themselves are not, so that it cannot
   * put a link in the place of one.
   */
  async prepareInstance(folders: InstanceFolders, uid: number): Promise<void> {
    await this.#removeScratch(folders);
    const above = dirname(folders.socketFolder);
    const mode = this.#asRoot ? 0o711 : 0o700;
    if (above !== folders.base) ensureFolderSync(this.#shortBase, 0o711);
    for (const folder of [folders.base, above]) ensureFolderSync(folder, mode);
    for (const folder of [folders.home, folders.tmp, folders.socketFolder]) {
      ensureFolderSync(folder);
      if (this.#asRoot) chownSync(folder, uid, uid);
    }
  }

  /**
   * Gives the socket that the app listens on a second name, in a folder of the agent, where the app cannot put anything
   * else in its place: the gateways may be root and would follow a link to whatever socket. False when the app has none.
   * With a `uid`, only a socket of that user counts.
   */
  linkSocket(folders: InstanceFolders, uid: number | undefined): boolean {
    const known = lstatSync(folders.socket, { throwIfNoEntry: false });
    const now = lstatSync(folders.listen, { throwIfNoEntry: false });
    if (now?.isSocket() !== true || now.ino === known?.ino) return known !== undefined;
    const temporary = temporaryName(folders.socket);
    try {
      // A link to whatever lies there by now, even if it is a symbolic one; what it is, is looked at afterwards.
      linkSync(folders.listen, temporary);
      const linked = lstatSync(temporary);
      if (!linked.isSocket() || (uid !== undefined && linked.uid !== uid)) return false;
      renameSync(temporary, folders.socket);
      return true;
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return false;
      throw error;
    } finally {
      rmSync(temporary, { force: true });
    }
  }

  async removeInstance(folders: InstanceFolders): Promise<void> {
    await this.#removeScratch(folders);
    if (dirname(folders.socketFolder) !== folders.base) removeIfEmpty(this.#shortBase);
    await removeTree(folders.record);
  }

  async #removeScratch(folders: InstanceFolders): Promise<void> {
    await removeOwnedTree(dirname(folders.socketFolder));
    await removeOwnedTree(folders.base);
  }
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch (error) {
    if (systemCode(error) !== 'ENOTEMPTY' && systemCode(error) !== 'ENOENT') throw error;
  }
}
