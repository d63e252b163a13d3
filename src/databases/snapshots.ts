/**
 * Snapshots of a database's stripes: in this node's folder, and on one of the other nodes that have a copy, so that a log that was
 * trimmed can be followed by newcomers also when the node that made the snapshot is gone. When both are, they are had from the file store.
 */
import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureFolder, removeTree, renameDurable, temporaryName } from '../base/disk.ts';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { FolderSnapshots, noSnapshot, type SnapshotStore } from '../database/database.ts';
import { SNAPSHOT_PIECE_BYTES } from './limits.ts';
import type { PeerLinks } from './peer-link.ts';
import { FILE_STORE, type SnapshotVault } from './snapshot-vault.ts';

export interface SnapshotsOptions {
  /** Of the database; the folder here. */
  readonly folder: string;
  /** Id of the database. */
  readonly database: string;
  readonly node: string;
  /** Other nodes that have a copy of that stripe. */
  readonly others: (stripe: string) => readonly string[];
  readonly links: PeerLinks;
  readonly vault: SnapshotVault;
  readonly log: Logger;
}

/** A name that another node gives must stay inside the folder. */
const PLAIN = /^[A-Za-z0-9_-]{1,80}$/;

export class Snapshots implements SnapshotStore {
  readonly #options: SnapshotsOptions;
  readonly #own: FolderSnapshots;
  /** Being written by other nodes, by path. */
  readonly #partial = new Map<string, string>();

  constructor(options: SnapshotsOptions) {
    this.#options = options;
    this.#own = new FolderSnapshots(new Map([[options.node, options.folder]]));
  }

  get further(): readonly string[] {
    return this.#options.vault.isThere ? [FILE_STORE] : [];
  }

  /** Here, and on the first other node that takes it. */
  async put(stripe: string, id: string, path: string): Promise<readonly string[]> {
    const here = await this.#own.put(stripe, id, path);
    for (const node of this.#options.others(stripe)) {
      try {
        await this.#send(node, stripe, id, path);
        return [...here, node];
      } catch (error) {
        this.#options.log.warn('A node does not take a snapshot', { node, why: messageOf(error) });
      }
    }
    return here;
  }

  async get(stripe: string, id: string, node: string, to: string): Promise<void> {
    if (node === FILE_STORE) return await this.#options.vault.get(stripe, id, to);
    if (node === this.#options.node) return await this.#own.get(stripe, id, node, to);
    const { links, database } = this.#options;
    const temporary = temporaryName(to);
    const file = await open(temporary, 'wx', 0o600);
    try {
      for (let at = 0; ;) {
        const piece = (await links.call(
          node,
          'readSnapshot',
          database,
          stripe,
          id,
          at,
        )) as Uint8Array;
        if (piece.byteLength === 0) break;
        await file.write(piece, 0, piece.byteLength, at);
        at += piece.byteLength;
      }
      await file.datasync();
    } catch (error) {
      await removeTree(temporary);
      throw error;
    } finally {
      await file.close();
    }
    await renameDurable(temporary, to);
  }

  async keepOnly(stripe: string, ids: readonly string[]): Promise<void> {
    await this.keepOnlyHere(stripe, ids);
    const { links, database, log } = this.#options;
    for (const node of this.#options.others(stripe)) {
      try {
        await links.call(node, 'keepSnapshots', database, stripe, ids);
      } catch (error) {
        // It is told the next time.
        log.debug('A node cannot be told which snapshots to keep', { node, why: messageOf(error) });
      }
    }
  }

  /** For another node, which has entered into the log's record what counts. */
  keepOnlyHere(stripe: string, ids: readonly string[]): Promise<void> {
    if (!PLAIN.test(stripe)) throw new Error('No such snapshot');
    return this.#own.keepOnly(stripe, ids);
  }

  /** For another node: a piece of what is kept here, empty at the end. */
  async read(stripe: string, id: string, at: number): Promise<Uint8Array> {
    const path = await this.pathHere(stripe, id);
    if (path === undefined) throw noSnapshot(this.#options.node, stripe, id);
    const file = await open(path, 'r');
    try {
      const piece = Buffer.alloc(SNAPSHOT_PIECE_BYTES);
      const { bytesRead } = await file.read(piece, 0, piece.length, at);
      return Uint8Array.prototype.slice.call(piece, 0, bytesRead);
    } finally {
      await file.close();
    }
  }

  /** Undefined when it is not here. */
  async pathHere(stripe: string, id: string): Promise<string | undefined> {
    const path = this.#path(stripe, id);
    const found = await stat(path).catch(() => undefined);
    return found === undefined ? undefined : path;
  }

  /** From another node, in order; an empty piece ends it. */
  async write(stripe: string, id: string, at: number, piece: Uint8Array): Promise<void> {
    const path = this.#path(stripe, id);
    await ensureFolder(join(this.#options.folder, stripe));
    const temporary = at === 0 ? temporaryName(path) : this.#partial.get(path);
    if (temporary === undefined) throw new Error('The beginning of this snapshot is not here');
    this.#partial.set(path, temporary);
    const file = await open(temporary, at === 0 ? 'wx' : 'r+', 0o600);
    try {
      await file.write(piece, 0, piece.byteLength, at);
      if (piece.byteLength === 0) await file.datasync();
    } finally {
      await file.close();
    }
    if (piece.byteLength > 0) return;
    this.#partial.delete(path);
    await renameDurable(temporary, path);
  }

  async #send(node: string, stripe: string, id: string, path: string): Promise<void> {
    const { links, database } = this.#options;
    const file = await open(path, 'r');
    try {
      const buffer = Buffer.alloc(SNAPSHOT_PIECE_BYTES);
      for (let at = 0; ;) {
        const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
        await links.call(
          node,
          'writeSnapshot',
          database,
          stripe,
          id,
          at,
          Uint8Array.prototype.slice.call(buffer, 0, bytesRead),
        );
        if (bytesRead === 0) return;
        at += bytesRead;
      }
    } finally {
      await file.close();
    }
  }

  #path(stripe: string, id: string): string {
    if (!PLAIN.test(stripe) || !PLAIN.test(id)) throw new Error('No such snapshot');
    return join(this.#options.folder, stripe, `${id}.sqlite`);
  }
}
