/**
 * A bucket of somebody else's S3 as a folder, signed with `AWS Signature Version 4`, addressed by path. A file is one object and comes with one
 * PUT, so it is never there in part. https://docs.aws.amazon.com/AmazonS3/latest/API/
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { Agent, type IncomingMessage, request as plainRequest } from 'node:http';
import { Agent as TlsAgent, request as tlsRequest } from 'node:https';
import {
  ALGORITHM,
  basicTime,
  canonicalRequest,
  scopeText,
  sign,
  signingKey,
  stringToSign,
} from '../base/aws-signature.ts';
import { messageOf } from '../base/errors.ts';
import type { Clock } from '../base/time.ts';
import { encodeUri } from '../base/uri.ts';
import { childNamed, childrenNamed, parseXml, textOf, type XmlElement } from '../xml/xml.ts';
import { invalid } from './errors.ts';
import { RENTED_PUT_BYTES_MAX, RENTED_PUTS } from './limits.ts';
import type { RentedAddress } from './rented-address.ts';
import { FolderRefused, type RentedFolder } from './rented-folder.ts';
import { readS3Keys, type S3Keys } from './s3-keys.ts';

export interface S3FolderOptions {
  readonly address: RentedAddress;
  /** Where its keys are. */
  readonly keysFile: string;
  /** An answer that does not come for so long ends the session. */
  readonly answerMs: number;
  /** Requests under way. */
  readonly atOnce: number;
  readonly clock: Clock;
}

interface Ask {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly query?: readonly (readonly [string, string])[];
  readonly headers?: Readonly<Record<string, string>>;
  /** In pieces. */
  readonly body?: readonly Uint8Array[];
}

/** Nobody says how much fits; what may be used is the owner's limit. */
const ROOM_BYTES: number = 2 ** 50;
const ANSWER_BYTES_MAX: number = 4 * 1024 * 1024;
const TRIES = 4;
const AGAIN_MS = 200;
const NOT_FOUND = 404;
const BEHIND_END = 416;
const TOO_MANY = 429;

export class S3Folder implements RentedFolder {
  readonly #options: S3FolderOptions;
  readonly #agent: Agent;
  readonly #stop = new AbortController();
  #keys: S3Keys | undefined;
  #puts = 0;
  readonly #queue: (() => void)[] = [];
  isOver = false;

  constructor(options: S3FolderOptions) {
    this.#options = options;
    const kept = { keepAlive: true, maxSockets: options.atOnce };
    this.#agent = options.address.scheme === 's3' ? new TlsAgent(kept) : new Agent(kept);
  }

  async greeted(): Promise<void> {
    const { user, folder } = this.#options.address;
    this.#keys = await readS3Keys(this.#options.keysFile, user);
    // A HEAD that is refused would not say why.
    await this.#page(folder, undefined, 1);
  }

  /** There are none. */
  async makeFolder(): Promise<void> {}

  async size(path: string): Promise<number | undefined> {
    const { answer } = await this.#whole({ method: 'HEAD', path }, NOT_FOUND);
    return answer.statusCode === NOT_FOUND
      ? undefined
      : Number(answer.headers['content-length'] ?? 0);
  }

  async list(
    folder: string,
  ): Promise<readonly { readonly name: string; readonly bytes: number }[]> {
    const found: { name: string; bytes: number }[] = [];
    let after: string | undefined;
    do {
      const { page, prefix } = await this.#page(folder, after);
      const nameOf = (one: XmlElement, field: string): string =>
        childText(one, field).slice(prefix.length);
      for (const one of childrenNamed(page, 'Contents'))
        found.push({ name: nameOf(one, 'Key'), bytes: Number(childText(one, 'Size')) });
      for (const one of childrenNamed(page, 'CommonPrefixes'))
        found.push({ name: nameOf(one, 'Prefix').replace(/\/$/, ''), bytes: 0 });
      after = childText(page, 'NextContinuationToken');
    } while (after !== '');
    return found;
  }

