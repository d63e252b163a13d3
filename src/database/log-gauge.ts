/** How much of a stripe's log is not trimmed yet, as far as this term appended it, and what follows from that for who writes. */

export type Pressure =
  | { readonly kind: 'none' }
  /** Trimming does not keep up: each group waits so long. */
  | { readonly kind: 'slow'; readonly pauseMs: number }
  /** Nothing more is taken until it is trimmed. */
  | { readonly kind: 'full' };

/** At this part of the limit primaries begin to slow down. */
const SLOW_FROM = 0.5;
/**
 * Half of the way from there to the limit. It grows with the square of how near that is, so that groups of 256 KiB take 9 minutes from
 * half of 256 MiB to the whole: a large file's snapshot takes minutes, and to wait is better than to be refused.
 */
const PAUSE_MS = 50;
const PAUSE_MS_MAX = 10_000;

export function pressureOf(bytes: number, bytesMax: number): Pressure {
  if (bytes >= bytesMax) return { kind: 'full' };
  const over = bytes - bytesMax * SLOW_FROM;
  if (over <= 0) return { kind: 'none' };
  const pauseMs = Math.ceil(PAUSE_MS * (over / (bytesMax - bytes)) ** 2);
  return { kind: 'slow', pauseMs: Math.min(pauseMs, PAUSE_MS_MAX) };
}

/** Entries are counted together until they make so much. */
const PIECE_BYTES: number = 64 * 1024;

export class LogGauge {
  readonly #pieces: { last: number; bytes: number }[] = [];
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  add(index: number, bytes: number): void {
    this.#bytes += bytes;
    const newest = this.#pieces.at(-1);
    if (newest === undefined || newest.bytes >= PIECE_BYTES)
      this.#pieces.push({ last: index, bytes });
    else Object.assign(newest, { last: index, bytes: newest.bytes + bytes });
  }

  /** The log begins with entry `start` now. */
  trimmed(start: number): void {
    const kept = this.#pieces.findIndex(({ last }) => last >= start);
    const gone = this.#pieces.splice(0, kept < 0 ? this.#pieces.length : kept);
    for (const { bytes } of gone) this.#bytes -= bytes;
  }
}
