/** What the agent keeps in the system's bucket, over the private socket: `GET /control/objects` (all keys), `GET`, `PUT`, `DELETE /control/objects/KEY`. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { isMolnError } from '../base/errors.ts';
import { sendPieces } from '../http/answer.ts';
import { CONTROL } from './control.ts';
import { noObject, pathUnknown } from './errors.ts';
import { sendJson } from './http-words.ts';
import { LIST_PAGE_MAX } from './limits.ts';
import type { Store } from './store.ts';
import { SYSTEM_BUCKET } from './system-bucket.ts';

const OWNER = 'system';

export class SystemObjects {
  readonly #store: Store;

  /** `store`: not the one that users get. */
  constructor(store: Store) {
    this.#store = store;
  }

  /** Throws what the agent is to be told. */
  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET', url = '' } = request;
    const key = decodeURIComponent(url.slice(CONTROL.objects.length + 1));
    switch (`${method} ${key === '' ? 'all' : 'KEY'}`) {
      case 'GET all':
        return sendJson(response, 200, { keys: await this.#keys() });
      case 'GET KEY':
        return await this.#get(key, response);
      case 'PUT KEY':
        await this.#needBucket();
        await this.#store.put(SYSTEM_BUCKET, key, request, { owner: OWNER });
        return sendJson(response, 200, {});
      case 'DELETE KEY':
        await this.#store.delete(SYSTEM_BUCKET, key);
        return sendJson(response, 200, {});
      default:
        throw pathUnknown(method, url);
    }
  }

  async #keys(): Promise<readonly string[]> {
    const keys: string[] = [];
    if ((await this.#store.bucket(SYSTEM_BUCKET)) === undefined) return keys;
    let after: string | undefined;
    do {
      const page = await this.#store.list(SYSTEM_BUCKET, { after, limit: LIST_PAGE_MAX });
      keys.push(...page.objects.map((object) => object.key));
      after = page.next?.key;
    } while (after !== undefined);
    return keys;
  }

  async #get(key: string, response: ServerResponse): Promise<void> {
    const info = await this.#store.head(SYSTEM_BUCKET, key);
    if (info === undefined) throw noObject(SYSTEM_BUCKET, key);
    response.writeHead(200, { 'content-length': info.size });
    await sendPieces(response, this.#store.read(info));
  }

  async #needBucket(): Promise<void> {
    if ((await this.#store.bucket(SYSTEM_BUCKET)) !== undefined) return;
    try {
      await this.#store.createBucket(SYSTEM_BUCKET, { owner: OWNER });
    } catch (error) {
      // Another node was first.
      if (!isMolnError(error, 'FILES_BUCKET_EXISTS')) throw error;
    }
  }
}
