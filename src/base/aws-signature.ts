/** Signature version 4 of AWS: what is signed, and with what. Pure; who may do what is decided elsewhere. */
import { createHmac, createSecretKey, hash, type KeyObject } from 'node:crypto';
import { isoTime } from './time.ts';
import { encodeUri } from './uri.ts';

export const ALGORITHM = 'AWS4-HMAC-SHA256';
export const EMPTY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

export interface Scope {
  /** YYYYMMDD. */
  readonly date: string;
  readonly region: string;
  readonly service: string;
}

export interface Credential extends Scope {
  readonly accessKey: string;
}

/** `KEY/20260101/region/s3/aws4_request`; the key itself may have slashes. Undefined when it is anything else. */
export function parseCredential(text: string): Credential | undefined {
  const parts = text.split('/');
  const [date = '', region = '', service = '', terminator] = parts.slice(-4);
  const accessKey = parts.slice(0, -4).join('/');
  if (terminator !== 'aws4_request' || accessKey === '' || !/^\d{8}$/.test(date)) return undefined;
  return { accessKey, date, region, service };
}

export function scopeText({ date, region, service }: Scope): string {
  return `${date}/${region}/${service}/aws4_request`;
}

/** `20260102T030405Z`. */
export function basicTime(ms: number): string {
  return isoTime(ms).replace(/[-:]|\.\d+/g, '');
}

export interface CanonicalParts {
  readonly method: string;
  /** Decoded. */
  readonly path: string;
  /** Decoded pairs, without the signature itself. */
  readonly query: readonly (readonly [string, string])[];
  /** As the request has them; Latin-1. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Lower case, in order. */
  readonly signedHeaders: readonly string[];
  readonly payloadHash: string;
}

export function canonicalRequest(parts: CanonicalParts): string {
  const headers = parts.signedHeaders
    .map((name) => `${name}:${canonicalValue(parts.headers[name])}\n`)
    .join('');
  return [
    parts.method,
    encodeUri(parts.path, true),
    canonicalQuery(parts.query),
    headers,
    parts.signedHeaders.join(';'),
    parts.payloadHash,
  ].join('\n');
}

function canonicalQuery(query: CanonicalParts['query']): string {
  return query
    .map(([name, value]) => [encodeUri(name), encodeUri(value)] as const)
    .sort(([a, x], [b, y]) => (a < b ? -1 : a > b ? 1 : x < y ? -1 : x > y ? 1 : 0))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
}

function canonicalValue(value: string | readonly string[] | undefined): string {
  const text = typeof value === 'object' ? value.join(',') : (value ?? '');
  return text.trim().replace(/ {2,}/g, ' ');
}

/** `time` is `YYYYMMDDTHHMMSSZ`. */
export function stringToSign(time: string, scope: Scope, canonical: string): string {
  // Fields are Latin-1 in Node: so are the bytes that the client has signed.
  const digest = hash('sha256', Buffer.from(canonical, 'latin1'), 'hex');
  return `${ALGORITHM}\n${time}\n${scopeText(scope)}\n${digest}`;
}

const KEYS_MAX = 1000;
const keys = new Map<string, KeyObject>();

/** Kept for the next request: a day's key costs four HMACs, and each with bare bytes as its key seven times one with a `KeyObject`. */
export function signingKey(secret: string, { date, region, service }: Scope): KeyObject {
  const name = `${secret}\n${date}\n${region}\n${service}`;
  const known = keys.get(name);
  if (known !== undefined) return known;
  if (keys.size >= KEYS_MAX) keys.clear();
  let bytes = createHmac('sha256', `AWS4${secret}`).update(date).digest();
  for (const step of [region, service, 'aws4_request']) {
    bytes = createHmac('sha256', bytes).update(step).digest();
  }
  const key = createSecretKey(bytes);
  keys.set(name, key);
  return key;
}

export function sign(key: KeyObject, text: string): string {
  return createHmac('sha256', key).update(text).digest('hex');
}

/** One chunk of a body that is signed in chunks. */
export function chunkStringToSign(
  time: string,
  scope: Scope,
  options: { readonly previous: string; readonly chunkHash: string },
): string {
  return `${ALGORITHM}-PAYLOAD\n${time}\n${scopeText(scope)}\n${options.previous}\n${EMPTY_SHA256}\n${options.chunkHash}`;
}

/** The fields after such a body. */
export function trailerStringToSign(
  time: string,
  scope: Scope,
  options: { readonly previous: string; readonly trailerHash: string },
): string {
  return `${ALGORITHM}-TRAILER\n${time}\n${scopeText(scope)}\n${options.previous}\n${options.trailerHash}`;
}
