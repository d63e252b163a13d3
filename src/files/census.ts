/**
 * How many blocks have how many of the copies that their buckets want, counted in the catalogue: what repair found when it looked last does
 * not know what was written since.
 */
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { CatalogueLink } from './catalogue-link.ts';
import { CENSUS_EVERY_MS, CENSUS_SETS_MAX, CENSUS_TIMES, LOOK_WITHIN_MS } from './limits.ts';
import { atMost } from './patience.ts';
import { asItCanBe, judge, type Place } from './placement.ts';
import { parsePolicy } from './policy.ts';
import { text } from './rows.ts';

/** Blocks that want and have the same number of copies. */
export interface CopyCount {
  readonly wanted: number;
  /** In places that are not lost, and not being emptied. */
  readonly valid: number;
  readonly blocks: number;
  readonly bytes: number;
}

export interface Census {
  readonly countedAt: number;
  /** By wanted, then valid. */
  readonly counts: readonly CopyCount[];
  /** Blocks whose policy is not met; copies may also be in the wrong places. */
  readonly lacking: { readonly blocks: number; readonly bytes: number };
}

/** Blocks of a bucket that lie in the same places. */
export interface BlockGroup {
  readonly policy: string;
  readonly places: readonly string[];
  readonly blocks: number;
  readonly bytes: number;
}

export interface BlockCensusOptions {
  readonly link: CatalogueLink;
  readonly places: { all(): readonly Place[] };
  readonly clock: Clock;
  readonly log: Logger;
}

const SETS_OF_BUCKET = `SELECT places, count(*), sum(length) FROM (
    SELECT k.length AS length, group_concat(c.place, ' ') AS places
    FROM chunk k LEFT JOIN copy c ON c.bucket = k.bucket AND c.cid = k.cid AND c.bucket = ?
    WHERE k.bucket = ? GROUP BY k.fid, k.idx)
  GROUP BY places LIMIT ${CENSUS_SETS_MAX}`;

export class BlockCensus {
  readonly #options: BlockCensusOptions;
  #known: Census | undefined;
  #counting: Promise<void> | undefined;
  #dueMs = -Infinity;

  constructor(options: BlockCensusOptions) {
    this.#options = options;
  }

  /** What was counted last; undefined before the first time. It is counted anew meanwhile when that is long ago. */
  get known(): Census | undefined {
    this.#countIfDue();
    return this.#known;
  }

  /** As `known`, after waiting a little for a count that is under way. */
  async recent(): Promise<Census | undefined> {
    const { clock } = this.#options;
    this.#countIfDue();
    if (this.#counting !== undefined) await atMost(clock, LOOK_WITHIN_MS, this.#counting);
    return this.#known;
  }

  #countIfDue(): void {
    const { clock, log } = this.#options;
    const startMs = clock.monotonicMs();
    if (this.#counting !== undefined || startMs < this.#dueMs) return;
    this.#counting = this.#count()
      .catch((error: unknown) =>
        log.warn('The copies of blocks could not be counted', { why: messageOf(error) }),
      )
      .finally(() => {
        const nowMs = clock.monotonicMs();
        this.#dueMs = nowMs + Math.max(CENSUS_EVERY_MS, CENSUS_TIMES * (nowMs - startMs));
        this.#counting = undefined;
      });
  }

  async #count(): Promise<void> {
    const { link, places, clock } = this.#options;
    const countedAt = clock.now();
    const groups: BlockGroup[] = [];
    for (const [name, policy] of await link.all('SELECT bucket, policy FROM bucket', [])) {
      const bucket = text(name);
      for (const [sets, blocks, bytes] of await link.all(SETS_OF_BUCKET, [bucket, bucket]))
        groups.push({
          policy: text(policy),
          places: typeof sets === 'string' ? sets.split(' ') : [],
          blocks: Number(blocks),
          bytes: Number(bytes),
        });
    }
    this.#known = { countedAt, ...tally(groups, places.all()) };
  }
}

/** Pure. */
export function tally(
  groups: readonly BlockGroup[],
  all: readonly Place[],
): Pick<Census, 'counts' | 'lacking'> {
  const counts = new Map<string, CopyCount>();
  const lacking = { blocks: 0, bytes: 0 };
  for (const { policy: words, places, blocks, bytes } of groups) {
    const policy = asItCanBe(parsePolicy(words), all);
    const having = all.filter(({ id }) => places.includes(id));
    const wanted = policy.slots.length;
    const valid = having.filter(({ state }) => state !== 'lost' && state !== 'drain').length;
    const key = `${wanted} ${valid}`;
    const before = counts.get(key);
    counts.set(key, {
      wanted,
      valid,
      blocks: blocks + (before?.blocks ?? 0),
      bytes: bytes + (before?.bytes ?? 0),
    });
    if (judge(policy, having).isSatisfied) continue;
    lacking.blocks += blocks;
    lacking.bytes += bytes;
  }
  const sorted = [...counts.values()].toSorted(
    (one, other) => one.wanted - other.wanted || one.valid - other.valid,
  );
  return { counts: sorted, lacking };
}
