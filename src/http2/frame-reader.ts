/**
 * Finds frames in the bytes of a connection (RFC 9113 3.4, 4.1). A frame that is all there is handed on where it lies; one that is not
 * is gathered in memory of its own, each byte copied once.
 */
import { ERROR, FRAME_BYTES_MAX, FRAME_HEAD_BYTES, PREFACE } from './codes.ts';
import { H2Error } from './h2-error.ts';

export interface FrameTaker {
  /** The payload `from..to` is valid only during the call. */
  frame(
    type: number,
    flags: number,
    streamId: number,
    bytes: Buffer,
    from: number,
    to: number,
  ): void;
  /** Nothing more is wanted. */
  readonly isOver: boolean;
}

export class FrameReader {
  private readonly taker: FrameTaker;
  /** Bytes of the preface that came. */
  private greeted: number;
  /** A frame, or its head, that did not come in one piece. */
  private partial: Buffer | undefined;
  private filled = 0;

  /** `peer`: only a client begins with the preface. */
  constructor(taker: FrameTaker, peer: 'client' | 'server' = 'client') {
    this.taker = taker;
    this.greeted = peer === 'client' ? 0 : PREFACE.length;
  }

  /** Throws H2Error, its own and the taker's. */
  read(chunk: Buffer): void {
    let at = this.greeted < PREFACE.length ? this.greet(chunk) : 0;
    if (this.partial !== undefined) at = this.complete(chunk, at);
    const { taker } = this;
    const end = chunk.length;
    while (at < end && !taker.isOver) {
      if (end - at < FRAME_HEAD_BYTES) break;
      const to = at + FRAME_HEAD_BYTES + lengthAt(chunk, at);
      if (to > end) break;
      hand(taker, chunk, at, to);
      at = to;
    }
    if (at < end && !taker.isOver) this.keep(chunk, at);
  }

  private greet(chunk: Buffer): number {
    const size = Math.min(PREFACE.length - this.greeted, chunk.length);
    const isRight = chunk.compare(PREFACE, this.greeted, this.greeted + size, 0, size) === 0;
    if (!isRight)
      throw new H2Error(ERROR.protocol, 'The connection does not begin with the preface');
    this.greeted += size;
    return size;
  }

  private keep(chunk: Buffer, at: number): void {
    const rest = chunk.length - at;
    const isHeaded = rest >= FRAME_HEAD_BYTES;
    const size = FRAME_HEAD_BYTES + (isHeaded ? lengthAt(chunk, at) : 0);
    this.partial = Buffer.allocUnsafe(size);
    this.filled = chunk.copy(this.partial, 0, at);
  }

  /** Answers where the gathered frame ended in the chunk. */
  private complete(chunk: Buffer, from: number): number {
    let at = this.fill(chunk, from);
    if (this.partial?.length === FRAME_HEAD_BYTES && this.filled === FRAME_HEAD_BYTES) {
      const head = this.partial;
      const size = FRAME_HEAD_BYTES + lengthAt(head, 0);
      if (size > FRAME_HEAD_BYTES) {
        this.partial = Buffer.allocUnsafe(size);
        head.copy(this.partial);
        at = this.fill(chunk, at);
      }
    }
    const { partial } = this;
    if (partial === undefined || this.filled < partial.length) return at;
    this.partial = undefined;
    hand(this.taker, partial, 0, partial.length);
    return at;
  }

  private fill(chunk: Buffer, from: number): number {
    const { partial } = this;
    if (partial === undefined) return from;
    const copied = chunk.copy(partial, this.filled, from);
    this.filled += copied;
    return from + copied;
  }
}

function lengthAt(bytes: Buffer, at: number): number {
  const length = ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
  // RFC 9113 4.2; nobody was ever allowed to send more.
  if (length > FRAME_BYTES_MAX) throw new H2Error(ERROR.frameSize, `A frame has ${length} bytes`);
  return length;
}

function hand(taker: FrameTaker, bytes: Buffer, at: number, to: number): void {
  const streamId = uint31(bytes, at + 5);
  taker.frame(bytes[at + 3] ?? 0, bytes[at + 4] ?? 0, streamId, bytes, at + FRAME_HEAD_BYTES, to);
}

/** Without the reserved bit. */
export function uint31(bytes: Buffer, at: number): number {
  const first = (bytes[at] ?? 0) & 0x7f;
  return (
    (first << 24) |
    ((bytes[at + 1] ?? 0) << 16) |
    ((bytes[at + 2] ?? 0) << 8) |
    (bytes[at + 3] ?? 0)
  );
}

export function uint32(bytes: Buffer, at: number): number {
  return bytes.readUInt32BE(at);
}
