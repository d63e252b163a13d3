/**
 * What is on its way out of one socket. Small pieces of one event are gathered and leave in one write; what may be overwritten
 * is copied, so that the bytes it came from can be used again at once.
 */
import { Socket } from 'node:net';
import { latin1, writeLatin1 } from '../http/latin1.ts';
import { DirectWriter } from '../net/net.ts';
import type { ClientSocket } from './client-socket.ts';
import { type Pooled, takePooled } from './pooled-buffers.ts';

/** Pieces up to this size are gathered; the kernel takes as much in one write without a further copy. */
export const SMALL_BYTES_MAX = 16_384;
/** Of large pieces, before they leave: a slow reader may keep as many. */
const PIECES_BYTES_MAX: number = 256 * 1024;

const nothing = (): void => undefined;

/** Takes the body of one answer in place of the socket. */
export interface BodyTaker {
  /** It takes no more for now. */
  readonly blocked: boolean;
  /** `bytes` stay as they are until `done`. */
  write(bytes: Buffer, done?: () => void): void;
  /** The end of what came in one event. */
  pass(): void;
  /** The body is complete. Whoever takes it says when the answer is, without being in the way any more. */
  end(): void;
  /** The socket takes more. */
  resume(): void;
  destroy(): void;
}

export abstract class Outbox {
  readonly socket: ClientSocket;
  /** Takes all that is written while there is one: the body of an answer that leaves compressed, or not at all. */
  coder: BodyTaker | undefined;
  /** Bytes handed over so far. */
  bytes = 0;
  private unsentBefore = 0;

  constructor(socket: ClientSocket) {
    this.socket = socket;
  }

  /** True when the socket takes no more before 'drain'. */
  abstract get isFull(): boolean;
  /** Written and not taken yet; it shrinks while the reader takes some. */
  protected abstract get unsentBytes(): number;
  protected abstract putText(text: string): void;
  protected abstract putCopied(buffer: Buffer, from: number, to: number): void;
  /** Bytes that nobody changes any more. */
  protected abstract putOwned(buffer: Buffer): void;
  /** Leaves at once, after what was gathered. */
  protected abstract sendLent(buffer: Buffer, done: () => void): void;
  /** Hands what was gathered to the socket. */
  protected abstract send(): void;

  /** True when the reader is slow: write no more before 'drain'. */
  get blocked(): boolean {
    return this.isFull || (this.coder !== undefined && this.coder.blocked);
  }

  /** Whether the reader has taken some since this was asked last: of a large write nothing else says so before its end. */
  wasTaken(): boolean {
    const { unsentBytes, unsentBefore } = this;
    this.unsentBefore = unsentBytes;
    return unsentBytes < unsentBefore;
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
    if (buffer.length === 0) return;
    if (this.coder !== undefined) {
      this.coder.write(buffer);
      return;
    }
    this.bytes += buffer.length;
    this.putOwned(buffer);
  }

  /** Bytes that `done` takes back: until then nobody changes them. */
  lent(buffer: Buffer, done: () => void): void {
    if (this.coder !== undefined) {
      this.coder.write(buffer, done);
      return;
    }
    this.bytes += buffer.length;
    this.sendLent(buffer, done);
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
  /** The first piece, as long as it is all there is and nobody changes it: it leaves as it is. */
  private only: string | Buffer | undefined;
  private gathered: Pooled | undefined;
  private used = 0;
  /** Large ones, with what was gathered before and between them. */
  private pieces: Buffer[] = [];
  private piecesBytes = 0;

  constructor(socket: Socket) {
    super(socket);
    this.writer = new DirectWriter(socket);
  }

  override get isFull(): boolean {
    return this.writer.blocked;
  }

  protected override get unsentBytes(): number {
    return this.writer.unsentBytes;
  }

  protected override putText(text: string): void {
    if (this.isEmpty && text.length <= SMALL_BYTES_MAX) this.only = text;
    else this.gatherText(text);
  }

  protected override putCopied(buffer: Buffer, from: number, to: number): void {
    this.gatherOnly();
    this.gather(buffer, from, to);
  }

  protected override putOwned(buffer: Buffer): void {
    if (buffer.length > SMALL_BYTES_MAX) this.addPiece(buffer);
    else if (this.isEmpty) this.only = buffer;
    else this.putCopied(buffer, 0, buffer.length);
  }

  protected override sendLent(buffer: Buffer, done: () => void): void {
    this.send();
    this.writer.write(buffer, done);
  }

  private get isEmpty(): boolean {
    return this.only === undefined && this.gathered === undefined && this.pieces.length === 0;
  }

  /** It is not the only one any more. */
  private gatherOnly(): void {
    const { only } = this;
    if (only === undefined) return;
    this.only = undefined;
    if (typeof only === 'string') this.gatherText(only);
    else this.gather(only, 0, only.length);
  }

  private gatherText(text: string): void {
    this.gatherOnly();
    const { length } = text;
    const at = this.used;
    const into = (this.gathered ??= takePooled());
    if (at + length <= into.bytes.length) {
      writeLatin1(into.bytes, text, at);
      this.used = at + length;
    } else {
      this.gather(Buffer.from(text, 'latin1'), 0, length);
    }
  }

  private gather(buffer: Buffer, from: number, to: number): void {
    let at = from;
    while (at < to) {
      const { bytes } = (this.gathered ??= takePooled());
      const end = Math.min(to, at + bytes.length - this.used);
      this.used += buffer.copy(bytes, this.used, at, end);
      at = end;
      if (this.used === bytes.length) this.send();
    }
  }

  private addPiece(buffer: Buffer): void {
    this.gatherOnly();
    this.addGathered();
    this.pieces.push(buffer);
    this.piecesBytes += buffer.length;
    if (this.piecesBytes >= PIECES_BYTES_MAX) this.send();
  }

  /** A copy: a slow reader would keep a whole buffer for a head. */
  private addGathered(): void {
    const { gathered, used } = this;
    if (gathered === undefined) return;
    this.pieces.push(Buffer.from(gathered.bytes.subarray(0, used)));
    this.forgetGathered();
    gathered.give();
  }

  private forgetGathered(): void {
    this.gathered = undefined;
    this.used = 0;
  }

  protected override send(): void {
    const { only, gathered } = this;
    if (only !== undefined) {
      this.only = undefined;
      if (typeof only === 'string') this.writer.writeText(only);
      else this.writer.write(only, nothing);
    } else if (this.pieces.length > 0) {
      this.sendPieces();
    } else if (gathered !== undefined) {
      this.sendGathered(gathered);
    }
  }

  private sendPieces(): void {
    this.addGathered();
    const { pieces } = this;
    this.pieces = [];
    this.piecesBytes = 0;
    this.writer.writeAll(pieces, nothing);
  }

  private sendGathered(gathered: Pooled): void {
    const { used } = this;
    this.forgetGathered();
    const bytes = gathered.first(used);
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

  protected override get unsentBytes(): number {
    return this.socket.writableLength;
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

  protected override putOwned(buffer: Buffer): void {
    if (buffer.length > SMALL_BYTES_MAX) this.sendLent(buffer, nothing);
    else this.putText(latin1(buffer, 0, buffer.length));
  }

  protected override sendLent(buffer: Buffer, done: () => void): void {
    this.send();
    this.socket.write(buffer, done);
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
