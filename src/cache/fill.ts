/**
 * A body on its way from an upstream into the store. It belongs to no client: whoever wants it reads what is there and waits for more.
 * What does not fit into memory goes to a tier on the side, so that a slow reader holds nobody up; only where there is no such tier does
 * the slowest reader set the pace.
 */
import { PieceBody, smallBody, TEXT_BYTES_MAX, type Block, type Body, type Piece } from './body.ts';

/** A piece is at most so large: what a tier writes and checks at once. */
export const PIECE_BYTES: number = 64 * 1024;
const FIRST_PIECE_BYTES = 4096;
/** Held in any case: less would leave no room for the piece that is being filled. */
const WINDOW_BYTES_MIN: number = 4 * PIECE_BYTES;

export interface FillOptions {
  /** Of the body, or negative while nobody knows. */
  readonly length: number;
  /** What is kept in memory while it comes. */
  readonly memoryBytesMax: number;
  /** A longer body is not stored. */
  readonly bytesMax: number;
  /** Puts a piece elsewhere; undefined when there is no room. */
  readonly spill?: ((bytes: Buffer) => Promise<Block | undefined>) | undefined;
  /** After `full`: there is room again. */
  readonly onRoom?: () => void;
  /** It became too long to be stored; those who read get the rest nevertheless. */
  readonly onTooLong?: () => void;
}

export class Fill {
  readonly body: PieceBody = new PieceBody();
  readonly #options: FillOptions;
  readonly #windowBytes: number;
  #storable = true;
  /** The piece that is being filled; its buffer is longer than it. */
  #last: Piece | undefined;
  #heldBytes = 0;
  /** Pieces before this one were spilled; from `#released` on they are in memory. */
  #spilled = 0;
  #released = 0;
  #spilling: Promise<void> | undefined;
  #wasFull = false;

  constructor(options: FillOptions) {
    this.#options = options;
    this.#windowBytes = Math.max(options.memoryBytesMax, WINDOW_BYTES_MIN);
    this.body.onProgress = () => this.#release();
  }

  /** Whether all of it is still there. */
  get storable(): boolean {
    return this.#storable;
  }

  /** Read no more from the upstream until `onRoom`. */
  get full(): boolean {
    this.#wasFull = this.#heldBytes > this.#windowBytes;
    return this.#wasFull;
  }

  /** So much can come before anybody reads: it stays here until somebody does. */
  keeps(bytes: number): boolean {
    const held = this.body.bytes + bytes;
    return held <= this.#limit && held <= this.#windowBytes;
  }

  get readers(): number {
    return this.body.readers.size;
  }

  /** Copies the bytes `from..to`. */
  append(buffer: Buffer, from: number, to: number): void {
    for (let at = from; at < to;) {
      const last = this.#last ?? this.#begin(to - at);
      const room = (last.bytes?.length ?? 0) - last.length;
      const take = Math.min(room, to - at);
      if (last.bytes !== undefined) buffer.copy(last.bytes, last.length, at, at + take);
      last.length += take;
      this.body.bytes += take;
      at += take;
      if (take === room) this.#last = undefined;
    }
    if (this.#storable && this.body.bytes > this.#limit) this.#giveUp();
    this.#spillOn();
    this.#release();
    this.body.wakeReaders();
  }

  /** The body is complete. Undefined when it cannot be stored. */
  async end(): Promise<Body | undefined> {
    this.#trim();
    this.body.settle('whole');
    await this.#spilling;
    return this.#storable ? this.#kept() : undefined;
  }

  /** It broke off; what is there may be stored as a part. */
  async fail(): Promise<Body | undefined> {
    this.#trim();
    this.body.settle('broken');
    await this.#spilling;
    return this.#storable ? this.#kept() : undefined;
  }

  #kept(): Body {
    const { list, bytes } = this.body;
    if (bytes > PIECE_BYTES || list.some((piece) => piece.bytes === undefined)) {
      return PieceBody.of(list);
    }
    const parts = list.map((piece) => piece.bytes ?? Buffer.alloc(0));
    const [only] = parts;
    return smallBody(parts.length === 1 && only !== undefined ? only : joined(parts));
  }

