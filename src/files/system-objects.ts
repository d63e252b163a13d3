/**
 * What other processes of this node keep in a bucket of the system, over the private socket, as `ObjectSocket` of net asks for it: below
 * `/control/objects/releases` and `/control/objects/snapshots`.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { isMolnError } from '../base/errors.ts';
import { sendPieces } from '../http/answer.ts';
import type { ObjectList } from '../net/net.ts';
import { CONTROL } from './control.ts';
import { noObject, pathUnknown } from './errors.ts';
import { sendJson } from './http-words.ts';
import { LIST_PAGE_MAX } from './limits.ts';
import type { Store } from './store.ts';
import { isSystemBucket } from './system-bucket.ts';

const OWNER = 'system';

interface Named {
  readonly bucket: string;
  readonly key: string;
}

export class SystemObjects {
  readonly #store: Store;

  /** `store`: not the one that users get. */
  constructor(store: Store) {
    this.#store = store;
  }

  /** Throws what whoever asks is to be told. */
  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET', url = '' } = request;
    const { pathname, searchParams } = new URL(url, 'http://localhost');
    const [name = '', key] = pathname.slice(CONTROL.objects.length + 1).split('/');
    const bucket = `moln:${name}`;
    if (!isSystemBucket(bucket)) throw pathUnknown(method, url);
    if (method === 'GET' && key === undefined)
      return sendJson(response, 200, await this.#list(bucket, searchParams));
    if (key === undefined || key === '') throw pathUnknown(method, url);
    const own: Named = { bucket, key: decodeURIComponent(key) };
    switch (method) {
      case 'GET':
        return await this.#get(own, response);
      case 'PUT':
        return await this.#put(own, request, response);
      case 'DELETE':
        await this.#store.delete(own.bucket, own.key);
        return sendJson(response, 200, {});
      default:
        throw pathUnknown(method, url);
    }
  }

  async #list(bucket: string, query: URLSearchParams): Promise<ObjectList> {
    const keys: string[] = [];
    const folders: string[] = [];
    if ((await this.#store.bucket(bucket)) === undefined) return { keys, folders };
    const prefix = query.get('prefix') ?? '';
    const delimiter = query.has('flat') ? '/' : undefined;
    let after: string | undefined;
    do {
      const page = await this.#store.list(bucket, {
        prefix,
        delimiter,
        after,
        limit: LIST_PAGE_MAX,
      });
      keys.push(...page.objects.map((object) => object.key));
      folders.push(...page.prefixes);
      after = page.next?.key;
    } while (after !== undefined);
    return { keys, folders };
  }

  async #get({ bucket, key }: Named, response: ServerResponse): Promise<void> {
    const info = await this.#store.head(bucket, key);
    if (info === undefined) throw noObject(bucket, key);
    response.writeHead(200, { 'content-length': info.size });
    await sendPieces(response, this.#store.read(info));
  }

  async #put(
    { bucket, key }: Named,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    await this.#needBucket(bucket);
    const length = request.headers['content-length'];
    const size = length === undefined ? undefined : Number(length);
    await this.#store.put(bucket, key, request, { owner: OWNER, size });
    sendJson(response, 200, {});
  }

  async #needBucket(bucket: string): Promise<void> {
    if ((await this.#store.bucket(bucket)) !== undefined) return;
    try {
      await this.#store.createBucket(bucket, { owner: OWNER });
    } catch (error) {
      // Another node was first.
      if (!isMolnError(error, 'FILES_BUCKET_EXISTS')) throw error;
    }
  }
}
