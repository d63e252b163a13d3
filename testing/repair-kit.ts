/** What works behind the files of a kit, by itself; and a process of it that ends after some steps. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { silentLogger } from '../src/base/log.ts';
import { type Clock, systemClock } from '../src/base/time.ts';
import type { BlobStore } from '../src/blobs/blobs.ts';
import { BlockCoder } from '../src/files/block-coder.ts';
import { FIRST_MARK, readBlocks } from '../src/files/blocks.ts';
import type { CatalogueLink } from '../src/files/catalogue-link.ts';
import { Collector } from '../src/files/collector.ts';
import { Copies, type CopyPlaces } from '../src/files/copies.ts';
import { Repair } from '../src/files/repair.ts';
import type { PlacedBlock } from '../src/files/share-plan.ts';
import type { FileKit } from './file-kit.ts';

const log = silentLogger;
const clock = systemClock;

/** A body. */
export async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes);
}

/** SHA-256. */
export async function hashOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of body) hash.update(piece);
  return hash.digest('hex');
}

export interface Worked {
  readonly copies: Copies;
  readonly coder: BlockCoder;
  readonly repair: Repair;
  readonly collector: Collector;
  /** Until nothing is left to do. */
  readonly settle: () => Promise<void>;
}

/** What works behind the files of a kit; `link` and `blobs` may be those of a process that is about to end. */
export function workers(
  kit: FileKit,
  {
    link,
    blobs,
    repairClock = clock,
  }: {
    link: CatalogueLink;
    blobs: (id: string) => BlobStore | undefined;
    repairClock?: Clock;
  },
): Worked {
  const { sessions, places: known } = kit.parts();
  const places: CopyPlaces = {
    ...known,
    background: blobs,
    copy: async (cid, { from, to, maxBytes, allocSeq }) => {
      const [source, target] = [blobs(from), blobs(to)];
      const stat = await source?.stat(cid);
      if (source === undefined || target === undefined || stat === undefined)
        throw new Error('It is not there');
      const { body } = await source.get(cid);
      return await target.put(cid, body, { ...stat.meta, maxBytes, allocSeq });
    },
  };
  const options = { link, places, sessions, clock, log };
  const copies = new Copies({ ...options, clock: repairClock });
  const coder = new BlockCoder({ ...options, copies });
  const views = [...kit.places.values()].map(({ id, state }) => ({ id, state }));
  const repair = new Repair({
    link,
    places: {
      all: () => known.all(),
      views: () =>
        views.map((view) => ({
          ...view,
          usage: undefined,
          isLeaving: false,
          isForgotten: false,
        })),
    },
    copies,
    coder,
    isFirst: () => true,
    setState: () => Promise.resolve(),
    onWake: () => undefined,
    clock: repairClock,
  });
  const collector = new Collector({
    link,
    places: { views: () => [...kit.places.values()], blobs },
    copies,
    onMissing: () => repair.wake(),
    clock,
    log,
  });
  const { signal } = new AbortController();
  const settle = async (): Promise<void> => {
    do {
      repair.wake();
      while ((await repair.step(signal)).kind === 'busy');
      while (await collector.step());
    } while (repair.state().isRunning);
  };
  return { copies, coder, repair, collector, settle };
}

/** The first ones, all in a test. */
export async function blocksOf(kit: FileKit, bucket: string): Promise<readonly PlacedBlock[]> {
  return (await readBlocks(kit.link, bucket, FIRST_MARK)).blocks;
}

/** How many places have it, or each of its shares. */
export function heldTimes({ places, coded }: PlacedBlock): string {
  const shares = coded?.places.map(({ length }) => length).join('+');
  return shares === undefined ? `${places.length}` : `${places.length} ${shares}`;
}

/** Storages have what the catalogue says, once the sessions of now are over, and nothing else of this bucket. */
export async function assertTidy(
  kit: FileKit,
  bucket: string,
  collector: Collector,
): Promise<void> {
  await kit.link.run([{ sql: "UPDATE session SET open = 0 WHERE bucket = ''" }]);
  await collector.takeInventory();
  const rows = await kit.link.all('SELECT cid, place FROM copy', []);
  const wanted = rows.map((row) => row.join(' ')).toSorted();
  const seen: string[] = [];
  for (const [place, blobs] of kit.blobs)
    for (const { id } of await blobs.list(undefined, 1000)) seen.push(`${id} ${place}`);
  assert.deepEqual(seen.toSorted(), wanted, bucket);
  assert.deepEqual(await kit.link.all('SELECT cid FROM alloc', []), []);
}

/** A process that ends after so many steps: the last one is done, and nobody hears of it. */
export class Dying {
  isDead = false;
  #left: number;

  constructor(steps: number) {
    this.#left = steps;
  }

  link(link: CatalogueLink): CatalogueLink {
    const read: CatalogueLink['read'] = (...args) => this.#step(() => link.read(...args));
    const some = {
      read,
      all: async (sql: string, args: Parameters<CatalogueLink['all']>[1]) =>
        (await read([{ sql, args }]))[0] ?? [],
      one: async (sql: string, args: Parameters<CatalogueLink['one']>[1]) =>
        (await read([{ sql, args }]))[0]?.[0],
      run: (...args: Parameters<CatalogueLink['run']>) =>
        this.#step(() => link.run(...args), 'changes'),
      transaction: <T>(...args: Parameters<typeof link.transaction<T>>): Promise<T> =>
        this.#step(() => link.transaction<T>(...args), 'changes'),
    };
    return some as unknown as CatalogueLink;
  }

  blobs(store: BlobStore | undefined): BlobStore | undefined {
    if (store === undefined) return undefined;
    const some: Partial<BlobStore> = {
      put: (...args) => this.#step(() => store.put(...args), 'changes'),
      delete: (...args) => this.#step(() => store.delete(...args), 'changes'),
      get: (...args) => this.#step(() => store.get(...args)),
      stat: (...args) => this.#step(() => store.stat(...args)),
      verify: (...args) => this.#step(() => store.verify(...args)),
    };
    return some as BlobStore;
  }

  async #step<T>(work: () => Promise<T>, kind?: 'changes'): Promise<T> {
    if (this.isDead) throw new Error('It was killed');
    if (kind === undefined) return await work();
    this.#left -= 1;
    const isLast = this.#left === 0;
    if (isLast) this.isDead = true;
    const result = await work();
    if (isLast) throw new Error('It was killed');
    return result;
  }
}
