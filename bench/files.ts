/**
 * `npm run bench -- files`: the storage node beside the disk that it writes to. Options: `--mib N`, `--small N`, `--folder DIR`.
 * `npm run bench -- files s3`: small objects over S3, see `files-s3.ts`. `npm run bench -- files repair`: a lost node, see `files-repair.ts`.
 */
import { createHash } from 'node:crypto';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { useDiskThreads } from '../src/base/disk-threads.ts';
import { giveBack } from '../src/base/piece-pool.ts';
import type { BlobStore, PutOptions } from '../src/blobs/blobs.ts';
import { BlockFeed } from '../src/files/block-feed.ts';
import { BLOCKS_ENDING_MAX } from '../src/files/limits.ts';
import { blobId, putOptions } from '../testing/blob-conformance.ts';
import { BlobNode, ServedBlobs } from '../testing/blob-kit.ts';
import { benchRepair } from './files-repair.ts';
import { benchS3 } from './files-s3.ts';

const MIB: number = 1024 * 1024;
const CHUNK_BYTES: number = 8 * MIB;
const PIECE_BYTES: number = 64 * 1024;
const SMALL_BYTES = 4096;
const CLIENTS = 64;

interface Cost {
  readonly seconds: number;
  readonly cpuSeconds: number;
}

