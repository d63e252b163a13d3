/** Random ids, secrets and stable hashes. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

/** The system is asked for so many bytes at once: each time costs as much as hundreds of them. */
const POOL_BYTES = 4096;
let pool = randomBytes(0);
let used = 0;

/** Each byte is given once. */
function pooledBytes(length: number): Uint8Array {
  if (length > POOL_BYTES) return randomBytes(length);
  if (used + length > pool.length) {
    pool = randomBytes(POOL_BYTES);
    used = 0;
  }
  return pool.subarray(used, (used += length));
}

/** `length` characters of Crockford base32 in lower case (5 bits each), from the system's CSPRNG. */
export function randomId(length = 12): string {
  let id = '';
  for (const byte of pooledBytes(length)) id += ALPHABET[byte & 31];
  return id;
}

/** `length` hex digits. */
export function randomHex(length: number): string {
  const bytes = pooledBytes(Math.ceil(length / 2));
  return Buffer.from(bytes).toString('hex').slice(0, length);
}

/** 256 bits, base64url: for tokens, login links and keys that travel. */
export function randomSecret(): string {
  return randomBytes(32).toString('base64url');
}

/** 0 to 1, for spreading what must not happen at one moment. */
export function randomShare(): number {
  return randomBytes(4).readUInt32BE() / 2 ** 32;
}

/** Lower-case hex SHA-256. */
export function sha256Hex(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

/** Compares two strings in time that tells at most whether they are of one length. */
export function sameSecret(actual: string, wanted: string): boolean {
  const one = Buffer.from(actual);
  const other = Buffer.from(wanted);
  return one.length === other.length && timingSafeEqual(one, other);
}
