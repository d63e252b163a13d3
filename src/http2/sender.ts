/**
 * What goes out: heads at once, since the order of blocks is that of the tables, bodies as far as windows and the socket allow, in turns
 * of one frame for each stream (RFC 9113 5.2, 6.1, 6.2).
 */
import { writeLatin1 } from '../http/latin1.ts';
import { FLAG, FRAME, FRAME_BYTES_MAX, WINDOW_BYTES_DEFAULT } from './codes.ts';
import type { Field } from './field.ts';
import { HpackEncoder } from './hpack-encoder.ts';
import type { OutBuffer } from './out-buffer.ts';
import { SendWindow } from './windows.ts';
import type { Piece, WireStream } from './wire-stream.ts';

const SCRATCH_BYTES = 32 * 1024;
const EMPTY = Buffer.alloc(0);

let scratch: Buffer = Buffer.allocUnsafeSlow(SCRATCH_BYTES);

export interface SenderLimits {
  /** Handed over and not gone: no further body is. */
  readonly unsentBytesMax: number;
  /** Of one stream, waiting: its source pauses. */
  readonly queuedBytesMax: number;
}

export class Sender {
  /** Of the connection. */
  readonly window: SendWindow = new SendWindow(WINDOW_BYTES_DEFAULT);
  readonly encoder: HpackEncoder = new HpackEncoder();
  private readonly out: OutBuffer;
  private readonly limits: SenderLimits;
  private readonly unsentBytes: () => number;
  private readonly ended: (stream: WireStream) => void;
  /** Have something that may be allowed to go. */
  private readonly ready = new Set<WireStream>();
  private drained: WireStream[] = [];

  /** `unsentBytes`: of the socket; `ended`: the last frame of the stream is written. */
  constructor(
    out: OutBuffer,
    limits: SenderLimits,
    on: { readonly unsentBytes: () => number; readonly ended: (stream: WireStream) => void },
  ) {
    this.out = out;
    this.limits = limits;
    this.unsentBytes = on.unsentBytes;
    this.ended = on.ended;
  }

  head(stream: WireStream, fields: readonly Field[], isLast: boolean): void {
    const { encoder, out } = this;
    const room = encoder.bytesMax(fields);
    if (room > scratch.length) scratch = Buffer.allocUnsafeSlow(room);
    const size = encoder.encode(fields, scratch, 0);
    const flags = isLast ? FLAG.endStream : 0;
    out.block(scratch, size, stream.id, { flags, endHeaders: FLAG.endHeaders });
    if (!isLast) return;
    if (stream.ending === 'open') stream.ending = 'end';
    this.over(stream);
  }

  /** What follows `from`, latin1 if it is text. `isLast`: the body ends with it. */
  data(
    stream: WireStream,
    piece: { readonly bytes: Buffer | string; readonly from: number; readonly isLast: boolean },
    done?: () => void,
  ): void {
    const { bytes, from, isLast } = piece;
    const size = bytes.length - from;
    if (isLast) stream.ending = 'end';
    const isFree = stream.pieces.length === 0 && size <= FRAME_BYTES_MAX && !this.isBlocked;
    if (isFree && size <= stream.outgoing.left && size <= this.window.left) {
      this.frame(stream, bytes, from, size, isLast);
      done?.();
      return;
    }
    stream.pieces.push({ bytes, at: from, done });
    stream.queuedBytes += size;
    // Until all has gone: who was told to wait hears of it once.
    if (stream.queuedBytes > this.limits.queuedBytesMax) stream.needsDrain = true;
    this.ready.add(stream);
  }

  /** The body is complete. */
  end(stream: WireStream, trailers: readonly Field[] | undefined): void {
    stream.ending = trailers ?? 'end';
    if (stream.pieces.length === 0) this.finish(stream);
    else this.ready.add(stream);
  }

  /** A window was opened: what waited may go with the next `pump`. */
  opened(stream: WireStream): void {
    if (stream.pieces.length > 0) this.ready.add(stream);
  }

  forget(stream: WireStream): void {
    this.ready.delete(stream);
    stream.drop();
  }

  /** Sends what may go, and asks for more where all has gone. */
  pump(): void {
    do {
      let moves = this.ready.size > 0;
      while (moves && !this.isBlocked) {
        moves = false;
        for (const stream of this.ready) {
          if (this.sendSome(stream)) moves = true;
          else this.ready.delete(stream);
          if (this.isBlocked) break;
        }
      }
    } while (this.tellDrained());
  }

  private tellDrained(): boolean {
    const { drained } = this;
    if (drained.length === 0) return false;
    this.drained = [];
    for (const stream of drained) if (!stream.isClosed) stream.taker?.drained();
    return true;
  }

  private get isBlocked(): boolean {
    return this.out.size + this.unsentBytes() > this.limits.unsentBytesMax;
  }

  /** At most one frame of DATA. False: nothing more can go at present. */
  private sendSome(stream: WireStream): boolean {
    const [piece] = stream.pieces;
    if (piece === undefined) return false;
    const left = piece.bytes.length - piece.at;
    const size = Math.min(left, FRAME_BYTES_MAX, stream.outgoing.left, this.window.left);
    if (size <= 0 && left > 0) return false;
    const isLast = size === left && stream.pieces.length === 1 && stream.ending === 'end';
    this.frame(stream, piece.bytes, piece.at, size, isLast);
    stream.queuedBytes -= size;
    piece.at += size;
    if (piece.at === piece.bytes.length) this.gone(stream, piece);
    return stream.pieces.length > 0;
  }

  private gone(stream: WireStream, piece: Piece): void {
    stream.pieces.shift();
    piece.done?.();
    if (stream.pieces.length > 0) return;
    if (stream.ending !== 'open') {
      if (!stream.localEnded) this.finish(stream);
    } else if (stream.needsDrain) {
      stream.needsDrain = false;
      this.drained.push(stream);
    }
  }

  private finish(stream: WireStream): void {
    const { ending } = stream;
    if (typeof ending === 'string') this.frame(stream, EMPTY, 0, 0, true);
    else this.head(stream, ending, true);
  }

  private frame(
    stream: WireStream,
    bytes: Buffer | string,
    from: number,
    size: number,
    isLast: boolean,
  ): void {
    const { out } = this;
    const buffer = out.frame(size, FRAME.data, isLast ? FLAG.endStream : 0, stream.id);
    const at = out.payloadAt;
    if (typeof bytes !== 'string') bytes.copy(buffer, at, from, from + size);
    else writeLatin1(buffer, bytes.slice(from, from + size), at);
    stream.outgoing.left -= size;
    this.window.left -= size;
    if (isLast) this.over(stream);
  }

  private over(stream: WireStream): void {
    stream.localEnded = true;
    this.ready.delete(stream);
    this.ended(stream);
  }
}
