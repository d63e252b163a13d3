/** One blob, a block or a share of one, from the nearest of the places that have it. */
import { isMolnError, messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Places } from './block-writer.ts';
import type { Range } from './model.ts';
import { nearest } from './nearest.ts';

export interface CopyReaderOptions {
  readonly places: Omit<Places, 'look'>;
  /** A copy that was read is damaged or gone. */
  readonly onBadCopy?: ((bucket: string, cid: string, place: string) => void) | undefined;
  readonly log: Logger;
}

export interface ReadEnd {
  /** Behind the last byte that was given. */
  readonly at: number;
  /** Of the last place that did not give what it should. */
  readonly why: string | undefined;
}

export class CopyReader {
  readonly #options: CopyReaderOptions;

  constructor(options: CopyReaderOptions) {
    this.#options = options;
  }

  /** Whether one of these places answered lately: others cost time to find out. */
  isUp(ids: readonly string[]): boolean {
    return this.#options.places
      .all()
      .some(({ id, state }) => ids.includes(id) && state !== 'away' && state !== 'lost');
  }

  /** When one breaks off, the next goes on where it was. Ends before the range does when none is left. */
  async *read(
    bucket: string,
    cid: string,
    range: Range,
    ids: readonly string[],
  ): AsyncGenerator<Uint8Array, ReadEnd> {
    const { places, log, onBadCopy } = this.#options;
    let at = range.start;
    let why: string | undefined;
    for (const place of nearest(places, ids)) {
      try {
        const blobs = places.blobs(place.id);
        if (blobs === undefined) continue;
        const { body } = await blobs.get(cid, { start: at, end: range.end });
        for await (const piece of body) {
          at += piece.length;
          yield piece;
        }
        if (at === range.end) break;
        why = `${place.name} has less of it`;
      } catch (error) {
        why = `${place.name}: ${messageOf(error)}`;
        log.warn('A copy could not be read', { cid, place: place.id, why: messageOf(error) });
        const isBad = isMolnError(error, 'BLOBS_CORRUPT') || isMolnError(error, 'BLOBS_MISSING');
        if (isBad) onBadCopy?.(bucket, cid, place.id);
        else places.suspect(place.id);
      }
    }
    return { at, why };
  }

  /** All of the range, or undefined. */
  async bytes(
    bucket: string,
    cid: string,
    range: Range,
    ids: readonly string[],
  ): Promise<Buffer | undefined> {
    const pieces: Uint8Array[] = [];
    const reading = this.read(bucket, cid, range, ids);
    for (;;) {
      const { done, value } = await reading.next();
      if (done !== true) pieces.push(value);
      else return value.at === range.end ? Buffer.concat(pieces) : undefined;
    }
  }
}
