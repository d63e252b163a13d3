/**
 * The client's side of an HTTP/2 connection (RFC 9113): requests in, bytes out; bytes in, answers out. Knows no socket, no clock and no meaning of
 * fields. A mistake of the server's that touches what streams share ends the connection, any other its stream.
 */
import { ERROR, FLAG, FRAME, PREFACE, SETTING, STREAM_ID_MAX } from './codes.ts';
import { WINDOW_BYTES_DEFAULT } from './codes.ts';
import type { Field } from './field.ts';
import { FrameReader, type FrameTaker, uint31, uint32 } from './frame-reader.ts';
import { type BlockLimits, fragmentOf, HeadBlock, paddingOf } from './head-block.ts';
import { H2Error } from './h2-error.ts';
import { HpackDecoder, type ListLimits } from './hpack-decoder.ts';
import { type BytesWriter, OutBuffer, writeUint32 } from './out-buffer.ts';
import { Sender, type SenderLimits } from './sender.ts';
import {
  DEFAULT_PEER_SETTINGS,
  type PeerSettings,
  readSettings,
  settingsPayload,
} from './settings.ts';
import { StreamIds } from './stream-ids.ts';
import { ReceiveWindow } from './windows.ts';
import { type StreamTaker, WireStream } from './wire-stream.ts';

export interface ClientLimits extends ListLimits, BlockLimits, SenderLimits {
  /** What of an answer may come before it is used. */
  readonly streamWindowBytes: number;
  readonly connectionWindowBytes: number;
}

export interface ClientHost {
  readonly write: BytesWriter;
  /** Of the socket. */
  readonly unsentBytes: () => number;
  /** Something was written outside of `receive`: `flush` is due. */
  wake(): void;
  /** The answer to a `ping`. */
  ponged(): void;
  /** The server takes no further request, and none is under way any more. */
  left(): void;
  /** GOAWAY has been said: the connection is to be closed. */
  failed(error: H2Error): void;
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

export class ClientConnection implements FrameTaker {
  readonly streams: Map<number, AnswerStream> = new Map();
  isOver = false;
  private readonly host: ClientHost;
  private readonly limits: ClientLimits;
  private readonly reader: FrameReader = new FrameReader(this, 'server');
  private readonly decoder = new HpackDecoder();
  private readonly out: OutBuffer;
  private readonly sender: Sender;
  private readonly block = new HeadBlock();
  private readonly ids = new StreamIds();
  private readonly incoming: ReceiveWindow;
  private peer: PeerSettings = DEFAULT_PEER_SETTINGS;
  private isGreeted = false;
  private isLeaving = false;
  private receiving = false;

  constructor(host: ClientHost, limits: ClientLimits) {
    this.host = host;
    this.limits = limits;
    this.out = new OutBuffer(host.write);
    this.sender = new Sender(this.out, limits, {
      unsentBytes: host.unsentBytes,
      ended: (stream) => this.settle(stream),
    });
    this.incoming = new ReceiveWindow(limits.connectionWindowBytes);
  }

  /** Says the preface and our settings. */
  start(): void {
    const { limits, out } = this;
    this.host.write(PREFACE, NOTHING_TO_DO);
    const payload = settingsPayload([
      [SETTING.enablePush, 0],
      [SETTING.initialWindowSize, limits.streamWindowBytes],
      [SETTING.headerListSizeMax, limits.listBytesMax],
    ]);
    payload.copy(out.frame(payload.length, FRAME.settings, 0, 0), out.payloadAt);
    out.number(FRAME.windowUpdate, 0, limits.connectionWindowBytes - WINDOW_BYTES_DEFAULT);
    this.flush();
  }

  receive(chunk: Buffer): void {
    if (this.isOver) return;
    this.receiving = true;
    try {
      this.reader.read(chunk);
    } catch (error) {
      if (!(error instanceof H2Error)) throw error;
      this.fail(error);
    } finally {
      this.receiving = false;
    }
    this.flush();
  }

