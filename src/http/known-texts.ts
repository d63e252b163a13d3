/**
 * Texts that come again and again in heads (hosts, targets), each as one string: found by its bytes, without making it anew. A
 * string that is met again is also cheap to look up, since V8 knows its hash. One place for each hash: a newcomer takes it.
 */
import { latin1 } from './latin1.ts';

/** A power of two. */
const PLACES = 512;
/** Longer ones are made anew each time. */
const BYTES_MAX = 160;
/** What `place` is for those. */
export const NO_PLACE = -1;
/** Of FNV-1a. */
const HASH_START = 0x811c9dc5 | 0;
const HASH_FACTOR = 0x01000193;

export class KnownTexts {
  static readonly places: number = PLACES;
  /** Of the text that was found last, below `places`. */
  place: number = NO_PLACE;
  private readonly texts: string[] = Array.from({ length: PLACES }, () => '');

  /** The bytes `from..to` as latin1. */
  find(buffer: Buffer, from: number, to: number): string {
    if (to - from > BYTES_MAX) {
      this.place = NO_PLACE;
      return latin1(buffer, from, to);
    }
    let hash = HASH_START;
    for (let at = from; at < to; at++) hash = Math.imul(hash ^ (buffer[at] ?? 0), HASH_FACTOR);
    const place = (hash ^ (hash >>> 15)) & (PLACES - 1);
    this.place = place;
    const known = this.texts[place] ?? '';
    if (isSame(known, buffer, from, to)) return known;
    const text = latin1(buffer, from, to);
    this.texts[place] = text;
    return text;
  }
}

function isSame(text: string, buffer: Buffer, from: number, to: number): boolean {
  if (text.length !== to - from) return false;
  for (let at = from; at < to; at++) if (text.charCodeAt(at - from) !== buffer[at]) return false;
  return true;
}
