/**
 * What a place for stored answers must do, and what is stored. A tier maps a key to its variants and may lose any key at
 * any time, but never a part of one: whatever it hands out under a key is all that it was last told.
 */
import type { Body } from './body.ts';
import type { Candidates } from './decide.ts';
import type { Entry } from './entry.ts';

/** A stored answer. Never changed; what takes its place is another one, with the same body if that stays. */
export class Stored {
  readonly key: string;
  readonly entry: Entry;
  readonly body: Body;
  /** When its upstream was asked, as a number that only grows; a purge covers what has a lower one. */
  readonly stamp: number;
  /** So many purges, counted by who purges, are known not to cover it. */
  clearedPurges = 0;

  constructor(key: string, entry: Entry, body: Body, stamp: number) {
    this.key = key;
    this.entry = entry;
    this.body = body;
    this.stamp = stamp;
  }

  with(entry: Entry): Stored {
    return new Stored(this.key, entry, this.body, this.stamp);
  }
}

/** One variant, or several; never none. */
export type Variants = Exclude<Candidates<Stored>, undefined>;

export interface TierStats {
  readonly keys: number;
  readonly bytes: number;
  readonly bytesMax: number;
  readonly hits: number;
  readonly misses: number;
  /** Keys given up to make room. */
  readonly evicted: number;
  /** What could not be written, read or trusted. */
  readonly failures: number;
}

export interface Tier extends AsyncDisposable {
  readonly name: string;
  readonly stats: TierStats;
  /** False: certainly not there. Cheap and without waiting. */
  mayHold(key: string): boolean;
  /** All variants under the key. At once if that is possible, and never with an error. */
  find(key: string): Variants | undefined | Promise<Variants | undefined>;
  /**
   * From now on these are what is under the key, none of them to remove it. The old ones are never found again, whether or not the new ones could
   * be stored; the promise, if there is one, resolves when this would survive the end of the process.
   */
  set(key: string, variants: readonly Stored[]): void | Promise<void>;
  /** Removes everything. */
  clear(): void | Promise<void>;
}

export function asVariants(list: readonly Stored[]): Variants | undefined {
  return list.length > 1 ? list : list[0];
}
