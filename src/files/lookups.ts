/**
 * Questions for one row by its key, of many clients at a time: those of one bucket that wait go together in one statement, for each
 * statement costs the catalogue about the same.
 */
import type { CatalogueLink, Row } from './catalogue-link.ts';
import { LOOKUPS_AT_A_TIME, LOOKUPS_TOGETHER_MAX } from './limits.ts';
import { text, VERSION_COLUMNS, versionOf, type VersionRow } from './rows.ts';

export interface FoundVersion {
  readonly row: VersionRow;
  /** Ids of near places that have its first block; undefined when none of them has. */
  readonly places: readonly string[] | undefined;
}

/** In no id of a place. */
const BETWEEN = '\n';
/**
 * Of the block that `blockId(fid, 0)` is the id of. The places are named, for a question that gives the whole key is answered at once,
 * and any other by another process.
 */
const placesIn = (places: readonly string[]): string =>
  `(SELECT group_concat(place, char(${BETWEEN.charCodeAt(0)})) FROM copy
    WHERE bucket = ? AND cid = fid || '00000000' AND place IN (${marksOf(places)}))`;

type Load = (
  bucket: string,
  keys: readonly string[],
) => Promise<ReadonlyMap<string, readonly Row[]>>;

export class Lookups {
  readonly #current: KeyedBatches;
  readonly #places: KeyedBatches;

  /** `near`: ids of the places that copies are looked for in. */
  constructor(link: CatalogueLink, near: () => readonly string[]) {
    // No place has this one.
    const asked = (): readonly string[] => {
      const known = near();
      return known.length === 0 ? [''] : known;
    };
    this.#current = new KeyedBatches(async (bucket, keys) => {
      const places = asked();
      const rows = await link.all(
        `SELECT ${VERSION_COLUMNS}, ${placesIn(places)} FROM object WHERE bucket = ? AND key IN (${marksOf(keys)})`,
        [bucket, ...places, bucket, ...keys],
      );
      return Map.groupBy(rows, ([key]) => text(key));
    });
    this.#places = new KeyedBatches(async (bucket, cids) => {
      const places = asked();
      const rows = await link.all(
        `SELECT cid, place FROM copy WHERE bucket = ? AND cid IN (${marksOf(cids)}) AND place IN (${marksOf(places)})`,
        [bucket, ...cids, ...places],
      );
      return Map.groupBy(rows, ([cid]) => text(cid));
    });
  }

  /** The newest version, and where its bytes begin: most objects are one block, and are read with this one question. */
  async current(bucket: string, key: string): Promise<FoundVersion | undefined> {
    const [row] = await this.#current.get(bucket, key);
    if (row === undefined) return undefined;
    const places = row.at(-1);
    return {
      row: versionOf(row),
      places: typeof places === 'string' ? places.split(BETWEEN) : undefined,
    };
  }

  /** Ids of the near places that have a block. */
  async places(bucket: string, cid: string): Promise<readonly string[]> {
    return (await this.#places.get(bucket, cid)).map(([, place]) => text(place));
  }
}

export function marksOf(values: readonly unknown[]): string {
  return `?${', ?'.repeat(values.length - 1)}`;
}

interface Waiting {
  readonly key: string;
  readonly resolve: (rows: readonly Row[]) => void;
  readonly reject: (error: unknown) => void;
}

interface Questions {
  readonly waiting: Waiting[];
  underWay: number;
  isDue: boolean;
}

class KeyedBatches {
  readonly #load: Load;
  readonly #buckets = new Map<string, Questions>();

  constructor(load: Load) {
    this.#load = load;
  }

  async get(bucket: string, key: string): Promise<readonly Row[]> {
    const { promise, resolve, reject } = Promise.withResolvers<readonly Row[]>();
    const own = this.#buckets.get(bucket) ?? { waiting: [], underWay: 0, isDue: false };
    this.#buckets.set(bucket, own);
    own.waiting.push({ key, resolve, reject });
    this.#soon(bucket, own);
    return await promise;
  }

  /** Whoever asks in this turn of the event loop goes along. */
  #soon(bucket: string, own: Questions): void {
    if (own.isDue || own.underWay >= LOOKUPS_AT_A_TIME) return;
    own.isDue = true;
    setImmediate(() => {
      own.isDue = false;
      this.#next(bucket);
    });
  }

  #next(bucket: string): void {
    const own = this.#buckets.get(bucket);
    if (own === undefined || own.underWay >= LOOKUPS_AT_A_TIME) return;
    const taken = own.waiting.splice(0, LOOKUPS_TOGETHER_MAX);
    if (taken.length === 0) {
      if (own.underWay === 0) this.#buckets.delete(bucket);
      return;
    }
    own.underWay += 1;
    void this.#together(bucket, taken).finally(() => {
      own.underWay -= 1;
      this.#next(bucket);
    });
  }

  async #together(bucket: string, taken: readonly Waiting[]): Promise<void> {
    try {
      const found = await this.#load(bucket, [...new Set(taken.map(({ key }) => key))]);
      for (const { key, resolve } of taken) resolve(found.get(key) ?? []);
    } catch (error) {
      for (const { reject } of taken) reject(error);
    }
  }
}
