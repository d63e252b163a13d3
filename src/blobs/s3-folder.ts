/**
 * A bucket of somebody else's S3 as a folder, signed with `AWS Signature Version 4`, addressed by path. A file is one object and comes with one
 * PUT, so it is never there in part. https://docs.aws.amazon.com/AmazonS3/latest/API/
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { Agent, type IncomingMessage, request as plainRequest } from 'node:http';
import { Agent as TlsAgent, request as tlsRequest } from 'node:https';
import { isDeepStrictEqual } from 'node:util';
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
import { RENTED_AT_ONCE, RENTED_PUT_BYTES_MAX, RENTED_PUTS } from './limits.ts';
import type { RentedAddress } from './rented-address.ts';
import { FolderOver, FolderRefused, type RentedFolder } from './rented-folder.ts';
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
const PARTIAL = 206;
/** What keys that are over or changed may get. */
const KEYS_REFUSED: ReadonlySet<number> = new Set([400, 401, 403]);
const NOT_FOUND = 404;
/** Somebody else writes the same object at this moment. */
const CONFLICT = 409;
const CONDITION_FAILED = 412;
const BEHIND_END = 416;
const TOO_MANY = 429;
const NOT_IMPLEMENTED = 501;

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
      const next = childText(page, 'NextContinuationToken');
      // A list that is not whole would be blobs that are not there.
      if (next === '' ? childText(page, 'IsTruncated') === 'true' : next === after)
        throw new FolderRefused('it does not say how its list goes on');
      after = next;
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

  /** Where conditions of writes are not known, the last of two gets it. */
  async claim(path: string, bytes: Uint8Array): Promise<boolean> {
    const put = { method: 'PUT', path, body: [bytes] } as const;
    const headers = { 'if-none-match': '*' };
    const { answer } = await this.#whole({ ...put, headers }, CONDITION_FAILED, NOT_IMPLEMENTED);
    if (answer.statusCode === NOT_IMPLEMENTED) await this.#whole(put);
    return answer.statusCode !== CONDITION_FAILED;
  }

  /** In parts, each there before any of it is given: an answer that waits for whoever reads would be one that does not come. */
  async *read(
    path: string,
    { start, end }: { readonly start: number; readonly end: number },
    { pieceBytes }: { readonly pieceBytes: number },
  ): AsyncGenerator<Buffer> {
    const partBytes = pieceBytes * RENTED_AT_ONCE;
    const part = (at: number): Promise<Buffer> =>
      this.#part(path, at, Math.min(end, at + partBytes));
    let next = start < end ? part(start) : undefined;
    for (let at = start; next !== undefined; at += partBytes) {
      const bytes: Buffer = await next;
      next = bytes.length === partBytes && at + partBytes < end ? part(at + partBytes) : undefined;
      // Whoever awaits it later hears of it.
      next?.catch(() => undefined);
      for (let from = 0; from < bytes.length; from += pieceBytes)
        yield bytes.subarray(from, from + pieceBytes);
    }
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

  /** Also whether it still lets us in: nothing else is asked of one that nobody reads. */
  async room(folder: string): Promise<{ readonly freeBytes: number; readonly sizeBytes: number }> {
    if ((await this.size(`${folder}/NODE`)) === undefined)
      throw new FolderRefused('it has no file "NODE" any more');
    return { freeBytes: ROOM_BYTES, sizeBytes: 0 };
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
      const page = parseXml(bytes, { bytesMax: ANSWER_BYTES_MAX });
      if (page.name !== 'ListBucketResult') throw new Error(`it gives <${page.name}> for a list`);
      return { page, prefix };
    } catch (error) {
      throw new FolderRefused(`what answers does not speak S3: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }

  async #part(path: string, start: number, end: number): Promise<Buffer> {
    const headers = { range: `bytes=${start}-${end - 1}` };
    const { answer, bytes } = await this.#whole({ method: 'GET', path, headers }, BEHIND_END);
    if (answer.statusCode === BEHIND_END) return Buffer.alloc(0);
    // Of another part nothing would open, and it would count as changed.
    if (answer.statusCode !== PARTIAL || bytes.length > end - start)
      throw new FolderRefused('it does not give parts of objects');
    return bytes;
  }

  async #whole(
    ask: Ask,
    ...also: readonly number[]
  ): Promise<{ readonly answer: IncomingMessage; readonly bytes: Buffer }> {
    const answer = await this.#ask(ask, also);
    try {
      return { answer, bytes: await wholeOf(answer) };
    } catch (error) {
      throw error instanceof FolderRefused ? error : this.#over(error);
    }
  }

  /** Answers of success, and of a status in `also`; the others are thrown. What may pass is tried again: all that is asked may be done twice. */
  async #ask(ask: Ask, also: readonly number[]): Promise<IncomingMessage> {
    const { clock } = this.#options;
    for (let tries = 1; ; tries += 1) {
      let failure: unknown;
      const keys = this.#keys;
      try {
        const answer = await this.#send(ask);
        const status = answer.statusCode ?? 0;
        if ((status >= 200 && status < 300) || also.includes(status)) return answer;
        failure = new FolderRefused(await refusalOf(answer));
        if (status < 500 && status !== TOO_MANY && status !== CONFLICT) {
          if (tries < TRIES && KEYS_REFUSED.has(status) && (await this.#hasOtherKeys(keys)))
            continue;
          throw failure;
        }
      } catch (error) {
        if (error instanceof FolderRefused) throw error;
        failure = error;
      }
      if (tries === TRIES || this.isOver) throw this.#over(failure);
      await clock.sleep(AGAIN_MS * 2 ** tries, this.#stop.signal);
    }
  }

  /** Keys that end with their time are written anew beside us. When they cannot be read now, what was refused is told. */
  async #hasOtherKeys(refused: S3Keys | undefined): Promise<boolean> {
    const { keysFile, address } = this.#options;
    this.#keys = await readS3Keys(keysFile, address.user).catch(() => this.#keys);
    return !isDeepStrictEqual(this.#keys, refused);
  }

  #over(error: unknown): FolderOver {
    this.isOver = true;
    return new FolderOver(messageOf(error), { cause: error });
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
