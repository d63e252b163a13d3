/**
 * Passwords as `users` files hold them: `$scrypt$ln=15,r=8,p=1$SALT$HASH` (PHC string format) for people; `$apr1$`, which is what
 * htpasswd writes unless told otherwise; `{SHA256}BASE64`, without salt, for machines' long random secrets.
 */
import { createHash, scrypt, timingSafeEqual } from 'node:crypto';

const SCRYPT =
  /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d)\$([A-Za-z0-9+/]{8,128})\$([A-Za-z0-9+/]{22,128})$/;
const SHA256 = /^\{SHA256\}([A-Za-z0-9+/]{43}=)$/;
const APR1 = /^\$apr1\$([./0-9A-Za-z]{1,8})\$([./0-9A-Za-z]{22})$/;
/** As a power of two: 2 to the 17th takes 128 MiB and a third of a second. */
const SCRYPT_COST_MAX = 17;
const SCRYPT_BLOCK_MAX = 16;
const APR1_ROUNDS = 1000;
const APR1_DIGITS = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** What is wrong with a hash, or undefined. */
export function hashMistake(hash: string): string | undefined {
  const found = SCRYPT.exec(hash);
  if (found !== null) {
    const fits = Number(found[1]) <= SCRYPT_COST_MAX && Number(found[2]) <= SCRYPT_BLOCK_MAX;
    if (fits && Number(found[1]) > 0 && Number(found[2]) > 0 && Number(found[3]) > 0) {
      return undefined;
    }
    return `want at most ln=${SCRYPT_COST_MAX} and r=${SCRYPT_BLOCK_MAX}`;
  }
  if (SHA256.test(hash) || APR1.test(hash)) return undefined;
  return 'want a hash that begins with $scrypt$, $apr1$ or {SHA256}';
}

/** Whether it is the password. A slow hash is computed beside the event loop. */
export async function isPassword(password: string, hash: string): Promise<boolean> {
  const found = SCRYPT.exec(hash);
  if (found !== null) {
    const [, cost, r, p, salt = '', wanted = ''] = found;
    const expected = Buffer.from(wanted, 'base64');
    const made = await derive(password, Buffer.from(salt, 'base64'), {
      N: 2 ** Number(cost),
      r: Number(r),
      p: Number(p),
      bytes: expected.length,
    });
    return timingSafeEqual(made, expected);
  }
  const plain = SHA256.exec(hash)?.[1];
  if (plain !== undefined) {
    const made = createHash('sha256').update(password).digest();
    return timingSafeEqual(made, Buffer.from(plain, 'base64'));
  }
  const [, salt, wanted] = APR1.exec(hash) ?? [];
  if (salt === undefined || wanted === undefined) return false;
  return timingSafeEqual(Buffer.from(apr1(password, salt)), Buffer.from(wanted));
}

function derive(
  password: string,
  salt: Buffer,
  { bytes, ...cost }: { readonly N: number; readonly r: number; readonly p: number; bytes: number },
): Promise<Buffer> {
  const maxmem = 256 * cost.N * cost.r;
  return new Promise((resolve, reject) => {
    scrypt(password, salt, bytes, { ...cost, maxmem }, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}

/** MD5-crypt as Apache has it: odd by design, and what htpasswd has written for decades. */
function apr1(password: string, salt: string): string {
  const secret = Buffer.from(password);
  const md5 = (...parts: readonly (Buffer | string)[]): Buffer =>
    createHash('md5')
      .update(Buffer.concat(parts.map((part) => Buffer.from(part))))
      .digest();
  const inner = md5(secret, salt, secret);
  const parts: Buffer[] = [secret, Buffer.from(`$apr1$${salt}`)];
  for (let left = secret.length; left > 0; left -= 16) parts.push(inner.subarray(0, left));
  for (let bits = secret.length; bits > 0; bits >>= 1) {
    parts.push((bits & 1) === 1 ? Buffer.alloc(1) : secret.subarray(0, 1));
  }
  let digest = md5(...parts);
  for (let round = 0; round < APR1_ROUNDS; round++) {
    const odd = (round & 1) === 1;
    digest = md5(
      odd ? secret : digest,
      round % 3 === 0 ? '' : salt,
      round % 7 === 0 ? '' : secret,
      odd ? digest : secret,
    );
  }
  const at = (index: number): number => digest[index] ?? 0;
  let text = '';
  const put = (value: number, digits: number): void => {
    for (let rest = value, left = digits; left > 0; left--, rest >>= 6) {
      text += APR1_DIGITS[rest & 63] ?? '';
    }
  };
  for (let index = 0; index < 5; index++) {
    put((at(index) << 16) | (at(index + 6) << 8) | at(index === 4 ? 5 : index + 12), 4);
  }
  put(at(11), 2);
  return text;
}
