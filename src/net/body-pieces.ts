/**
 * The bytes of one message on their way from a socket to whoever reads them, at his pace: in pieces that he may give back (`piece-pool.ts`), for a
 * buffer that is new for each read costs more to collect than all else. Whoever reads the socket fills it.
 */
import type { Socket } from 'node:net';
import { PIECE_BYTES_MAX, takePiece } from '../base/piece-pool.ts';

export interface BodyPiecesOptions {
  readonly socket: Socket;
  /** Bytes. */
  readonly length: number;
  /** The socket's time while bytes are waited for, and while what has come waits to be read; 0 is for ever. */
  readonly idleMs: number;
  readonly readerMs: number;
  /** Before the first byte is waited for. */
  readonly onBegin?: () => void;
  /** The rest is not wanted, and is thrown away if it comes all the same. */
  readonly onLeave: () => void;
}

/** Of the first piece: who waits for it need not wait for a large one, and before somebody does no more is taken. */
const FIRST_BYTES: number = 64 * 1024;
/** That wait to be read; then the sender waits. */
const PIECES_MAX = 2;

export class BodyPieces implements AsyncIterableIterator<Uint8Array> {
  readonly #options: BodyPiecesOptions;
  readonly #pieces: Buffer[] = [];
  #left: number;
  /** Being filled. */
  #piece: Buffer | undefined;
  #filled = 0;
  #nextBytes = FIRST_BYTES;
  #why: Error | undefined;
  #more: (() => void) | undefined;
  #hasBegun = false;
  #isUnwanted = false;

  constructor(options: BodyPiecesOptions) {
    this.#options = options;
    this.#left = options.length;
  }

  /** Bytes that still have to come. */
  get left(): number {
    return this.#left;
  }

  /** Somebody has asked for it. */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  /** Somebody waits for more of it. */
  get isAwaited(): boolean {
    return this.#more !== undefined;
  }

  /** At most as many as are left. */
  take(bytes: Buffer, from: number, to: number): void {
    if (this.#isUnwanted) {
      this.#left -= to - from;
      return;
    }
    for (let at = from; at < to;) {
      const piece = (this.#piece ??= takePiece(Math.min(this.#left, this.#nextBytes)));
      const copied = bytes.copy(piece, this.#filled, at, to);
      at += copied;
      this.#left -= copied;
      this.#filled += copied;
      if (this.#filled === piece.length) this.#put();
    }
  }

  /** No more comes. What came is given all the same. */
  fail(why: Error): void {
    this.#why = why;
    if (this.#filled > 0) this.#put();
    this.#more?.();
  }

  #put(): void {
    if (this.#piece === undefined) return;
    this.#pieces.push(this.#piece.subarray(0, this.#filled));
    this.#piece = undefined;
    this.#filled = 0;
    this.#nextBytes = PIECE_BYTES_MAX;
    this.#more?.();
    if (this.#left === 0 || (this.#hasBegun && this.#pieces.length < PIECES_MAX)) return;
    const { socket, readerMs } = this.#options;
    socket.pause();
    socket.setTimeout(readerMs);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    if (!this.#hasBegun) {
      this.#hasBegun = true;
      this.#options.onBegin?.();
    }
    for (;;) {
      const value = this.#pieces.shift();
      if (value !== undefined) {
        if (this.#left > 0) this.#goOn();
        return { done: false, value };
      }
      if (this.#left === 0 || this.#isUnwanted) return { done: true, value: undefined };
      if (this.#why !== undefined) throw this.#why;
      await new Promise<void>((resolve) => (this.#more = resolve));
      this.#more = undefined;
    }
  }

  #goOn(): void {
    const { socket, idleMs } = this.#options;
    if (!socket.isPaused()) return;
    socket.setTimeout(idleMs);
    socket.resume();
  }

  return(): Promise<IteratorResult<Uint8Array, undefined>> {
    if (this.#left > 0 && !this.#isUnwanted) {
      this.#isUnwanted = true;
      this.#goOn();
      this.#options.onLeave();
    }
    this.#pieces.length = 0;
    return Promise.resolve({ done: true, value: undefined });
  }
}
