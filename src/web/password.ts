/** Passwords as digests that are slow to try (scrypt), with their own salt and costs in the text, so that costs can grow. */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';

/** N of scrypt: 32 MiB and some 60 ms a try. */
const COST = 2 ** 15;
const BLOCK_SIZE = 8;
const KEY_BYTES = 32;
const MEMORY_BYTES_MAX: number = 128 * 1024 ** 2;
let currentCost: number = COST;

/** For tests, whose passwords nobody tries: a power of 2. */
export function usePasswordCost(cost: number): void {
  currentCost = cost;
}

/** The digest to keep: `scrypt$32768$8$SALT$KEY`. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16);
  const key = await derive(password, salt, currentCost, BLOCK_SIZE);
  return `scrypt$${currentCost}$${BLOCK_SIZE}$${salt.toString('base64url')}$${key.toString('base64url')}`;
}

/** Without a digest, for a name that nobody has, it takes as long and is false: time tells nobody which names exist. */
export async function verifyPassword(
  password: string,
  digest: string | undefined,
): Promise<boolean> {
  const [, cost = currentCost, blockSize = BLOCK_SIZE, salt = 'none', key = ''] =
    digest?.split('$') ?? [];
  const wanted = Buffer.from(key, 'base64url');
  const found = await derive(
    password,
    Buffer.from(salt, 'base64url'),
    Number(cost),
    Number(blockSize),
  );
  return wanted.length === found.length && timingSafeEqual(wanted, found);
}

function derive(password: string, salt: Buffer, cost: number, blockSize: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const options = { N: cost, r: blockSize, p: 1, maxmem: MEMORY_BYTES_MAX };
    scrypt(password.normalize('NFKC'), salt, KEY_BYTES, options, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}
