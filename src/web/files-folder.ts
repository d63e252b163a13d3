/** Files of an app in a folder of this machine: for `moln dev`, tests, and apps that run without Moln. */
import { createReadStream } from 'node:fs';
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { systemCode } from '../base/errors.ts';
import { randomId, sha256Hex } from '../base/ids.ts';
import type { FileKeeper } from './files.ts';

interface Kept {
  readonly key: string;
  readonly type: string;
  /** The file with the bytes: a new one each time, so that what is being read stays whole. */
  readonly bytes: string;
}

export class FolderFiles implements FileKeeper {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async put(key: string, body: AsyncIterable<Uint8Array>, type: string): Promise<number> {
    await mkdir(this.#folder, { recursive: true });
    const kept: Kept = { key, type, bytes: randomId() };
    const path = join(this.#folder, kept.bytes);
    let size = 0;
    try {
      await using file = await open(path, 'wx');
      for await (const piece of body) {
        await file.writeFile(piece);
        size += piece.length;
      }
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    }
    const before = await this.#kept(key);
    const fresh = join(this.#folder, `${kept.bytes}.json`);
    await using record = await open(fresh, 'wx');
    await record.writeFile(JSON.stringify(kept));
    await rename(fresh, this.#record(key));
    if (before !== undefined) await rm(join(this.#folder, before.bytes), { force: true });
    return size;
  }

  async get(key: string): Promise<Response | undefined> {
    const kept = await this.#kept(key);
    if (kept === undefined) return undefined;
    const path = join(this.#folder, kept.bytes);
    const { size } = await stat(path);
    const headers = {
      'content-type': kept.type,
      'content-length': String(size),
      etag: `"${kept.bytes}"`,
    };
    return new Response(Readable.toWeb(createReadStream(path)) as ReadableStream, { headers });
  }

  async delete(key: string): Promise<void> {
    const kept = await this.#kept(key);
    if (kept === undefined) return;
    await rm(this.#record(key), { force: true });
    await rm(join(this.#folder, kept.bytes), { force: true });
  }

  async #kept(key: string): Promise<Kept | undefined> {
    try {
      return JSON.parse(await readFile(this.#record(key), 'utf8')) as Kept;
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  #record(key: string): string {
    return join(this.#folder, `${sha256Hex(key)}.json`);
  }
}
