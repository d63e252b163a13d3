/**
 * A process that writes blobs into a folder until it is killed: `blob-writer-main.ts FOLDER SEED`. It says on standard output what it
 * is about to do (`try …`) and what has been acknowledged (`did …`), so that its killer knows what must be there.
 */
import { writeSync } from 'node:fs';
import { createLogger } from '../src/base/log.ts';
import { systemClock } from '../src/base/time.ts';
import { LocalBlobs } from '../src/blobs/blobs.ts';
import { blobBytes, blobId, inPieces, putOptions } from './blob-conformance.ts';
import { seeded } from './seeded.ts';

/** Writers at once. */
const TOGETHER = 8;
const GROWN_BYTES_MAX = 600_000;

const [, , folder = '', seedText = '0'] = process.argv;
const seed = Number(seedText);
const random = seeded(seed);
const log = createLogger({ part: 'blobs', sinks: [], now: () => systemClock.now() });
const store = await LocalBlobs.open({
  backends: [{ path: folder, create: true, limitBytes: 2 ** 40 }],
  nodeId: 'n1',
  clock: systemClock,
  log,
});
let next = seed * 100_000;

async function told(what: string, work: () => Promise<unknown>): Promise<void> {
  writeSync(1, `try ${what}\n`);
  await work();
  writeSync(1, `did ${what}\n`);
}

async function putOne(n: number): Promise<void> {
  const length = random.chance(0.7) ? random.below(20_000) : random.below(900_000);
  const put = (): Promise<unknown> =>
    store.put(blobId(n), inPieces(blobBytes(n, length), 65_536), putOptions());
  await told(`put ${n} ${length}`, put);
  if (random.chance(0.3)) await told(`delete ${n}`, () => store.delete(blobId(n)));
}

async function growOne(n: number): Promise<void> {
  const bytes = blobBytes(n, GROWN_BYTES_MAX);
  for (let length = 0; length < GROWN_BYTES_MAX;) {
    const to = Math.min(GROWN_BYTES_MAX, length + 1 + random.below(150_000));
    const from = length;
    const append = (): Promise<unknown> =>
      store.append(blobId(n), from, inPieces(bytes.subarray(from, to), 30_000), putOptions());
    await told(`grow ${n} ${to}`, append);
    length = to;
  }
  if (random.chance(0.7)) await told(`seal ${n}`, () => store.seal(blobId(n)));
}

async function write(): Promise<never> {
  for (;;) {
    const n = next++;
    if (random.chance(0.1)) await growOne(n);
    else await putOne(n);
  }
}

await Promise.all(Array.from({ length: TOGETHER }, write));
