/**
 * Sends ranges of a file that is too large for memory: positional reads into two buffers, one being filled
 * while the other leaves. A client that reads slowly stops the reading.
 */
import { close, read } from 'node:fs';
import type { ByteRange } from '../http/range.ts';
import type { Connection } from './connection.ts';
import type { Responder } from './responder.ts';

const READ_BYTES = 256 * 1024;
/** Buffers kept for reuse: 8 MiB. */
const BUFFERS_MAX = 32;
const buffers: Buffer[] = [];

/** What to send: text before a range (a part's head), then the range; a last piece may have no range. */
export interface FilePiece {
  readonly before: Buffer | undefined;
  readonly range: ByteRange | undefined;
}

export class FileSender implements Responder {
  private readonly connection: Connection;
  private readonly fd: number;
  private readonly pieces: readonly FilePiece[];
  private index = 0;
  private position = 0;
  private begun = false;
  private reading = false;
  private stopped = false;
  private sinceMs: number;

  constructor(connection: Connection, fd: number, pieces: readonly FilePiece[]) {
    this.connection = connection;
    this.fd = fd;
    this.pieces = pieces;
    this.sinceMs = connection.plane.coarseMs;
  }

  /** The head is in the outbox. */
  start(): void {
    this.connection.answerBy(this);
    this.pump();
  }

  private pump(): void {
    if (this.reading || this.stopped) return;
    const { connection } = this;
    const piece = this.pieces[this.index];
    if (piece === undefined) {
      this.stop();
      connection.answered();
      connection.out.flush();
      return;
    }
    if (!this.begun) {
      this.begun = true;
      this.position = piece.range?.first ?? 0;
      if (piece.before !== undefined) connection.out.owned(piece.before);
    }
    const left = piece.range === undefined ? 0 : piece.range.last + 1 - this.position;
    if (left === 0) {
      this.index++;
      this.begun = false;
      this.pump();
      return;
    }
    if (connection.out.blocked) return;
    const buffer = buffers.pop() ?? Buffer.allocUnsafeSlow(READ_BYTES);
    this.reading = true;
    read(this.fd, buffer, 0, Math.min(left, READ_BYTES), this.position, (error, size) => {
      this.reading = false;
      if (this.stopped) {
        this.closeFile();
        release(buffer);
        return;
      }
      this.took(error, size, buffer);
    });
  }

  private took(error: Error | null, size: number, buffer: Buffer): void {
    const { connection } = this;
    if (error !== null || size === 0) {
      release(buffer);
      this.stop();
      connection.fail(500, error?.message ?? 'The file became shorter while it was sent');
      return;
    }
    this.position += size;
    this.sinceMs = connection.plane.coarseMs;
    connection.out.lent(buffer.subarray(0, size), () => release(buffer));
    this.pump();
  }

  private stop(): void {
    if (this.stopped) return;
    this.stopped = true;
    // A read under way still uses the file; it closes it then.
    if (!this.reading) this.closeFile();
  }

  private closeFile(): void {
    close(this.fd, (error) => {
      if (error !== null) this.connection.plane.log.warn('Closing a file failed', { error });
    });
  }

  // Responder -----------------------------------------------------------------------------------------------

  /** A body that came with a GET waits until the answer is out. */
  readonly holdsBody = true;
  requestBytes(): void {}
  requestEnded(): void {}
  flush(): void {}
  clientEnded(): void {}

  clientDrained(): void {
    this.sinceMs = this.connection.plane.coarseMs;
    this.pump();
  }

  clientClosed(): void {
    this.stop();
  }

  sweep(horizonMs: number): void {
    const limit = this.connection.request.route?.limits.idleTimeoutMs ?? Infinity;
    if (horizonMs - this.sinceMs < limit) return;
    this.stop();
    this.connection.fail(504, 'The client does not read');
  }
}

function release(buffer: Buffer): void {
  if (buffers.length < BUFFERS_MAX) buffers.push(buffer);
}
