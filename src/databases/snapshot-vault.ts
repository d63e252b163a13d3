/**
 * Snapshots of one database in the file store, beside those on nodes: `DATABASE/STRIPE/FILE`, and what describes them. Here they are only put, had back and
 * removed; whether what comes is what was put is checked by whoever asks, against the log's record.
 */
import { createReadStream, createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { diskError, removeTree, renameDurable, temporaryName } from '../base/disk.ts';
import { isMolnError, messageOf } from '../base/errors.ts';
import { noSnapshot } from '../database/database.ts';
import { type ObjectPlace, ObjectSocket } from '../net/net.ts';
import { descriptionKey } from './description.ts';
import { vaultAway } from './errors.ts';
import { VAULT_SILENT_MS } from './limits.ts';

/** As if it were a node, for people. */
export const FILE_STORE = 'the file store';

export interface SnapshotVaultOptions {
  /** Its id. */
  readonly database: string;
  /** Undefined while there is no file store, and for a database whose snapshots do not belong there. */
  readonly place: () => ObjectPlace | undefined;
}

export class SnapshotVault {
  readonly #options: SnapshotVaultOptions;
  readonly #objects: ObjectSocket;

  constructor(options: SnapshotVaultOptions) {
    this.#options = options;
    const { place } = options;
    this.#objects = new ObjectSocket({ place, away: vaultAway, silentMs: VAULT_SILENT_MS });
  }

  /** Its id. */
  get database(): string {
    return this.#options.database;
  }

  /** It was made, be it reached or not. */
  get isThere(): boolean {
    return this.#options.place() !== undefined;
  }

  /** Ids of what is there of a stripe. Throws `DATABASES_VAULT_AWAY`, here and below, and what the store refuses. */
  async list(stripe: string): Promise<readonly string[]> {
    const folder = this.#keyOf(stripe, '');
    const { keys } = await this.#objects.list(folder);
    return keys.map((key) => key.slice(folder.length));
  }

  /** Durable once it resolves. `bytes`: of the file; another number is refused. */
  async put(
    stripe: string,
    id: string,
    file: { readonly path: string; readonly bytes: number },
    signal: AbortSignal,
  ): Promise<void> {
    const body = createReadStream(file.path, { signal });
    await this.#objects.put(this.#keyOf(stripe, id), body, file.bytes);
  }

  /** To a new file. Throws `DATABASE_NO_SNAPSHOT`. */
  async get(stripe: string, id: string, to: string): Promise<void> {
    const temporary = temporaryName(to);
    try {
      const body = await this.#objects.get(this.#keyOf(stripe, id));
      await pipeline(body, createWriteStream(temporary, { flags: 'wx', mode: 0o600, flush: true }));
      await renameDurable(temporary, to);
    } catch (error) {
      await removeTree(temporary);
      if (isMolnError(error, 'FILES_NO_OBJECT')) throw noSnapshot(FILE_STORE, stripe, id);
      const told = diskError(error, to);
      throw isMolnError(told) ? told : vaultAway(messageOf(told));
    }
  }

  async remove(stripe: string, id: string): Promise<void> {
    await this.#objects.remove(this.#keyOf(stripe, id));
  }

  /** In place of what was told of it before; see `descriptionKey`. */
  async describe(what: string, told: string): Promise<void> {
    const key = descriptionKey(this.#options.database, what);
    const bytes = Buffer.from(told);
    await this.#objects.put(key, Readable.from([bytes], { objectMode: false }), bytes.length);
  }

  /** Undefined: nothing was told of it. */
  async description(what: string): Promise<string | undefined> {
    return await described(this.#objects, this.#options.database, what);
  }

  #keyOf(stripe: string, id: string): string {
    return `${this.#options.database}/${stripe}/${id}`;
  }
}

/** See `SnapshotVault.description`; for who looks at those of several databases. */
export async function described(
  objects: Pick<ObjectSocket, 'get'>,
  database: string,
  what: string,
): Promise<string | undefined> {
  try {
    return await text(await objects.get(descriptionKey(database, what)));
  } catch (error) {
    if (isMolnError(error, 'FILES_NO_OBJECT')) return undefined;
    throw error;
  }
}
