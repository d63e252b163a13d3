/**
 * How many blocks have how many of the copies that their buckets want, counted in the catalogue: what repair found when it looked last does
 * not know what was written since.
 */
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import { shareCount } from '../erasure/erasure.ts';
import type { CatalogueLink } from './catalogue-link.ts';
import { CENSUS_EVERY_MS, CENSUS_SETS_MAX, CENSUS_TIMES, LOOK_WITHIN_MS } from './limits.ts';
import { atMost } from './patience.ts';
import { asItCanBe, judge, type Place } from './placement.ts';
import { marksOf } from './lookups.ts';
import { parsePolicy } from './policy.ts';
import { text } from './rows.ts';
import { readCode } from './shares.ts';

/** Blocks that want and have the same number of copies, or of shares. */
export interface CopyCount {
  /** `4+2`: these lie as shares, and shares are counted. */
  readonly code?: string;
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

/** Blocks that lie as shares, of which as many count. */
export type ShareGroup = Required<Omit<CopyCount, 'wanted'>>;

export interface BlockCensusOptions {
  readonly link: CatalogueLink;
  readonly places: { all(): readonly Place[] };
  readonly clock: Clock;
  readonly log: Logger;
}

const SETS_OF_BUCKET = `SELECT places, count(*), sum(length) FROM (
    SELECT k.length AS length, group_concat(c.place, ' ') AS places
    FROM chunk k LEFT JOIN copy c ON c.bucket = k.bucket AND c.cid = k.cid AND c.bucket = ?
    LEFT JOIN coded o ON o.bucket = k.bucket AND o.cid = k.cid AND o.bucket = ?
    WHERE k.bucket = ? AND o.cid IS NULL GROUP BY k.fid, k.idx)
  GROUP BY places LIMIT ${CENSUS_SETS_MAX}`;

/** As `shareRange` names them. Sets of places would be too many: those that count are given. */
const sharesOfBucket = (
  valid: readonly string[],
): string => `SELECT code, valid, count(*), sum(length) FROM (
    SELECT o.code AS code, k.length AS length, count(DISTINCT c.cid) AS valid
    FROM chunk k JOIN coded o ON o.bucket = k.bucket AND o.cid = k.cid AND o.bucket = ?
    LEFT JOIN copy c ON c.bucket = k.bucket AND c.bucket = ? AND c.place IN (${marksOf(valid)})
      AND c.cid >= substr(k.cid, 1, 24) || '8' || substr(k.cid, 28) || '00'
      AND c.cid <= substr(k.cid, 1, 24) || '8' || substr(k.cid, 28) || 'ff'
    WHERE k.bucket = ? GROUP BY k.fid, k.idx)
  GROUP BY code, valid`;

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
    const shares: ShareGroup[] = [];
    const all = places.all();
    // No place has the last one: a list may not be empty.
    const valid = [...all.filter(isValid).map(({ id }) => id), ''];
    for (const [name, policy] of await link.all('SELECT bucket, policy FROM bucket', [])) {
      const bucket = text(name);
      for (const [sets, blocks, bytes] of await link.all(SETS_OF_BUCKET, [bucket, bucket, bucket]))
        groups.push({
          policy: text(policy),
          places: typeof sets === 'string' ? sets.split(' ') : [],
          blocks: Number(blocks),
          bytes: Number(bytes),
        });
      const isCoded = await link.one('SELECT 1 FROM coded WHERE bucket = ? LIMIT 1', [bucket]);
      if (isCoded === undefined) continue;
      const args = [bucket, bucket, ...valid, bucket];
      for (const [code, many, blocks, bytes] of await link.all(sharesOfBucket(valid), args))
        shares.push({
          code: text(code),
          valid: Number(many),
          blocks: Number(blocks),
          bytes: Number(bytes),
        });
    }
    this.#known = { countedAt, ...tally(groups, all, shares) };
  }
}

/** Pure. */
export function tally(
  groups: readonly BlockGroup[],
  all: readonly Place[],
  shares: readonly ShareGroup[] = [],
): Pick<Census, 'counts' | 'lacking'> {
  const counts = new Map<string, CopyCount>();
  const lacking = { blocks: 0, bytes: 0 };
  const add = (key: string, count: CopyCount): void => {
    const before = counts.get(key);
    counts.set(key, {
      ...count,
      blocks: count.blocks + (before?.blocks ?? 0),
      bytes: count.bytes + (before?.bytes ?? 0),
    });
  };
  const lacks = ({ blocks, bytes }: Pick<CopyCount, 'blocks' | 'bytes'>): void => {
    lacking.blocks += blocks;
    lacking.bytes += bytes;
  };
  for (const { policy: words, places, blocks, bytes } of groups) {
    const policy = asItCanBe(parsePolicy(words), all);
    const having = all.filter(({ id }) => places.includes(id));
    const wanted = policy.slots.length;
    const valid = having.filter(isValid).length;
    add(`${wanted} ${valid}`, { wanted, valid, blocks, bytes });
    if (!judge(policy, having).isSatisfied) lacks({ blocks, bytes });
  }
  for (const group of shares) {
    const wanted = shareCount(readCode(group.code));
    add(`${group.code} ${group.valid}`, { ...group, wanted });
    if (group.valid < wanted) lacks(group);
  }
  const sorted = [...counts.values()].toSorted(
    (one, other) => one.wanted - other.wanted || one.valid - other.valid,
  );
  return { counts: sorted, lacking };
}

function isValid({ state }: Place): boolean {
  return state !== 'lost' && state !== 'drain';
}
