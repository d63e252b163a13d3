/**
 * Files of an app: put, read, removed, and shown to visitors by addresses that are over after a time. Where they lie is a matter of the
 * process (`useFiles`): in a folder while one writes the app, in the cluster's file store when it is deployed.
 */
import { createHmac } from 'node:crypto';
import { Readable } from 'node:stream';
import { MolnError } from '../base/errors.ts';
import { randomId, sameSecret } from '../base/ids.ts';
import { systemClock } from '../base/time.ts';
import { encodeUri } from '../base/uri.ts';

export type FileBody =
  | string
  | Uint8Array
  | Blob
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array>;

export interface StoredFile {
  readonly key: string;
  readonly size: number;
  readonly type: string;
}

/** Where files lie. */
export interface FileKeeper {
  /** Whole or not at all; gives its size. What was at that key is replaced. */
  put(key: string, body: AsyncIterable<Uint8Array>, type: string): Promise<number>;
  /** With its type, length and entity tag. `asked`: of a visitor; a range or a condition is answered as HTTP has it. */
  get(key: string, asked?: Headers): Promise<Response | undefined>;
  /** Nothing happens when it is not there. */
  delete(key: string): Promise<void>;
}

export const FILES_PATH = '/_moln/files/';
const KEY_BYTES_MAX = 900;
const RANDOM_KEY_LENGTH = 26;
const SHOWN_FOR_SECONDS = 3600;
const USUAL_TYPE = 'application/octet-stream';
const SAFE_HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy': "sandbox; default-src 'none'; style-src 'unsafe-inline'",
  'x-content-type-options': 'nosniff',
};
const SHOWN_HEADERS = [
  'accept-ranges',
  'content-length',
  'content-range',
  'content-type',
  'etag',
  'last-modified',
] as const;

let inUse: FileKeeper | undefined;
let sealing = '';

/** Where files of this process lie; undefined when there is no place for them. */
export function useFiles(keeper: FileKeeper | undefined): void {
  inUse = keeper;
}

/** Seals addresses: the same in all instances of the app. */
export function useFileSecret(secret: string): void {
  sealing = secret;
}

export const files = {
  /** Of any length: a stream is never held as a whole. Without a key it gets a new one. */
  async put(
    body: FileBody,
    options: { readonly key?: string; readonly type?: string } = {},
  ): Promise<StoredFile> {
    const key = checkedKey(options.key ?? randomId(RANDOM_KEY_LENGTH));
    const type =
      options.type ?? (body instanceof Blob && body.type !== '' ? body.type : USUAL_TYPE);
    const size = await theKeeper().put(key, piecesOf(body), type);
    return { key, size, type };
  },

  /** As a response: its body is the file. An action may give it as its answer; nothing in it runs in the name of this site. */
  async get(key: string): Promise<Response | undefined> {
    const found = await theKeeper().get(checkedKey(key));
    return found === undefined ? undefined : harmless(found);
  },

  async delete(key: string): Promise<void> {
    await theKeeper().delete(checkedKey(key));
  },

  /** An address on this site where whoever has it sees the file, for so long; default an hour. `name`: what it is saved as. */
  url(key: string, options: { readonly seconds?: number; readonly name?: string } = {}): string {
    const { name, seconds = SHOWN_FOR_SECONDS } = options;
    const until = systemClock.now() + seconds * 1000;
    const query = new URLSearchParams({ until: String(until), seal: sealOf(key, { until, name }) });
    if (name !== undefined) query.set('name', name);
    return `${FILES_PATH}${encodeUri(checkedKey(key), true)}?${query}`;
  },
} as const;

/** The answer to an address of `files.url`. Throws `WEB_NOT_FOUND` when it is another one, or over. */
export async function shownFile(request: Request, url: URL): Promise<Response> {
  const key = keyIn(url.pathname, FILES_PATH);
  const until = Number(url.searchParams.get('until') ?? Number.NaN);
  const leftMs = until - systemClock.now();
  const name = url.searchParams.get('name') ?? undefined;
  const isSealed = sameSecret(url.searchParams.get('seal') ?? '', sealOf(key, { until, name }));
  const found = isSealed && leftMs > 0 ? await theKeeper().get(key, request.headers) : undefined;
  if (found === undefined) throw new MolnError('WEB_NOT_FOUND', 'There is no file at this address');
  const answer = harmless(found);
  answer.headers.set('cache-control', `private, max-age=${Math.floor(leftMs / 1000)}`);
  // RFC 6266, section 4.3, and RFC 8187, section 3.2.1.
  if (name !== undefined)
    answer.headers.set('content-disposition', `inline; filename*=UTF-8''${encodeUri(name)}`);
  return answer;
}

/** A visitor's file must not act in the name of this site. */
export function harmless(found: Response): Response {
  const headers = new Headers(SAFE_HEADERS);
  for (const name of SHOWN_HEADERS) {
    const value = found.headers.get(name);
    if (value !== null) headers.set(name, value);
  }
  return new Response(found.body, { status: found.status, headers });
}

/** Empty for what is no address. */
export function keyIn(pathname: string, prefix: string): string {
  try {
    return decodeURIComponent(pathname.slice(prefix.length));
  } catch (error) {
    if (error instanceof URIError) return '';
    throw error;
  }
}

/** What an address is for is a part of it: else one for an hour would do as one of an image, for ever. */
export function sealOf(
  key: string,
  what: { readonly until: number; readonly name?: string | undefined } | { readonly width: number },
): string {
  const text = JSON.stringify([what, key]);
  return createHmac('sha256', `files ${sealing}`).update(text).digest('base64url');
}

function theKeeper(): FileKeeper {
  if (inUse !== undefined) return inUse;
  throw new MolnError('WEB_NO_FILES', 'This app has no place for files: S3_ENDPOINT is not set', {
    hint: 'Name a bucket with "moln app NAME env S3_BUCKET=BUCKET"; when one is named, "moln status" says why S3 is not there',
  });
}

function checkedKey(key: string): string {
  const bytes = Buffer.byteLength(key);
  // oxlint-disable-next-line no-control-regex -- these cannot be in an address
  const isText = key.isWellFormed() && !/[\0-\x1f\x7f]/.test(key);
  // Browsers and S3 take ".." for the folder above.
  const isPath = !/(?:^|\/)\.\.?(?:\/|$)/.test(key);
  if (bytes > 0 && bytes <= KEY_BYTES_MAX && isText && isPath) return key;
  throw new MolnError('WEB_FILE_KEY', `"${key.slice(0, 100)}" is no key of a file`, {
    hint: `Take 1 to ${KEY_BYTES_MAX} bytes, no control characters, no "." or ".." between slashes`,
  });
}

async function* piecesOf(body: FileBody): AsyncGenerator<Uint8Array, void, undefined> {
  if (typeof body === 'string') yield Buffer.from(body);
  else if (body instanceof Uint8Array) yield body;
  else if (body instanceof Blob) yield* body.stream();
  else yield* Readable.from(body as AsyncIterable<Uint8Array>, { objectMode: false });
}