  async write(
    _temporary: string,
    pieces: AsyncIterable<Uint8Array>,
    { path }: { readonly path: () => string },
  ): Promise<void> {
    while (this.#puts >= RENTED_PUTS)
      await new Promise<void>((resolve) => this.#queue.push(resolve));
    this.#puts += 1;
    try {
      const parts: Uint8Array[] = [];
      let bytes = 0;
      for await (const piece of pieces) {
        parts.push(piece);
        bytes += piece.length;
        if (bytes > RENTED_PUT_BYTES_MAX)
          throw invalid(
            `A blob of more than ${RENTED_PUT_BYTES_MAX} bytes does not fit into a rented bucket`,
          );
      }
      await this.#whole({ method: 'PUT', path: path(), body: parts });
    } finally {
      this.#puts -= 1;
      this.#queue.shift()?.();
    }
  }

  async *read(
    path: string,
    { start, end }: { readonly start: number; readonly end: number },
    { pieceBytes }: { readonly pieceBytes: number },
  ): AsyncGenerator<Buffer> {
    if (start >= end) return;
    const headers = { range: `bytes=${start}-${end - 1}` };
    const answer = await this.#ask({ method: 'GET', path, headers }, BEHIND_END);
    if (answer.statusCode === BEHIND_END) return void answer.resume();
    let kept: Buffer[] = [];
    let length = 0;
    try {
      for await (const piece of answer as AsyncIterable<Buffer>) {
        kept.push(piece);
        length += piece.length;
        if (length < pieceBytes) continue;
        const all = Buffer.concat(kept, length);
        let at = 0;
        for (; length - at >= pieceBytes; at += pieceBytes) yield all.subarray(at, at + pieceBytes);
        kept = [all.subarray(at)];
        length -= at;
      }
    } catch (error) {
      throw this.#over(error);
    } finally {
      answer.destroy();
    }
    if (length > 0) yield Buffer.concat(kept, length);
  }

  async rename(from: string, to: string): Promise<void> {
    const headers = { 'x-amz-copy-source': encodeUri(from, true) };
    const { bytes } = await this.#whole({ method: 'PUT', path: to, headers });
    // A copy that fails on the way is told with 200.
    if (bytes.includes('<Error>')) throw new FolderRefused('it did not copy an object');
    await this.remove(from);
  }

  /** S3 does not say whether it was there. */
  async remove(path: string): Promise<boolean> {
    await this.#whole({ method: 'DELETE', path }, NOT_FOUND);
    return true;
  }

  room(): Promise<{ readonly freeBytes: number; readonly sizeBytes: number }> {
    return Promise.resolve({ freeBytes: ROOM_BYTES, sizeBytes: 0 });
  }

  [Symbol.dispose](): void {
    this.isOver = true;
    this.#stop.abort(new Error('it was closed'));
    this.#agent.destroy();
  }

  async #page(
    folder: string,
    after: string | undefined,
    most = 1000,
  ): Promise<{ readonly page: XmlElement; readonly prefix: string }> {
    const [, bucket = '', rest] = /^\/([^/]+)(?:\/(.*))?$/.exec(folder) ?? [];
    const prefix = rest === undefined ? '' : `${rest}/`;
    const { bytes } = await this.#whole({
      method: 'GET',
      path: `/${bucket}`,
      query: [
        ['list-type', '2'],
        ['delimiter', '/'],
        ['max-keys', String(most)],
        ['prefix', prefix],
        ...(after === undefined ? [] : [['continuation-token', after] as const]),
      ],
    });
    try {
      return { page: parseXml(bytes, { bytesMax: ANSWER_BYTES_MAX }), prefix };
    } catch (error) {
      throw new FolderRefused(`what answers does not speak S3: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }

  async #whole(
    ask: Ask,
    also?: number,
  ): Promise<{ readonly answer: IncomingMessage; readonly bytes: Buffer }> {
    const answer = await this.#ask(ask, also);
    try {
      return { answer, bytes: await wholeOf(answer) };
    } catch (error) {
      throw error instanceof FolderRefused ? error : this.#over(error);
    }
  }

  /** Answers of success, and of status `also`; the others are thrown. What may pass is tried again: all that is asked may be done twice. */
  async #ask(ask: Ask, also?: number): Promise<IncomingMessage> {
    const { clock } = this.#options;
    for (let tries = 1; ; tries += 1) {
      let failure: unknown;
      try {
        const answer = await this.#send(ask);
        const status = answer.statusCode ?? 0;
        if ((status >= 200 && status < 300) || status === also) return answer;
        failure = new FolderRefused(await refusalOf(answer));
        if (status < 500 && status !== TOO_MANY) throw failure;
      } catch (error) {
        if (error instanceof FolderRefused) throw error;
        failure = error;
      }
      if (tries === TRIES || this.isOver) throw this.#over(failure);
      await clock.sleep(AGAIN_MS * 2 ** tries, this.#stop.signal);
    }
  }

  #over(error: unknown): unknown {
    this.isOver = true;
    return error;
  }

  async #send(ask: Ask): Promise<IncomingMessage> {
    const { address, answerMs } = this.#options;
    const { method, path, query = [], body = [] } = ask;
    const text = query.map(([name, value]) => `${encodeUri(name)}=${encodeUri(value)}`).join('&');
    const send = address.scheme === 's3' ? tlsRequest : plainRequest;
    const outgoing = send({
      agent: this.#agent,
      host: address.host,
      port: address.port,
      method,
      path: `${encodeUri(path, true)}${text === '' ? '' : `?${text}`}`,
      headers: {
        ...this.#signed(ask),
        ...(method === 'PUT'
          ? { 'content-length': body.reduce((sum, { length }) => sum + length, 0) }
          : {}),
      },
      timeout: answerMs,
      signal: this.#stop.signal,
    });
    outgoing.once('timeout', () => outgoing.destroy(new Error(`no answer within ${answerMs} ms`)));
    // Once there is an answer, whoever reads that hears of it.
    outgoing.on('error', () => outgoing.destroy());
    for (const piece of body) outgoing.write(piece);
    outgoing.end();
    const [answer] = (await once(outgoing, 'response')) as [IncomingMessage];
    return answer;
  }

  #signed({ method, path, query = [], headers = {}, body = [] }: Ask): Record<string, string> {
    const keys = this.#keys;
    if (keys === undefined) throw new Error('it is not greeted');
    const { address, clock } = this.#options;
    const name = address.host.includes(':') ? `[${address.host}]` : address.host;
    const time = basicTime(clock.now());
    const scope = { date: time.slice(0, 8), region: keys.region, service: 's3' };
    const payload = createHash('sha256');
    for (const piece of body) payload.update(piece);
    const payloadHash = payload.digest('hex');
    const all: Record<string, string> = {
      ...headers,
      host: address.port === undefined ? name : `${name}:${address.port}`,
      'x-amz-content-sha256': payloadHash,
      'x-amz-date': time,
      ...(keys.token === undefined ? {} : { 'x-amz-security-token': keys.token }),
    };
    const signedHeaders = Object.keys(all).sort();
    const parts = { method, path, query, headers: all, signedHeaders, payloadHash };
    const text = stringToSign(time, scope, canonicalRequest(parts));
    const signature = sign(signingKey(keys.secret, scope), text);
    const authorization = `${ALGORITHM} Credential=${keys.id}/${scopeText(scope)}, SignedHeaders=${signedHeaders.join(';')}, Signature=${signature}`;
    return { ...all, authorization };
  }
}

function childText(parent: XmlElement, name: string): string {
  const child = childNamed(parent, name);
  return child === undefined ? '' : textOf(child);
}

async function wholeOf(answer: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of answer as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > ANSWER_BYTES_MAX) throw new FolderRefused('its answer is too long');
    pieces.push(piece);
  }
  return Buffer.concat(pieces, bytes);
}

/** What it says of itself, as S3 does; a proxy before it may say something else. */
async function refusalOf(answer: IncomingMessage): Promise<string> {
  const plain = `${answer.statusCode} ${answer.statusMessage ?? ''}`;
  const bytes = await wholeOf(answer);
  try {
    const root = parseXml(bytes, { bytesMax: ANSWER_BYTES_MAX });
    return `${childText(root, 'Code')}: ${childText(root, 'Message')}`;
  } catch {
    return plain;
  }
}
