/**
 * One block's bytes on their way to several storages at once, at the pace of the slowest. A storage that fails is dropped. The beginning is
 * kept for a storage that joins later, for as long as the block is small. Each storage gives each piece back (`piece-pool.ts`).
 */
import { giveBack, share } from '../base/piece-pool.ts';
import { Sums } from '../blobs/blobs.ts';
import { QUEUED_BYTES_MAX, REPLAY_BYTES_MAX } from './limits.ts';

export class BlockFeed {
  readonly #readers = new Set<Reader>();
  #sums: Sums | undefined;
  #kept: Uint8Array[] | undefined = [];
  #bytes = 0;
  #end: { readonly error: unknown } | 'whole' | undefined;

  get bytes(): number {
    return this.#bytes;
  }

  /** Of all that passes, taken once for all storages of this process. Undefined when something has passed before the first of them asked. */
  get sums(): Sums | undefined {
    if (this.#bytes === 0) this.#sums ??= new Sums();
    return this.#sums;
  }

  /** Those that were asked for. */
  get sharedSums(): Sums | undefined {
    return this.#sums;
  }

  /** Undefined when what has passed is not there any more. */
  join(): AsyncIterable<Uint8Array> | undefined {
    if (this.#kept === undefined && this.#bytes > 0) return undefined;
    const reader = new Reader(() => this.#readers.delete(reader));
    for (const piece of this.#kept ?? []) {
      share(piece);
      void reader.push(piece);
    }
    if (this.#end === undefined) this.#readers.add(reader);
    else reader.end(this.#end);
    return reader;
  }

  /** Takes the piece over. Resolves when all have room for more. */
  async push(piece: Uint8Array): Promise<void> {
    this.#bytes += piece.length;
    this.#sums?.update(piece);
    if (this.#bytes > REPLAY_BYTES_MAX) {
      this.#kept?.forEach(giveBack);
      this.#kept = undefined;
    }
    if (this.#kept !== undefined) {
      share(piece);
      this.#kept.push(piece);
    }
    const taken = [...this.#readers].map((reader) => {
      share(piece);
      return reader.push(piece);
    });
    giveBack(piece);
    await Promise.all(taken);
  }

  end(): void {
    this.#finish('whole');
  }

  fail(error: unknown): void {
    this.#finish({ error });
  }

  #finish(end: { readonly error: unknown } | 'whole'): void {
    this.#end = end;
    for (const reader of this.#readers) reader.end(end);
    this.#readers.clear();
  }
}

class Reader implements AsyncIterableIterator<Uint8Array> {
  readonly #queue: Uint8Array[] = [];
  readonly #onLeave: () => void;
  #bytes = 0;
  #end: { readonly error: unknown } | 'whole' | undefined;
  #isGone = false;
  #more = Promise.withResolvers<void>();
  #room = Promise.withResolvers<void>();

  constructor(onLeave: () => void) {
    this.#onLeave = onLeave;
  }

  async push(piece: Uint8Array): Promise<void> {
    if (this.#isGone) return;
    this.#queue.push(piece);
    this.#bytes += piece.length;
    this.#more.resolve();
    while (this.#bytes > QUEUED_BYTES_MAX && !this.#isGone) {
      this.#room = Promise.withResolvers();
      await this.#room.promise;
    }
  }

  end(end: { readonly error: unknown } | 'whole'): void {
    this.#end = end;
    this.#more.resolve();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    for (;;) {
      const piece = this.#queue.shift();
      if (piece !== undefined) {
        this.#bytes -= piece.length;
        if (this.#bytes <= QUEUED_BYTES_MAX) this.#room.resolve();
        return { done: false, value: piece };
      }
      if (this.#end === 'whole' || this.#isGone) return { done: true, value: undefined };
      if (this.#end !== undefined) throw this.#end.error;
      this.#more = Promise.withResolvers();
      await this.#more.promise;
    }
  }

  /** The storage does not want more. */
  return(): Promise<IteratorResult<Uint8Array>> {
    this.leave();
    return Promise.resolve({ done: true, value: undefined });
  }

  leave(): void {
    this.#isGone = true;
    this.#queue.length = 0;
    this.#room.resolve();
    this.#more.resolve();
    this.#onLeave();
  }
}