export async function benchFiles(options: readonly string[]): Promise<void> {
  if (options[0] === 's3') return await benchS3(options.slice(1));
  if (options[0] === 'repair') return await benchRepair(options.slice(1));
  useDiskThreads(process.env);
  const { values } = parseArgs({
    args: [...options],
    options: {
      mib: { type: 'string', default: '1024' },
      small: { type: 'string', default: '20000' },
      folder: { type: 'string', default: tmpdir() },
    },
  });
  const folder = await mkdtemp(join(values.folder, 'moln-bench-files-'));
  try {
    await large(folder, Math.ceil((Number(values.mib) * MIB) / CHUNK_BYTES));
    await small(folder, Number(values.small));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function large(folder: string, chunks: number): Promise<void> {
  const mib = (chunks * CHUNK_BYTES) / MIB;
  const say = (what: string, cost: Cost, beside?: Cost): void => {
    const ratio =
      beside === undefined ? '' : `, ${(beside.seconds / cost.seconds).toFixed(2)} of it`;
    const perCpu = Math.round(mib / cost.cpuSeconds);
    console.log(
      `${what.padEnd(48)} ${Math.round(mib / cost.seconds)} MiB/s, ${perCpu} MiB per CPU second${ratio}`,
    );
  };
  const raw = join(folder, 'raw');
  const written = await costOf(() => writeRaw([raw], chunks));
  say('disk: written, synced', written);
  const twice = await costOf(() => writeRaw([`${raw}1`, `${raw}2`], chunks));
  say('disk: written twice, synced', twice);
  // Memory that a virtual machine has not used lately costs it more than the write: what follows finds that of these.
  await Promise.all([rm(`${raw}1`), rm(`${raw}2`)]);
  await using one = await BlobNode.start({ folders: [join(folder, 'a')] });
  const put = await costOf(() => putChunks([one.store], chunkIds(chunks)));
  say('storage node: put', put, written);
  await using other = await BlobNode.start({ folders: [join(folder, 'b')] });
  const both = await costOf(() => putChunks([one.store, other.store], chunkIds(chunks, chunks)));
  say('storage nodes: put, two copies', both, twice);
  const read = await costOf(() => readRaw(raw));
  say('disk: read, SHA-256', read);
  say('storage node: get', await costOf(() => getChunks(one.store, chunks)), read);
}

async function small(folder: string, count: number): Promise<void> {
  await using one = await BlobNode.start({ folders: [join(folder, 'c')] });
  await using other = await BlobNode.start({ folders: [join(folder, 'd')] });
  await using first = await ServedBlobs.start();
  await using second = await ServedBlobs.start();
  const rows: readonly [string, readonly BlobStore[]][] = [
    ['one copy', [one.store]],
    ['two copies', [one.store, other.store]],
    ['two copies over HTTP, all in this process', [first.store, second.store]],
  ];
  for (const [row, [name, stores]] of rows.entries()) {
    const ids = Array.from({ length: count }, (_, i) => blobId(row * count + i));
    const bytes = Buffer.alloc(SMALL_BYTES, 'x');
    const options = putOptions({ length: SMALL_BYTES, maxBytes: SMALL_BYTES });
    const put = await costOf(() =>
      spread(ids, CLIENTS, (id) =>
        Promise.all(stores.map((store) => store.put(id, pieces(bytes), options))),
      ),
    );
    const [reader] = stores;
    const get = await costOf(() =>
      spread(ids, CLIENTS, async (id) => {
        if (reader !== undefined) await drain((await reader.get(id)).body);
      }),
    );
    const perSecond = ({ seconds }: Cost): number => Math.round(count / seconds);
    const each = ({ cpuSeconds }: Cost): number => Math.round((cpuSeconds * 1e6) / count);
    console.log(
      `4 KiB, ${CLIENTS} clients, ${name}: ${perSecond(put)} puts/s (${each(put)} µs of CPU each), ` +
        `${perSecond(get)} gets/s (${each(get)} µs)`,
    );
  }
}

async function costOf(work: () => Promise<unknown>): Promise<Cost> {
  const start = performance.now();
  const cpu = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(cpu);
  return { seconds: (performance.now() - start) / 1000, cpuSeconds: (user + system) / 1e6 };
}

/** As a plain program would: large writes, one sync at the end. */
async function writeRaw(paths: readonly string[], chunks: number): Promise<void> {
  const bytes = Buffer.alloc(MIB, 'x');
  const files = await Promise.all(paths.map((path) => open(path, 'w')));
  for (let i = 0; i < (chunks * CHUNK_BYTES) / MIB; i++) {
    await Promise.all(files.map((file) => file.write(bytes)));
  }
  await Promise.all(files.map((file) => file.datasync()));
  await Promise.all(files.map((file) => file.close()));
}

async function readRaw(path: string): Promise<string> {
  await using file = await open(path, 'r');
  const hash = createHash('sha256');
  const bytes = Buffer.alloc(MIB);
  for (;;) {
    const { bytesRead } = await file.read(bytes, 0, MIB);
    if (bytesRead === 0) return hash.digest('hex');
    hash.update(bytes.subarray(0, bytesRead));
  }
}

async function putChunks(stores: readonly BlobStore[], ids: readonly string[]): Promise<void> {
  const bytes = Buffer.alloc(CHUNK_BYTES, 'x');
  const options = putOptions({ length: CHUNK_BYTES, maxBytes: CHUNK_BYTES });
  const ending: Promise<unknown>[] = [];
  for (const id of ids) {
    const { ended } = await putBoth(stores, id, bytes, options);
    ending.push(ended);
    if (ending.length > BLOCKS_ENDING_MAX) await ending.shift();
  }
  await Promise.all(ending);
}

/** As `src/files/content.ts` writes a block to storages of its own node: resolves when it has come, and `ended` when it is durable. */
async function putBoth(
  stores: readonly BlobStore[],
  id: string,
  bytes: Buffer,
  options: PutOptions,
): Promise<{ readonly ended: Promise<unknown> }> {
  const feed = new BlockFeed();
  const { sums } = feed;
  const put = sums === undefined ? options : { ...options, sums };
  const puts = stores.map((store) => store.put(id, feed.join() ?? pieces(bytes), put));
  for await (const piece of pieces(bytes)) await feed.push(piece);
  feed.end();
  return { ended: Promise.all(puts) };
}

async function getChunks(store: BlobStore, chunks: number): Promise<void> {
  for (const id of chunkIds(chunks)) await drain((await store.get(id)).body);
}

/** Behind so many others: a blob that is put over another one costs the removal of that. */
function chunkIds(chunks: number, behind = 0): readonly string[] {
  return Array.from({ length: chunks }, (_, i) => blobId(behind + i));
}

async function* pieces(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    yield await Promise.resolve(bytes.subarray(at, at + PIECE_BYTES));
  }
}

async function drain(body: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const piece of body) giveBack(piece);
}

/** So many at once. */
async function spread(
  ids: readonly string[],
  together: number,
  work: (id: string) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const one = async (): Promise<void> => {
    for (let id = ids[next++]; id !== undefined; id = ids[next++]) await work(id);
  };
  await Promise.all(Array.from({ length: together }, one));
}
