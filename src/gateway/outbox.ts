/**
 * What is on its way out of one socket. Small pieces of one event are gathered as latin1 text and leave in
 * one write; large ones are copied into pooled buffers, so that the bytes they came from may be reused at once.
 */
import { latin1 } from '../http/latin1.ts';
import type { BodyCoder } from './body-coder.ts';
import type { ClientSocket } from './client-socket.ts';

/** Pieces up to this size are gathered; the kernel takes as much in one write without a further copy. */
export const SMALL_BYTES_MAX = 16_384;
/** Room of a pooled buffer: the largest read and the text gathered before it. */
const POOLED_BYTES = 64 * 1024 + 2 * SMALL_BYTES_MAX;
/** Buffers kept for reuse: about 6 MiB in all. */
const POOLED_BUFFERS_MAX = 64;

const pool: Buffer[] = [];

function takeBuffer(): Buffer {
  return pool.pop() ?? Buffer.allocUnsafeSlow(POOLED_BYTES);
}

function giveBuffer(buffer: Buffer): void {
  if (pool.length < POOLED_BUFFERS_MAX) pool.push(buffer);
}

export class Outbox {
  readonly socket: ClientSocket;
  /** Takes all that is written while there is one: the body of an answer that leaves compressed. */
  coder: BodyCoder | undefined;
  /** Bytes handed over so far. */
  bytes = 0;
  private gathered = '';

  constructor(socket: ClientSocket) {
    this.socket = socket;
  }

  /** True when the reader is slow: write no more before 'drain'. */
  get blocked(): boolean {
    return this.socket.writableNeedDrain || (this.coder !== undefined && this.coder.blocked);
  }

  /** Latin1 text; it leaves with the next `flush`, or earlier. */
  text(text: string): void {
    if (this.coder !== undefined) {
      this.coder.write(Buffer.from(text, 'latin1'));
      return;
    }
    this.bytes += text.length;
    this.gathered = this.gathered === '' ? text : this.gathered + text;
    if (this.gathered.length > SMALL_BYTES_MAX) this.flush();
  }

  /** The bytes `from..to`, which may be overwritten as soon as this returns. */
  copied(buffer: Buffer, from: number, to: number): void {
    const size = to - from;
    if (this.coder !== undefined) {
      if (size > 0) this.coder.write(Buffer.from(buffer.subarray(from, to)));
      return;
    }
    if (size <= SMALL_BYTES_MAX) {
      if (size > 0) this.text(latin1(buffer, from, to));
      return;
    }
    let at = from;
    while (at < to) {
      const pooled = takeBuffer();
      let used = 0;
      if (this.gathered !== '') {
        used = pooled.write(this.gathered, 0, 'latin1');
        this.gathered = '';
      }
      const take = Math.min(to - at, POOLED_BYTES - used);
      buffer.copy(pooled, used, at, at + take);
      at += take;
      this.bytes += take;
      this.socket.write(pooled.subarray(0, used + take), () => giveBuffer(pooled));
    }
  }

  /** Bytes that nobody changes any more. */
  owned(buffer: Buffer): void {
    if (this.coder !== undefined) {
      if (buffer.length > 0) this.coder.write(buffer);
      return;
    }
    if (buffer.length <= SMALL_BYTES_MAX) {
      this.text(latin1(buffer, 0, buffer.length));
      return;
    }
    this.bytes += buffer.length;
    if (this.gathered === '') {
      this.socket.write(buffer);
      return;
    }
    this.socket.cork();
    this.flush();
    this.socket.write(buffer);
    this.socket.uncork();
  }

  /** The first `size` bytes of a buffer that `done` takes back. */
  pooled(buffer: Buffer, size: number, done: () => void): void {
    if (this.coder !== undefined) {
      this.coder.write(buffer.subarray(0, size), done);
      return;
    }
    this.flush();
    this.bytes += size;
    this.socket.write(buffer.subarray(0, size), done);
  }

  /** Hands what was gathered to the socket. */
  flush(): void {
    if (this.coder !== undefined) this.coder.pass();
    if (this.gathered === '') return;
    const text = this.gathered;
    this.gathered = '';
    this.socket.write(text, 'latin1');
  }

  /** What comes out of the coder. */
  past(before: string, bytes: Buffer, after: string): void {
    this.bytes += before.length + bytes.length + after.length;
    this.socket.cork();
    if (before !== '') this.socket.write(before, 'latin1');
    this.socket.write(bytes);
    if (after !== '') this.socket.write(after, 'latin1');
    this.socket.uncork();
  }

  /** Flushes and closes the writing side. */
  end(): void {
    this.flush();
    this.socket.end();
  }
}
