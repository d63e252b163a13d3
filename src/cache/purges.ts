/**
 * Which stored answers a purge by tag, prefix or key covers. Purges are remembered and weighed when an answer is found, so that to purge
 * a million of them costs nothing; stamps say what was asked of the upstream before a purge and what after it.
 */
import type { Stored } from './tier.ts';

export type PurgeKind = 'tag' | 'prefix' | 'key';

export interface Purge {
  readonly kind: PurgeKind;
  /** A tag, the start of a key, or a key. */
  readonly value: string;
  /** What it covers becomes stale instead of vanishing. */
  readonly soft: boolean;
  /** Covers what has a lower one. */
  readonly stamp: number;
}

/** Tags remembered, and keys; the oldest makes room, and everything older than it counts as purged. */
export const PURGES_MAX = 10_000;
/** Prefixes remembered; each is compared with each answer that is older. */
export const PREFIX_PURGES_MAX = 100;

export class Purges {
  /** No purge is newer. */
  newestStamp = 0;
  /** Purges so far. */
  count = 0;
  /** What has a lower stamp is purged, since purges are forgotten that may have covered it. */
  #floorStamp = 0;
  readonly #hard = stamps();
  readonly #soft = stamps();

  add({ kind, value, soft, stamp }: Purge): void {
    const map = (soft ? this.#soft : this.#hard)[kind];
    // Behind the others: the newest.
    const known = map.get(value) ?? 0;
    map.delete(value);
    map.set(value, Math.max(stamp, known));
    this.newestStamp = Math.max(this.newestStamp, stamp);
    this.count++;
    const countMax = kind === 'tag' ? PURGES_MAX : PREFIX_PURGES_MAX;
    const [oldest] = map;
    if (map.size <= countMax || oldest === undefined) return;
    map.delete(oldest[0]);
    this.purgeOlder(oldest[1]);
  }

  /** Everything that has a lower stamp. */
  purgeOlder(stamp: number): void {
    this.#floorStamp = Math.max(this.#floorStamp, stamp);
    this.newestStamp = Math.max(this.newestStamp, stamp);
    this.count++;
  }

  /** `hard`: as if it were not there. A stamp: stale since that purge. Undefined: nothing covers it. */
  covers(stored: Stored): 'hard' | number | undefined {
    const { stamp } = stored;
    if (stored.clearedPurges === this.count) return undefined;
    if (stamp < this.#floorStamp || latest(stored, this.#hard) > stamp) return 'hard';
    const soft = latest(stored, this.#soft);
    if (soft > stamp) return soft;
    stored.clearedPurges = this.count;
    return undefined;
  }

  get floorStamp(): number {
    return this.#floorStamp;
  }

  list(): readonly Purge[] {
    return [false, true].flatMap((soft) =>
      (['tag', 'prefix', 'key'] as const).flatMap((kind) =>
        [...(soft ? this.#soft : this.#hard)[kind]].map(([value, stamp]) => ({
          kind,
          value,
          soft,
          stamp,
        })),
      ),
    );
  }
}

/** Of the last purge of each value. */
type Stamps = Readonly<Record<PurgeKind, Map<string, number>>>;

function stamps(): Stamps {
  return { tag: new Map(), prefix: new Map(), key: new Map() };
}

/** The stamp of the last purge that covers it, or 0. */
function latest({ key, entry }: Stored, purges: Stamps): number {
  let last = purges.key.get(key) ?? 0;
  for (const tag of entry.tags) last = Math.max(last, purges.tag.get(tag) ?? 0);
  for (const [prefix, stamp] of purges.prefix) {
    if (stamp > last && key.startsWith(prefix)) last = stamp;
  }
  return last;
}
