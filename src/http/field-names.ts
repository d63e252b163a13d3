/**
 * The fields that a gateway acts on, found by a perfect hash while the name is scanned, so that no
 * name is ever made a string only to be compared. Ids are below 32: a set of fields is one number.
 */

/** Ids of known fields; 0 is every other field. */
export const FIELD = {
  other: 0,
  host: 1,
  contentLength: 2,
  transferEncoding: 3,
  connection: 4,
  keepAlive: 5,
  proxyConnection: 6,
  te: 7,
  trailer: 8,
  upgrade: 9,
  expect: 10,
  http2Settings: 11,
  forwarded: 12,
  xRealIp: 13,
  /** Every field that starts with `x-forwarded-`. */
  xForwarded: 14,
  acceptEncoding: 15,
  ifNoneMatch: 16,
  ifModifiedSince: 17,
  ifMatch: 18,
  ifUnmodifiedSince: 19,
  range: 20,
  ifRange: 21,
  accept: 22,
  proxyAuthorization: 23,
  proxyAuthenticate: 24,
  date: 25,
  server: 26,
  cacheControl: 27,
  contentType: 28,
  contentEncoding: 29,
  cookie: 30,
  endpointLoadMetrics: 31,
} as const;

export type FieldId = (typeof FIELD)[keyof typeof FIELD];

const NAMES: readonly (readonly [string, FieldId])[] = [
  ['host', FIELD.host],
  ['content-length', FIELD.contentLength],
  ['transfer-encoding', FIELD.transferEncoding],
  ['connection', FIELD.connection],
  ['keep-alive', FIELD.keepAlive],
  ['proxy-connection', FIELD.proxyConnection],
  ['te', FIELD.te],
  ['trailer', FIELD.trailer],
  ['upgrade', FIELD.upgrade],
  ['expect', FIELD.expect],
  ['http2-settings', FIELD.http2Settings],
  ['forwarded', FIELD.forwarded],
  ['x-real-ip', FIELD.xRealIp],
  ['accept-encoding', FIELD.acceptEncoding],
  ['if-none-match', FIELD.ifNoneMatch],
  ['if-modified-since', FIELD.ifModifiedSince],
  ['if-match', FIELD.ifMatch],
  ['if-unmodified-since', FIELD.ifUnmodifiedSince],
  ['range', FIELD.range],
  ['if-range', FIELD.ifRange],
  ['accept', FIELD.accept],
  ['proxy-authorization', FIELD.proxyAuthorization],
  ['proxy-authenticate', FIELD.proxyAuthenticate],
  ['date', FIELD.date],
  ['server', FIELD.server],
  ['cache-control', FIELD.cacheControl],
  ['content-type', FIELD.contentType],
  ['content-encoding', FIELD.contentEncoding],
  ['cookie', FIELD.cookie],
  ['endpoint-load-metrics', FIELD.endpointLoadMetrics],
];

const FORWARDED_PREFIX = Buffer.from('x-forwarded-', 'latin1');

/**
 * By byte: the lower-case byte of a token character (RFC 9110 5.6.2), 0 for any other. `_` maps to `-`,
 * so that a twin such as `Content_Length` meets the name that CGI-like upstreams confuse it with.
 */
export const TOKEN_FOLDED: Uint8Array = tokenTable('-');

/** The same, but `_` stays `_`. */
const TOKEN_LOWER: Uint8Array = tokenTable('_');

function tokenTable(underscore: string): Uint8Array {
  const table = new Uint8Array(256);
  const token = "!#$%&'*+-.^`|~0123456789abcdefghijklmnopqrstuvwxyz";
  for (const character of token) table[character.charCodeAt(0)] = character.charCodeAt(0);
  for (let code = 0x41; code <= 0x5a; code++) table[code] = code + 0x20;
  table[0x5f] = underscore.charCodeAt(0);
  return table;
}

const TABLE_BITS = 10;

/** `hash = hash * HASH_FACTOR + folded byte`, from 0; the scanner computes it as it goes. */
export const HASH_FACTOR: number = perfectFactor();

const slots = new Uint8Array(1 << TABLE_BITS);
const texts: Buffer[] = [];
for (const [name, id] of NAMES) {
  slots[slotOf(hashOf(name, HASH_FACTOR))] = id;
  texts[id] = Buffer.from(name, 'latin1');
}

function slotOf(hash: number): number {
  return (hash ^ (hash >>> 15)) & ((1 << TABLE_BITS) - 1);
}

function hashOf(name: string, factor: number): number {
  let hash = 0;
  for (let index = 0; index < name.length; index++) {
    hash = (Math.imul(hash, factor) + name.charCodeAt(index)) | 0;
  }
  return hash;
}

/** The first odd factor under which no two known names share a slot. */
function perfectFactor(): number {
  for (let factor = 31; ; factor += 2) {
    if (new Set(NAMES.map(([name]) => slotOf(hashOf(name, factor)))).size === NAMES.length) {
      return factor;
    }
  }
}

/** A name that differs from a known one only by `_` for `-`: refuse it (CGI and WSGI mix them up). */
export const TWIN = 255;

/** The id of the name at `from..to`, whose hash over folded bytes is `hash`; or `TWIN`. */
export function classify(buffer: Uint8Array, from: number, to: number, hash: number): number {
  const id = slots[slotOf(hash)] ?? 0;
  const text = id === 0 ? undefined : texts[id];
  if (text !== undefined && text.length === to - from) {
    const verdict = compare(buffer, from, text);
    if (verdict === SAME) return id;
    // Only where it matters who is believed: framing, routing and what is said about the client.
    if (verdict === SAME_BUT_UNDERSCORE && id <= FIELD.xForwarded) return TWIN;
  }
  const first = buffer[from];
  if (to - from > FORWARDED_PREFIX.length && (first === 0x78 || first === 0x58)) {
    const verdict = compare(buffer, from, FORWARDED_PREFIX);
    if (verdict === SAME_BUT_UNDERSCORE) return TWIN;
    if (verdict === SAME) return FIELD.xForwarded;
  }
  return FIELD.other;
}

const DIFFERENT = 0;
const SAME = 1;
const SAME_BUT_UNDERSCORE = 2;

function compare(buffer: Uint8Array, from: number, text: Buffer): number {
  let verdict = SAME;
  for (let index = 0; index < text.length; index++) {
    const byte = buffer[from + index] ?? 0;
    const wanted = text[index] ?? 0;
    if (TOKEN_LOWER[byte] === wanted) continue;
    if (TOKEN_FOLDED[byte] !== wanted) return DIFFERENT;
    verdict = SAME_BUT_UNDERSCORE;
  }
  return verdict;
}

/** A number with the bit of each id set; compare with `Head.seen`. */
export function fieldSet(...ids: readonly FieldId[]): number {
  let set = 0;
  for (const id of ids) set |= 1 << id;
  return set;
}
