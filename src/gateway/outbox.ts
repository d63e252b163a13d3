/**
 * What is on its way out of one socket. Small pieces of one event are gathered and leave in one write; what may be overwritten
 * is copied, so that the bytes it came from can be used again at once.
 */
import { Socket } from 'node:net';
import { latin1, writeLatin1 } from '../http/latin1.ts';
import { DirectWriter } from '../net/net.ts';
import type { BodyCoder } from './body-coder.ts';
import type { ClientSocket } from './client-socket.ts';
import { type Pooled, takePooled } from './pooled-buffers.ts';

/** Pieces up to this size are gathered; the kernel takes as much in one write without a further copy. */
export const SMALL_BYTES_MAX = 16_384;

const nothing = (): void => undefined;

export abstract class Outbox {
  readonly socket: ClientSocket;
  /** Takes all that is written while there is one: the body of an answer that leaves compressed. */
  coder: BodyCoder | undefined;
  /** Bytes handed over so far. */
  bytes = 0;

  constructor(socket: ClientSocket) {
    this.socket = socket;
  }

  /** True when the socket takes no more before 'drain'. */
  abstract get isFull(): boolean;
  protected abstract putText(text: string): void;
  protected abstract putCopied(buffer: Buffer, from: number, to: number): void;
  /** Hands what was gathered to the socket. */
  protected abstract send(): void;

  /** True when the reader is slow: write no more before 'drain'. */
  get blocked(): boolean {
    return this.isFull || (this.coder !== undefined && this.coder.blocked);
  }

  /** Latin1 text; it leaves with the next `flush`, or earlier. */
  text(text: string): void {
    if (text === '') return;
    if (this.coder !== undefined) {
      this.coder.write(Buffer.from(text, 'latin1'));
      return;
    }
    this.bytes += text.length;
    this.putText(text);
  }

  /** The bytes `from..to`, which may be overwritten as soon as this returns. */
  copied(buffer: Buffer, from: number, to: number): void {
    if (from === to) return;
    if (this.coder !== undefined) {
      this.coder.write(Buffer.from(buffer.subarray(from, to)));
      return;
    }
    this.bytes += to - from;
    this.putCopied(buffer, from, to);
  }

  /** Bytes that nobody changes any more. */
  owned(buffer: Buffer): void {
    if (this.coder !== undefined) {
      if (buffer.length > 0) this.coder.write(buffer);
      return;
    }
    this.bytes += buffer.length;
    if (buffer.length <= SMALL_BYTES_MAX) {
      this.putCopied(buffer, 0, buffer.length);
      return;
    }
    this.socket.cork();
    this.send();
    this.socket.write(buffer);
    this.socket.uncork();
  }

  /** The first `size` bytes of a buffer that `done` takes back. */
  pooled(buffer: Buffer, size: number, done: () => void): void {
    if (this.coder !== undefined) {
      this.coder.write(buffer.subarray(0, size), done);
      return;
    }
    this.send();
    this.bytes += size;
    this.socket.write(buffer.subarray(0, size), done);
  }

  /** The end of what came in one event: what was gathered goes. */
  flush(): void {
    if (this.coder !== undefined) this.coder.pass();
    this.send();
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

/** Of a socket of the system: pieces are gathered as bytes. */
export class SocketOutbox extends Outbox {
  private readonly writer: DirectWriter;
  private gathered: Pooled | undefined;
  private used = 0;

  constructor(socket: Socket) {
    super(socket);
    this.writer = new DirectWriter(socket);
  }

  override get isFull(): boolean {
    return this.writer.blocked;
  }

  protected override putText(text: string): void {
    const { length } = text;
    const at = this.used;
    const into = (this.gathered ??= takePooled());
    if (at + length <= into.bytes.length) {
      writeLatin1(into.bytes, text, at);
      this.used = at + length;
    } else {
      this.putCopied(Buffer.from(text, 'latin1'), 0, length);
    }
  }

  protected override putCopied(buffer: Buffer, from: number, to: number): void {
    let at = from;
    while (at < to) {
      const { bytes } = (this.gathered ??= takePooled());
      const end = Math.min(to, at + bytes.length - this.used);
      this.used += buffer.copy(bytes, this.used, at, end);
      at = end;
      if (this.used === bytes.length) this.send();
    }
  }

  protected override send(): void {
    const { gathered, used } = this;
    if (gathered === undefined) return;
    this.gathered = undefined;
    this.used = 0;
    const bytes = gathered.bytes.subarray(0, used);
    if (used > SMALL_BYTES_MAX || !this.writer.hasWaiting) {
      this.writer.write(bytes, gathered.give);
      return;
    }
    // A slow reader of many small pieces would keep a whole buffer for each.
    this.writer.write(Buffer.from(bytes), nothing);
    gathered.give();
  }
}

/** Of a stream of HTTP/2: pieces are gathered as text, since answers that repeat are known by their text there. */
export class StreamOutbox extends Outbox {
  private gathered = '';

  override get isFull(): boolean {
    return this.socket.writableNeedDrain;
  }

  protected override putText(text: string): void {
    this.gathered = this.gathered === '' ? text : this.gathered + text;
    if (this.gathered.length > SMALL_BYTES_MAX) this.send();
  }

  protected override putCopied(buffer: Buffer, from: number, to: number): void {
    if (to - from <= SMALL_BYTES_MAX) {
      this.putText(latin1(buffer, from, to));
      return;
    }
    this.send();
    this.socket.write(Buffer.from(buffer.subarray(from, to)));
  }

  protected override send(): void {
    if (this.gathered === '') return;
    const text = this.gathered;
    this.gathered = '';
    this.socket.write(text, 'latin1');
  }
}

export function outboxOf(socket: ClientSocket): Outbox {
  return socket instanceof Socket ? new SocketOutbox(socket) : new StreamOutbox(socket);
}
