/**
 * What all stripes of a database had at which time: the newest entry of each, as of one revision of the log, so that a transaction over
 * several is in all of them or in none. Kept as `/db/<database>/time/<ms as 16 hex digits>`, a JSON list of indexes.
 */
import type { Registry } from '../registry/registry.ts';
import { corrupt } from './errors.ts';

export interface TimeMark {
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** The newest entry that each stripe had then, by its number. */
  readonly indexes: readonly number[];
}

export class TimeMarks {
  readonly #registry: Registry;
  readonly #prefix: string;

  constructor(registry: Registry, database: string) {
    this.#registry = registry;
    this.#prefix = `/db/${database}/time/`;
  }

  /** The oldest first. */
  async list(): Promise<readonly TimeMark[]> {
    const { entries } = await this.#registry.list(this.#prefix);
    return entries.map(({ key, value }) => {
      const at = Number.parseInt(key.slice(this.#prefix.length), 16);
      const indexes = JSON.parse(Buffer.from(value).toString()) as readonly number[];
      if (!Number.isSafeInteger(at) || !Array.isArray(indexes))
        throw corrupt(`"${key}" is no mark`);
      return { at, indexes };
    });
  }

  async add({ at, indexes }: TimeMark): Promise<void> {
    const value = Buffer.from(JSON.stringify(indexes));
    await this.#registry.commit([], [{ kind: 'put', key: this.#keyOf(at), value }]);
  }

  async remove(marks: readonly TimeMark[]): Promise<void> {
    const operations = marks.map(({ at }) => ({ kind: 'delete', key: this.#keyOf(at) }) as const);
    if (operations.length > 0) await this.#registry.commit([], operations);
  }

  #keyOf(at: number): string {
    return `${this.#prefix}${at.toString(16).padStart(16, '0')}`;
  }
}

/** A mark from before a split has fewer stripes. Whether the log, with its newest snapshot, still has what the mark names; `floors`: the oldest state of each stripe that can be had. Pure. */
export function isInReach({ indexes }: TimeMark, floors: readonly number[]): boolean {
  return (
    indexes.length <= floors.length && indexes.every((index, at) => index >= (floors[at] ?? 0))
  );
}

/** The newest one that is not after `at`. Pure. */
export function markAt(marks: readonly TimeMark[], at: number): TimeMark | undefined {
  return marks.findLast((mark) => mark.at <= at);
}

/** Those that need not be kept: out of reach or of the window, and of older ones all but one in `coarseMs`. Oldest first. Pure. */
export function surplus(
  marks: readonly TimeMark[],
  options: {
    readonly now: number;
    readonly floors: readonly number[];
    readonly windowMs: number;
    readonly fineMs: number;
    readonly coarseMs: number;
  },
): readonly TimeMark[] {
  const { now, floors, windowMs, fineMs, coarseMs } = options;
  let kept = -Infinity;
  return marks.filter((mark, at) => {
    if (!isInReach(mark, floors)) return true;
    // What a quiet database has now it has had for long: the last one before the window tells what was there when it begins.
    const next = marks[at + 1];
    if (mark.at < now - windowMs) return next !== undefined && next.at <= now - windowMs;
    if (mark.at >= now - fineMs || mark.at - kept >= coarseMs) {
      kept = mark.at;
      return false;
    }
    return true;
  });
}
