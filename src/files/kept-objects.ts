/** The agent's way to the system's bucket: the objects of `system-objects.ts`, over the private socket of the node's file process. */
import { type ClientRequest, type IncomingMessage, request as httpRequest } from 'node:http';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { type ErrorBody, isMolnError, messageOf, MolnError } from '../base/errors.ts';
import { CONTROL } from './control.ts';
import { filesAway } from './errors.ts';
import { OBJECT_SILENT_MS } from './limits.ts';

export interface KeptObjectsOptions {
  /** The private one of the file process. */
  readonly socket: string;
  /** Whether the file store was made, be it reached or not. */
  readonly isThere: () => boolean;
}

export class KeptObjects {
  readonly #options: KeptObjectsOptions;

  constructor(options: KeptObjectsOptions) {
    this.#options = options;
  }

  /** As far as this node has heard. */
  isThere(): boolean {
    return this.#options.isThere();
  }

  /** All keys. Throws `FILES_AWAY`, here and below, while the process does not answer, and what the store refuses. */
  async keys(): Promise<readonly string[]> {
    const answer = await this.#answer('GET', '');
    return (JSON.parse(await text(answer)) as { readonly keys: readonly string[] }).keys;
  }

  /** Durable as the bucket's policy says once it resolves. Ends the body, also when it fails. */
  async put(key: string, body: Readable): Promise<void> {
    (await this.#answer('PUT', key, body)).resume();
  }

  /** Throws `FILES_NO_OBJECT`. The stream breaks off when the bytes are not to be had, or not those that were put. */
  async get(key: string): Promise<Readable> {
    return await this.#answer('GET', key);
  }

  /** Absent is fine. */
  async remove(key: string): Promise<void> {
    (await this.#answer('DELETE', key)).resume();
  }

  async #answer(method: string, key: string, body?: Readable): Promise<IncomingMessage> {
    const path = key === '' ? CONTROL.objects : `${CONTROL.objects}/${encodeURIComponent(key)}`;
    const asked = httpRequest({
      socketPath: this.#options.socket,
      method,
      path,
      agent: false,
    });
    const late = filesAway(`it said nothing for ${OBJECT_SILENT_MS} ms`);
    asked.setTimeout(OBJECT_SILENT_MS, () => asked.destroy(late));
    const answered = answerOf(asked);
    if (body === undefined) asked.end();
    else body.once('error', (error) => asked.destroy(error)).pipe(asked);
    try {
      const answer = await answered;
      if (answer.statusCode === 200) return answer;
      const { error } = JSON.parse(await text(answer)) as { readonly error?: ErrorBody };
      // A body that is refused is not sent to its end.
      asked.destroy();
      throw error === undefined ? filesAway(`status ${answer.statusCode}`) : MolnError.from(error);
    } finally {
      body?.destroy();
    }
  }
}

function answerOf(asked: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    asked.once('response', resolve);
    asked.on('error', (error) => reject(isMolnError(error) ? error : filesAway(messageOf(error))));
  });
}