  /** Sends what may go. */
  flush(): void {
    if (!this.isOver) this.sender.pump();
    this.out.flush();
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
  reset(stream: AnswerStream, code: number): void {
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

  fail(error: H2Error): void {
    if (this.isOver) return;
    this.sayGoaway(error.code);
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
    this.sayGoaway(ERROR.none);
    this.wake();
    this.settleLeaving();
  }

  /** The socket is gone. */
  close(): void {
    this.isOver = true;
    for (const stream of this.streams.values()) this.drop(stream, undefined);
  }

  private wake(): void {
    if (!this.receiving) this.host.wake();
  }

  private sayGoaway(code: number): void {
    const { out } = this;
    const bytes = out.frame(8, FRAME.goaway, 0, 0);
    // Of streams that the server would have opened.
    writeUint32(bytes, out.payloadAt, 0);
    writeUint32(bytes, out.payloadAt + 4, code);
  }

  private drop(stream: AnswerStream, code: number | undefined): void {
    this.streams.delete(stream.id);
    stream.resetCode = code;
    this.sender.forget(stream);
    stream.asker.closed();
    this.settleLeaving();
  }

  /** Where both sides have ended, the stream is over. */
  private settle(stream: WireStream): void {
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

  frame(type: number, flags: number, id: number, bytes: Buffer, from: number, to: number): void {
    if (!this.isGreeted) {
      // RFC 9113 3.4.
      if (type !== FRAME.settings || (flags & FLAG.ack) !== 0) {
        throw wrong('The first frame is not SETTINGS');
      }
      this.isGreeted = true;
    }
    if (this.block.streamId !== 0 && (type !== FRAME.continuation || id !== this.block.streamId)) {
      throw wrong('A head is interrupted');
    }
    switch (type) {
      case FRAME.data:
        return this.onData(flags, id, bytes, from, to);
      case FRAME.headers:
        return this.onHeaders(flags, id, bytes, from, to);
      case FRAME.reset:
        return this.onReset(id, bytes, from, to);
      case FRAME.settings:
        return this.onSettings(flags, id, bytes, from, to);
      case FRAME.pushPromise:
        throw wrong('A push was promised, which we do not take');
      case FRAME.ping:
        return this.onPing(flags, id, bytes, from, to);
      case FRAME.goaway:
        return this.onGoaway(id, bytes, from, to);
      case FRAME.windowUpdate:
        return this.onWindowUpdate(id, bytes, from, to);
      case FRAME.continuation:
        return this.onContinuation(flags, bytes, from, to);
      default:
      // PRIORITY says nothing any more, and a type that is not known is ignored (RFC 9113 5.3.2, 5.5).
    }
  }

  private onData(flags: number, id: number, bytes: Buffer, from: number, to: number): void {
    this.ids.requireOpened(id);
    const padding = paddingOf(flags, bytes, from, to);
    const at = (flags & FLAG.padded) === 0 ? from : from + 1;
    const end = to - padding;
    // One answer that is not used must not stop the others: only its own window does (RFC 9113 5.2.2).
    if (!this.incoming.take(to - from)) {
      throw new H2Error(ERROR.flowControl, 'More DATA than the window of the connection');
    }
    const more = this.incoming.giveBack(to - from);
    if (more > 0) this.out.number(FRAME.windowUpdate, 0, more);
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

  private onHeaders(flags: number, id: number, bytes: Buffer, from: number, to: number): void {
    this.ids.requireOpened(id);
    const part = fragmentOf(flags, bytes, from, to);
    if ((flags & FLAG.endHeaders) === 0) {
      this.block.begin(id, flags, bytes.subarray(part.from, part.to));
      return;
    }
    this.onHead(id, (flags & FLAG.endStream) !== 0, bytes, part.from, part.to);
  }

  private onContinuation(flags: number, bytes: Buffer, from: number, to: number): void {
    const { block, limits } = this;
    const { streamId: id, endsStream } = block;
    if (id === 0) throw wrong('CONTINUATION without a head');
    block.add(bytes.subarray(from, to), limits);
    if ((flags & FLAG.endHeaders) === 0) return;
    const whole = block.take();
    this.onHead(id, endsStream, whole, 0, whole.length);
  }

  private onHead(id: number, isEnd: boolean, bytes: Buffer, from: number, to: number): void {
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

  private onReset(id: number, bytes: Buffer, from: number, to: number): void {
    if (to - from !== 4) throw wrongSize('RST_STREAM', to - from);
    this.ids.requireOpened(id);
    const stream = this.streams.get(id);
    if (stream !== undefined) this.drop(stream, uint32(bytes, from));
  }

  private onSettings(flags: number, id: number, bytes: Buffer, from: number, to: number): void {
    if (id !== 0) throw wrong('SETTINGS on a stream');
    if ((flags & FLAG.ack) !== 0) {
      if (to > from) throw wrongSize('An acknowledgement of SETTINGS', to - from);
      return;
    }
    const { peer, sender, out } = this;
    const settings = readSettings(peer, bytes, from, to);
    const change = settings.windowBytes - peer.windowBytes;
    this.peer = settings;
    for (const stream of change === 0 ? [] : this.streams.values()) {
      if (!stream.outgoing.widen(change)) {
        throw new H2Error(ERROR.flowControl, 'SETTINGS make a window too large');
      }
      sender.opened(stream);
    }
    sender.encoder.resize(settings.headerTableBytes);
    out.frame(0, FRAME.settings, FLAG.ack, 0);
  }

  private onPing(flags: number, id: number, bytes: Buffer, from: number, to: number): void {
    if (id !== 0) throw wrong('PING on a stream');
    if (to - from !== 8) throw wrongSize('PING', to - from);
    if ((flags & FLAG.ack) !== 0) return this.host.ponged();
    const answer = this.out.frame(8, FRAME.ping, FLAG.ack, 0);
    bytes.copy(answer, this.out.payloadAt, from, to);
  }

  /** What it does not name was never looked at; what it names is still answered (RFC 9113 6.8). */
  private onGoaway(id: number, bytes: Buffer, from: number, to: number): void {
    if (id !== 0) throw wrong('GOAWAY on a stream');
    if (to - from < 8) throw wrongSize('GOAWAY', to - from);
    const last = uint31(bytes, from);
    this.isLeaving = true;
    for (const stream of this.streams.values()) {
      if (stream.id > last) this.drop(stream, ERROR.refusedStream);
    }
    this.settleLeaving();
  }

  private onWindowUpdate(id: number, bytes: Buffer, from: number, to: number): void {
    if (to - from !== 4) throw wrongSize('WINDOW_UPDATE', to - from);
    const more = uint31(bytes, from);
    if (id === 0) {
      if (more === 0) throw wrong('WINDOW_UPDATE of nothing');
      if (!this.sender.window.widen(more)) {
        throw new H2Error(ERROR.flowControl, 'The window of the connection gets too large');
      }
      for (const stream of this.streams.values()) this.sender.opened(stream);
      return;
    }
    this.ids.requireOpened(id);
    const stream = this.streams.get(id);
    if (stream === undefined) return;
    if (more === 0) this.reset(stream, ERROR.protocol);
    else if (stream.outgoing.widen(more)) this.sender.opened(stream);
    else this.reset(stream, ERROR.flowControl);
  }
}

/** RFC 9110 15.2: another head follows. */
function isInterim(fields: readonly Field[]): boolean {
  const [first] = fields;
  return first?.name === ':status' && first.value.startsWith('1');
}

function wrong(message: string): H2Error {
  return new H2Error(ERROR.protocol, message);
}

function wrongSize(what: string, size: number): H2Error {
  return new H2Error(ERROR.frameSize, `${what} has ${size} bytes`);
}
