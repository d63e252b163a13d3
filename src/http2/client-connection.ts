/**
 * The client's side of an HTTP/2 connection (RFC 9113): requests in, bytes out; bytes in, answers out. Knows no socket, no clock and no meaning of
 * fields. A mistake of the server's that touches what streams share ends the connection, any other its stream.
 */
import { ERROR, FLAG, FRAME, PREFACE, SETTING, STREAM_ID_MAX } from './codes.ts';
import type { Field } from './field.ts';
import { paddingOf } from './head-block.ts';
import { H2Error } from './h2-error.ts';
import { PeerConnection, type PeerHost, type PeerLimits } from './peer-connection.ts';
import { type StreamTaker, WireStream } from './wire-stream.ts';

export type ClientLimits = PeerLimits;

export interface ClientHost extends PeerHost {
  /** The answer to a `ping`. */
  ponged(): void;
  /** The server takes no further request, and none is under way any more. */
  left(): void;
}

/** Who asked. `ended` tells the end of the answer, `closed` that it was broken off: `AnswerStream.resetCode` says how. */
export interface AnswerTaker extends StreamTaker {
  /** Once, before everything else of the answer. `isWhole`: nothing follows, `ended` neither. */
  head(fields: readonly Field[], isWhole: boolean): void;
}

export class AnswerStream extends WireStream {
  readonly asker: AnswerTaker;
  hasHead = false;
  /** Of RST_STREAM, of either side; of a request that the server never looked at `refusedStream`. */
  resetCode: number | undefined;

  constructor(
    id: number,
    asker: AnswerTaker,
    windows: { readonly receiveBytes: number; readonly sendBytes: number },
  ) {
    super(id, { ...windows, remoteEnded: false });
    this.asker = asker;
    this.taker = asker;
  }
}

const NOTHING_TO_DO = (): void => undefined;

export class ClientConnection extends PeerConnection<AnswerStream, ClientHost, ClientLimits> {
  private isLeaving = false;

  constructor(host: ClientHost, limits: ClientLimits) {
    super(host, limits, 'server');
  }

  /** Says the preface and our settings. */
  start(): void {
    const { limits } = this;
    this.host.write(PREFACE, NOTHING_TO_DO);
    this.greet([
      [SETTING.enablePush, 0],
      [SETTING.initialWindowSize, limits.streamWindowBytes],
      [SETTING.headerListSizeMax, limits.listBytesMax],
    ]);
  }

  // Requests ------------------------------------------------------------------------------------------------

  /** True when a further request may begin. */
  get hasRoom(): boolean {
    return (
      !this.isOver &&
      !this.isLeaving &&
      this.ids.last + 2 <= STREAM_ID_MAX &&
      this.streams.size < this.peer.streamsMax
    );
  }

  /** Begins a request, with room for it; its body follows. */
  ask(fields: readonly Field[], asker: AnswerTaker): AnswerStream {
    const { ids, limits, peer } = this;
    const id = ids.last === 0 ? 1 : ids.last + 2;
    ids.opened(id);
    const stream = new AnswerStream(id, asker, {
      receiveBytes: limits.streamWindowBytes,
      sendBytes: peer.windowBytes,
    });
    this.streams.set(id, stream);
    this.sender.head(stream, fields, false);
    this.wake();
    return stream;
  }

  /** The bytes must stay as they are until they have gone. */
  data(stream: AnswerStream, bytes: Buffer, isLast: boolean): void {
    if (stream.isClosed) return;
    this.sender.data(stream, { bytes, from: 0, isLast });
    this.wake();
  }

  end(stream: AnswerStream): void {
    if (stream.isClosed || stream.ending !== 'open') return;
    this.sender.end(stream, undefined);
    this.wake();
  }

  /** Breaks a request off; its asker hears `closed`. */
  override reset(stream: AnswerStream, code: number): void {
    if (stream.isClosed) return;
    this.ids.abandoned(stream.id);
    this.out.number(FRAME.reset, stream.id, code);
    this.wake();
    this.drop(stream, code);
  }

  /** Bytes that `StreamTaker.data` brought have been used: the server may send as many more of that answer. */
  consumed(stream: AnswerStream, bytes: number): void {
    if (stream.remoteEnded || stream.isClosed) return;
    const more = stream.incoming.giveBack(bytes);
    if (more === 0) return;
    this.out.number(FRAME.windowUpdate, stream.id, more);
    this.wake();
  }

  /** The host hears `ponged`. */
  ping(): void {
    const { out } = this;
    out.frame(8, FRAME.ping, 0, 0).fill(0, out.payloadAt, out.payloadAt + 8);
    this.wake();
  }

