/** How much of a stripe's log is not trimmed yet, as far as this term appended it, and what follows from that for who writes. */
import { BUCKET_ENTRIES } from './log-keys.ts';

export type Pressure =
  | { readonly kind: 'none' }
  /** Trimming does not keep up: each group waits so long. */
  | { readonly kind: 'slow'; readonly pauseMs: number }
  /** Nothing more is taken until it is trimmed. */
  | { readonly kind: 'full' };

/** At this part of the limit primaries begin to slow down. */
const SLOW_FROM = 0.5;
const PAUSE_MS_MAX = 50;

export function pressureOf(bytes: number, bytesMax: number): Pressure {
  if (bytes >= bytesMax) return { kind: 'full' };
  const over = bytes / bytesMax - SLOW_FROM;
  if (over <= 0) return { kind: 'none' };
  return { kind: 'slow', pauseMs: Math.ceil((PAUSE_MS_MAX * over) / (1 - SLOW_FROM)) };
}

export class LogGauge {
  /** By bucket, which is what a log is trimmed by. */
  readonly #buckets = new Map<number, number>();
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  add(index: number, bytes: number): void {
    const bucket = Math.floor(index / BUCKET_ENTRIES);
    this.#buckets.set(bucket, (this.#buckets.get(bucket) ?? 0) + bytes);
    this.#bytes += bytes;
  }

  /** The log begins with entry `start` now. */
  trimmed(start: number): void {
    for (const [bucket, bytes] of this.#buckets) {
      if ((bucket + 1) * BUCKET_ENTRIES > start) continue;
      this.#buckets.delete(bucket);
      this.#bytes -= bytes;
    }
  }
}
