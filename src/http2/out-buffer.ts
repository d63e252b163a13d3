/** Frames on their way out: what is made in one turn leaves in one write, or in few large ones. */
import { FRAME, FRAME_BYTES_MAX, FRAME_HEAD_BYTES } from './codes.ts';

/** Room for three full frames: a write of this size costs the kernel as little for each byte as a larger one. */
const BUFFER_BYTES = 64 * 1024;
/** Kept for reuse: 4 MiB in all. */
const POOLED_BUFFERS_MAX = 64;

const pool: Buffer[] = [];

function giveBuffer(buffer: Buffer): void {
  if (pool.length < POOLED_BUFFERS_MAX) pool.push(buffer);
}

/** Takes bytes for the socket; `done` says that they may be overwritten. */
export type BytesWriter = (bytes: Buffer, done: () => void) => void;

export class OutBuffer {
  private readonly write: BytesWriter;
  private buffer: Buffer | undefined;
  private used = 0;

  constructor(write: BytesWriter) {
    this.write = write;
  }

  /** Bytes that the next `flush` hands over. */
  get size(): number {
    return this.used;
  }

  /** Begins a frame; its payload goes to `payloadAt` of the buffer that this answers. */
  frame(length: number, type: number, flags: number, streamId: number): Buffer {
    const size = FRAME_HEAD_BYTES + length;
    if (this.used + size > BUFFER_BYTES) this.flush();
    const buffer = (this.buffer ??= pool.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES));
    const at = this.used;
    buffer[at] = length >>> 16;
    buffer[at + 1] = length >>> 8;
    buffer[at + 2] = length;
    buffer[at + 3] = type;
    buffer[at + 4] = flags;
    writeUint32(buffer, at + 5, streamId);
    this.used += size;
    this.payloadAt = at + FRAME_HEAD_BYTES;
    return buffer;
  }

  payloadAt = 0;

  /** A frame of one number. */
  number(type: number, streamId: number, value: number): void {
    const buffer = this.frame(4, type, 0, streamId);
    writeUint32(buffer, this.payloadAt, value);
  }

  /** A block of fields, in as many frames as it takes (RFC 9113 4.3). */
  block(
    bytes: Buffer,
    size: number,
    streamId: number,
    how: { readonly flags: number; readonly endHeaders: number },
  ): void {
    let type: number = FRAME.headers;
    let { flags } = how;
    let at = 0;
    do {
      const length = Math.min(size - at, FRAME_BYTES_MAX);
      const isLast = at + length === size;
      const buffer = this.frame(length, type, flags | (isLast ? how.endHeaders : 0), streamId);
      bytes.copy(buffer, this.payloadAt, at, at + length);
      at += length;
      type = FRAME.continuation;
      flags = 0;
    } while (at < size);
  }

  flush(): void {
    const { buffer, used } = this;
    if (buffer === undefined || used === 0) return;
    this.buffer = undefined;
    this.used = 0;
    this.write(buffer.subarray(0, used), () => giveBuffer(buffer));
  }
}

export function writeUint32(buffer: Buffer, at: number, value: number): void {
  buffer[at] = value >>> 24;
  buffer[at + 1] = value >>> 16;
  buffer[at + 2] = value >>> 8;
  buffer[at + 3] = value;
}