  override fail(error: H2Error): void {
    if (this.isOver) return;
    this.sayGoaway(0, error.code);
    this.out.flush();
    this.isOver = true;
    // First, so that whoever hears `closed` can be told why.
    this.host.failed(error);
    this.close();
  }

  /** Says that nothing more is asked. */
  leave(): void {
    if (this.isOver) return;
    this.isLeaving = true;
    this.sayGoaway(0, ERROR.none);
    this.wake();
    this.settleLeaving();
  }

  protected override drop(stream: AnswerStream, code: number | undefined): void {
    this.streams.delete(stream.id);
    stream.resetCode = code;
    this.sender.forget(stream);
    stream.asker.closed();
    this.settleLeaving();
  }

  protected override sent(stream: AnswerStream): void {
    this.settle(stream);
  }

  /** Where both sides have ended, the stream is over. */
  private settle(stream: AnswerStream): void {
    if (!stream.localEnded || !stream.remoteEnded || stream.isClosed) return;
    this.streams.delete(stream.id);
    stream.isClosed = true;
    stream.taker?.finished();
    this.settleLeaving();
  }

  private settleLeaving(): void {
    if (this.isLeaving && this.streams.size === 0 && !this.isOver) this.host.left();
  }

  // Frames --------------------------------------------------------------------------------------------------

  protected override onData(
    flags: number,
    id: number,
    bytes: Buffer,
    from: number,
    to: number,
  ): void {
    this.ids.requireOpened(id);
    const padding = paddingOf(flags, bytes, from, to);
    const at = (flags & FLAG.padded) === 0 ? from : from + 1;
    const end = to - padding;
    // One answer that is not used must not stop the others: only its own window does (RFC 9113 5.2.2).
    if (!this.incoming.take(to - from)) {
      throw new H2Error(ERROR.flowControl, 'More DATA than the window of the connection');
    }
    this.giveBack(to - from);
    const stream = this.streams.get(id);
    // We may have broken it off.
    if (stream === undefined) return;
    if (stream.remoteEnded || !stream.hasHead) return this.reset(stream, ERROR.protocol);
    if (!stream.incoming.take(to - from)) return this.reset(stream, ERROR.flowControl);
    stream.remoteEnded = (flags & FLAG.endStream) !== 0;
    if (to - from > end - at) this.consumed(stream, to - from - (end - at));
    if (end > at) stream.asker.data(bytes, at, end);
    if (stream.remoteEnded && !stream.isClosed) this.ended(stream, undefined);
  }

  private ended(stream: AnswerStream, trailers: readonly Field[] | undefined): void {
    stream.asker.ended(trailers);
    this.settle(stream);
  }

  protected override onHead(
    id: number,
    isEnd: boolean,
    bytes: Buffer,
    from: number,
    to: number,
  ): void {
    // In any case: the table is the connection's.
    const fields = this.decoder.decode(bytes, from, to, this.limits);
    const stream = this.streams.get(id);
    if (stream === undefined) return;
    if (stream.remoteEnded) return this.reset(stream, ERROR.streamClosed);
    if (fields === undefined) return this.reset(stream, ERROR.enhanceYourCalm);
    if (stream.hasHead) {
      if (!isEnd) return this.reset(stream, ERROR.protocol);
      stream.remoteEnded = true;
      return this.ended(stream, fields);
    }
    if (isInterim(fields)) {
      if (isEnd) this.reset(stream, ERROR.protocol);
      return;
    }
    stream.hasHead = true;
    stream.remoteEnded = isEnd;
    stream.asker.head(fields, isEnd);
    if (isEnd) this.settle(stream);
  }

  protected override requireHead(id: number): void {
    this.ids.requireOpened(id);
  }

  protected override onReset(stream: AnswerStream, code: number): void {
    this.drop(stream, code);
  }

  /** What it does not name was never looked at; what it names is still answered (RFC 9113 6.8). */
  protected override onGoaway(lastId: number): void {
    this.isLeaving = true;
    for (const stream of this.streams.values()) {
      if (stream.id > lastId) this.drop(stream, ERROR.refusedStream);
    }
    this.settleLeaving();
  }

  protected override agreed(): void {
    // Nothing waits for it.
  }

  protected override ponged(): void {
    this.host.ponged();
  }

  protected override bothered(): void {
    // A server may ask as much as it likes.
  }
}

/** RFC 9110 15.2: another head follows. */
function isInterim(fields: readonly Field[]): boolean {
  const [first] = fields;
  return first?.name === ':status' && first.value.startsWith('1');
}
