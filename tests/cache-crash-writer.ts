/**
 * The victim of `cache-crash.test.ts`: stores, replaces and removes in a disk tier as fast as it can and prints a line for
 * each change that was confirmed, until it is killed. Usage: `node cache-crash-writer.ts FOLDER FIRST_STAMP`.
 */
import { DiskTier } from '../src/cache/cache.ts';
import { seeded } from '../testing/seeded.ts';
import { bodyOf, storedOf } from '../testing/tier-conformance.ts';

const [folder = '', first = '1'] = process.argv.slice(2);
// Small, so that segments come and go between the kills.
const tier = await DiskTier.open({ folder, bytesMax: 4 * 1024 * 1024 });
const random = seeded(Number(first));
let stamp = Number(first);

await Promise.all(Array.from({ length: 8 }, () => write()));

async function write(): Promise<never> {
  for (;;) {
    const number = random.below(30);
    const key = `key ${number}`;
    const own = stamp++;
    const name = `${key} at ${own}`;
    const size = random.chance(0.1) ? 150_000 : random.below(20_000);
    const stored = storedOf(key, bodyOf(name, size), { stamp: own });
    await tier.set(key, random.chance(0.3) ? [] : [stored]);
    process.stdout.write(`${number} ${own}\n`);
  }
}
