/** What is said of a stored answer beside what is stored: its age, and what the cache had to do with it. */
import { ageMs, type CacheStatus, cacheStatusLine, type Entry, freshMs } from '../cache/cache.ts';

export interface AnswerNote {
  readonly nowMs: number;
  readonly status: CacheStatus;
  readonly ageLine?: string | undefined;
  readonly isShared?: boolean | undefined;
}

/** Whole lines. */
export interface NoteLines {
  readonly age: string;
  readonly lines: string;
}

/** `name` is how the cache calls itself. */
export function noteLines(entry: Entry, on: AnswerNote, name: string): NoteLines {
  const { nowMs, status, ageLine } = on;
  return {
    age: ageLine ?? `Age: ${Math.floor(ageMs(entry, nowMs) / 1000)}\r\n`,
    lines: cacheStatusLine({ ...status, name, prior: entry.cacheStatus }),
  };
}

/** Seconds of freshness that are left. */
export function ttlOf(entry: Entry, nowMs: number): number {
  return Math.floor(freshMs(entry, nowMs) / 1000);
}