  get #limit(): number {
    const { bytesMax, memoryBytesMax, spill } = this.#options;
    return spill === undefined ? Math.min(bytesMax, memoryBytesMax) : bytesMax;
  }

  #begin(atLeast: number): Piece {
    const { length } = this.#options;
    const { bytes } = this.body;
    const wanted = length >= 0 ? length - bytes : Math.max(bytes, FIRST_PIECE_BYTES);
    const size = Math.min(Math.max(wanted, atLeast), PIECE_BYTES);
    // What becomes text is gone in a moment, and may come from the pool.
    const isText = length >= 0 && length <= TEXT_BYTES_MAX;
    const own = isText ? Buffer.allocUnsafe(size) : Buffer.allocUnsafeSlow(size);
    const piece = { bytes: own, block: undefined, from: 0, length: 0 };
    this.#heldBytes += size;
    this.#last = piece;
    this.body.append(piece);
    return piece;
  }

  /** The last piece gets a buffer of its size. */
  #trim(): void {
    const last = this.#last;
    this.#last = undefined;
    if (last?.bytes === undefined) return;
    this.#heldBytes -= last.bytes.length - last.length;
    const own = Buffer.allocUnsafeSlow(last.length);
    last.bytes.copy(own, 0, 0, last.length);
    last.bytes = own;
    this.#spillOn();
  }

  #giveUp(): void {
    this.#storable = false;
    this.#options.onTooLong?.();
  }

  #spillOn(): void {
    const { spill, memoryBytesMax } = this.#options;
    const wanted = spill !== undefined && this.#storable && this.body.bytes > memoryBytesMax;
    if (!wanted || this.#spilling !== undefined) return;
    this.#spilling = this.#spill(spill).finally(() => {
      this.#spilling = undefined;
    });
  }

  async #spill(spill: (bytes: Buffer) => Promise<Block | undefined>): Promise<void> {
    for (;;) {
      const piece = this.body.list[this.#spilled];
      if (piece?.bytes === undefined || piece === this.#last || !this.#storable) return;
      const block = await spill(piece.bytes);
      if (block === undefined) {
        this.#giveUp();
        this.#release();
        return;
      }
      piece.block = block;
      for (const reader of this.body.readers) reader.pin(block);
      this.#spilled++;
      this.#release();
    }
  }

  /** Lets go of memory, the oldest first: what is elsewhere too, or what nobody will read any more. */
  #release(): void {
    const { list } = this.body;
    const passed = this.#storable ? 0 : this.#slowest();
    while (this.#heldBytes > this.#windowBytes || this.#released < passed) {
      const piece = list[this.#released];
      if (piece?.bytes === undefined || piece === this.#last) break;
      if (this.#released >= Math.max(this.#spilled, passed)) break;
      this.#heldBytes -= piece.bytes.length;
      piece.bytes = undefined;
      this.#released++;
    }
    if (!this.#wasFull || this.#heldBytes > this.#windowBytes) return;
    this.#wasFull = false;
    this.#options.onRoom?.();
  }

  /** The first piece that a reader still needs. */
  #slowest(): number {
    let first = this.body.list.length;
    for (const { index } of this.body.readers) first = Math.min(first, index);
    return first;
  }
}

/** In memory of its own, not in a pool that it would keep alive. */
function joined(parts: readonly Buffer[]): Buffer {
  const whole = Buffer.allocUnsafeSlow(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) at += part.copy(whole, at);
  return whole;
}

/** Less than this is worth finishing although nobody reads any more. */
const FINISH_BYTES_MAX: number = 1024 * 1024;
const FINISH_SHARE = 0.5;

/** Whether a fill without readers should go on: little is missing, or more than half is there. */
export function isWorthFinishing(length: number, bytes: number): boolean {
  if (length < 0) return false;
  return length - bytes <= FINISH_BYTES_MAX || bytes >= length * FINISH_SHARE;
}
