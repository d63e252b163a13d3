/**
 * Tokens that open one database and nothing else. Nothing is kept of them: they are signed with the database's own key, so the
 * process that answers checks them by itself, also while no manager answers. They end with their time, or all at once with the key.
 *
 * Format 1: `molndb.<payload>.<signature>`, both in base64url; the payload is JSON, the signature HMAC-SHA-256.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { sha256Hex } from '../base/ids.ts';
import { TOKEN_CHARACTERS_MAX, TOKENS_KNOWN_MAX } from './limits.ts';

export interface DatabaseGrant {
  /** Who it was made for. */
  readonly name: string;
  readonly readOnly: boolean;
  /** Epoch milliseconds; undefined: never. */
  readonly expiresAt: number | undefined;
}

interface Payload {
  readonly v: 1;
  readonly n: string;
  readonly r?: 1;
  readonly e?: number;
}

const SHAPE = /^molndb\.([A-Za-z0-9_-]{1,400})\.([A-Za-z0-9_-]{43})$/;
const KEY_BYTES = 32;

export function newTokenKey(): Uint8Array {
  return randomBytes(KEY_BYTES);
}

export function makeToken(key: Uint8Array, grant: DatabaseGrant): string {
  const payload: Payload = {
    v: 1,
    n: grant.name,
    ...(grant.readOnly ? { r: 1 } : {}),
    ...(grant.expiresAt === undefined ? {} : { e: grant.expiresAt }),
  };
  const text = Buffer.from(JSON.stringify(payload)).toString('base64url');
  return `molndb.${text}.${sign(key, text).toString('base64url')}`;
}

/** Tokens of one key as they come again and again: a signature is good for ever, so it is checked once, and only the time each time. */
export class KnownTokens {
  readonly #key: Uint8Array;
  readonly #known = new Map<string, { readonly id: string; readonly grant: DatabaseGrant }>();

  constructor(key: Uint8Array) {
    this.#key = key;
  }

  /** `id`: see `callerId`. Undefined when it is not of this database, or its time is over. */
  find(
    token: string,
    now: number,
  ): { readonly id: string; readonly grant: DatabaseGrant } | undefined {
    let found = this.#known.get(token);
    if (found === undefined) {
      const grant = readSigned(this.#key, token);
      if (grant === undefined) return undefined;
      found = { id: callerId(token), grant };
      if (this.#known.size >= TOKENS_KNOWN_MAX) this.#known.clear();
      this.#known.set(token, found);
    }
    const { expiresAt } = found.grant;
    return expiresAt !== undefined && expiresAt <= now ? undefined : found;
  }
}

function readSigned(key: Uint8Array, token: string): DatabaseGrant | undefined {
  if (token.length > TOKEN_CHARACTERS_MAX) return undefined;
  const [, text, signature] = SHAPE.exec(token) ?? [];
  if (text === undefined || signature === undefined) return undefined;
  if (!timingSafeEqual(sign(key, text), Buffer.from(signature, 'base64url'))) return undefined;
  const payload = JSON.parse(Buffer.from(text, 'base64url').toString()) as Payload;
  if (payload.v !== 1) return undefined;
  return { name: payload.n, readOnly: payload.r === 1, expiresAt: payload.e };
}

/** Equal for all uses of one token, and not the token. */
export function callerId(token: string): string {
  return `token:${sha256Hex(token).slice(0, 16)}`;
}

function sign(key: Uint8Array, text: string): Buffer {
  return createHmac('sha256', key).update(`moln database token 1\n${text}`).digest();
}
