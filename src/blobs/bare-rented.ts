/**
 * A rented storage for the day on which nothing else is left, as `bare-disk.ts` for a folder: the blobs of whatever node it belonged to, opened with
 * the key of its cluster. Nothing in it is changed; what does not open is as if it was not there.
 */
import { isMolnError, messageOf } from '../base/errors.ts';
import { away } from './errors.ts';
import { BLOCK_BYTES } from './limits.ts';
import type { BlobId, BlobStat } from './model.ts';
import { checkRented } from './rented-address.ts';
import { type RentedMeans, reach } from './rented-connection.ts';
import type { RentedFolder } from './rented-folder.ts';
import { PREFIX_DIGITS, wholeOf } from './rented-identity.ts';
import {
  parseName,
  printName,
  Seal,
  sealedBytes,
  type SealedMeta,
  type SealedName,
  SEALED_BLOCK_BYTES,
} from './sealed-file.ts';

export interface BareRentedOptions extends RentedMeans {
  readonly url: string;
  /** Of this storage. */
  readonly key: Uint8Array;
}

export class BareRented implements Disposable {
  readonly path: string;
  readonly #folder: string;
  readonly #session: RentedFolder;
  readonly #key: Uint8Array;
  readonly #known = new Map<string, Promise<ReadonlyMap<BlobId, SealedName>>>();

  private constructor({ url, key }: BareRentedOptions, session: RentedFolder) {
    this.path = url;
    this.#folder = checkRented(url).folder;
    this.#session = session;
    this.#key = key;
  }

  /** Throws `BLOBS_INVALID`, and `BLOBS_AWAY` when it cannot be reached or is no storage. */
  static async open(options: BareRentedOptions): Promise<BareRented> {
    const { url } = options;
    const address = checkRented(url);
    const session = reach(address, options);
    try {
      await session.greeted();
      if ((await session.size(`${address.folder}/NODE`)) === undefined)
        throw new Error('it has no file "NODE", so it is no storage of Moln');
    } catch (error) {
      session[Symbol.dispose]();
      throw away(url, messageOf(error));
    }
    return new BareRented(options, session);
  }

  /** Those that begin with two hex digits, in no order. */
  async ids(prefix: string): Promise<readonly BlobId[]> {
    return [...(await this.#names(prefix)).keys()];
  }

  /** Undefined when it is not here, or its end is damaged. The payload is not looked at. */
  async stat(id: BlobId): Promise<BlobStat | undefined> {
    const name = (await this.#names(id.slice(0, PREFIX_DIGITS))).get(id);
    if (name === undefined) return undefined;
    const found = await this.#metaOf(name);
    return found && { length: found.length, sha256: found.sha256, meta: found.meta, sealed: true };
  }

  /** All of it; undefined when it is not here or damaged. */
  async read(id: BlobId): Promise<Buffer | undefined> {
    const name = (await this.#names(id.slice(0, PREFIX_DIGITS))).get(id);
    if (name === undefined) return undefined;
    const bytes = await this.#asked(
      wholeOf(this.#session, this.#pathOf(name), sealedBytes(name.length)),
    );
    const seal = new Seal(this.#key, name);
    return ifGood(() => {
      const blocks = Array.from({ length: Math.ceil(name.length / BLOCK_BYTES) }, (_, at) =>
        seal.open(at, bytes.subarray(at * SEALED_BLOCK_BYTES, (at + 1) * SEALED_BLOCK_BYTES)),
      );
      return Buffer.concat(blocks);
    });
  }

  [Symbol.dispose](): void {
    this.#session[Symbol.dispose]();
  }

  async #metaOf(name: SealedName): Promise<SealedMeta | undefined> {
    const [start, path] = [sealedBytes(name.length), this.#pathOf(name)];
    const end = start + SEALED_BLOCK_BYTES;
    const tail = await this.#asked(wholeOf(this.#session, path, end, start));
    const found = ifGood(() => new Seal(this.#key, name).openMeta(tail));
    return found?.length === name.length ? found : undefined;
  }

  /** Of two files of one blob the newer one. */
  async #names(prefix: string): Promise<ReadonlyMap<BlobId, SealedName>> {
    const listed = this.#known.get(prefix) ?? this.#list(prefix);
    this.#known.set(prefix, listed);
    return await listed;
  }

  async #list(prefix: string): Promise<ReadonlyMap<BlobId, SealedName>> {
    const found = new Map<BlobId, SealedName>();
    for (const { name } of await this.#asked(this.#session.list(`${this.#folder}/d/${prefix}`))) {
      const one = parseName(name);
      if (one === undefined || !one.id.startsWith(prefix)) continue;
      const other = found.get(one.id);
      if (other === undefined || other.allocSeq <= one.allocSeq) found.set(one.id, one);
    }
    return found;
  }

  #pathOf(name: SealedName): string {
    return `${this.#folder}/d/${name.id.slice(0, PREFIX_DIGITS)}/${printName(name)}`;
  }

  async #asked<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      throw away(this.path, messageOf(error));
    }
  }
}

function ifGood<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (isMolnError(error, 'BLOBS_CORRUPT')) return undefined;
    throw error;
  }
}
