/**
 * Objects by key behind a unix socket of this machine, over HTTP: `GET PATH?prefix=` answers `{ keys, folders }`, `GET`, `PUT` and `DELETE PATH/KEY` are
 * about one. Bodies stream, in constant memory.
 */
import { type ClientRequest, type IncomingMessage, request as httpRequest } from 'node:http';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { type ErrorBody, isMolnError, messageOf, MolnError } from '../base/errors.ts';

/** Where they are asked for. */
export interface ObjectPlace {
  readonly socket: string;
  readonly path: string;
}

export interface ObjectSocketOptions {
  /** Undefined while there is none. */
  readonly place: () => ObjectPlace | undefined;
  /** Nobody answers there. */
  readonly away: (why: string) => MolnError;
  /** It is given up after so long without a byte either way. */
  readonly silentMs: number;
}

export interface ObjectList {
  readonly keys: readonly string[];
  /** With `isFlat`: beginnings of keys up to and including the next `/`. */
  readonly folders: readonly string[];
}

export class ObjectSocket {
  readonly #options: ObjectSocketOptions;

  constructor(options: ObjectSocketOptions) {
    this.#options = options;
  }

  /** All that begin so; with `isFlat` those without a further `/`. Throws what `away` makes, here and below, and what the other side refuses. */
  async list(prefix = '', isFlat = false): Promise<ObjectList> {
    const query = new URLSearchParams({ prefix, ...(isFlat ? { flat: '' } : {}) });
    const answer = await this.#answer('GET', `?${query.toString()}`);
    return JSON.parse(await text(answer)) as ObjectList;
  }

  /** Durable once it resolves. Ends the body, also when it fails. `size`: its bytes, where known: a body of another size is refused. */
  async put(key: string, body: Readable, size?: number): Promise<void> {
    (await this.#answer('PUT', pathOf(key), { stream: body, size })).resume();
  }

  /** The stream breaks off when the bytes are not to be had, or not those that were put. */
  async get(key: string): Promise<Readable> {
    return await this.#answer('GET', pathOf(key));
  }

  /** Absent is fine. */
  async remove(key: string): Promise<void> {
    (await this.#answer('DELETE', pathOf(key))).resume();
  }

  async #answer(
    method: string,
    what: string,
    body?: { readonly stream: Readable; readonly size: number | undefined },
  ): Promise<IncomingMessage> {
    const { place, away, silentMs } = this.#options;
    try {
      const at = place();
      if (at === undefined) throw away('there is none');
      const asked = httpRequest({
        socketPath: at.socket,
        method,
        path: `${at.path}${what}`,
        agent: false,
        ...(body?.size === undefined ? {} : { headers: { 'content-length': body.size } }),
      });
      const late = away(`it said nothing for ${silentMs} ms`);
      asked.setTimeout(silentMs, () => asked.destroy(late));
      const answered = this.#answerOf(asked);
      if (body === undefined) asked.end();
      else body.stream.once('error', (error) => asked.destroy(error)).pipe(asked);
      const answer = await answered;
      if (answer.statusCode === 200) return answer;
      const { error } = JSON.parse(await text(answer)) as { readonly error?: ErrorBody };
      // A body that is refused is not sent to its end.
      asked.destroy();
      throw error === undefined ? away(`status ${answer.statusCode}`) : MolnError.from(error);
    } finally {
      body?.stream.destroy();
    }
  }

  #answerOf(asked: ClientRequest): Promise<IncomingMessage> {
    const { away } = this.#options;
    return new Promise((resolve, reject) => {
      asked.once('response', resolve);
      asked.on('error', (error) => reject(isMolnError(error) ? error : away(messageOf(error))));
    });
  }
}

function pathOf(key: string): string {
  return `/${encodeURIComponent(key)}`;
}
