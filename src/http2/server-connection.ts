/**
 * The server's side of an HTTP/2 connection (RFC 9113): bytes in, requests and their bodies out, answers in, bytes out. Knows no
 * socket, no clock and no meaning of fields. A mistake of the peer's ends its stream or the connection, as the RFC says.
 */
import { ERROR, FLAG, FRAME, SETTING, STREAM_ID_MAX, WINDOW_BYTES_DEFAULT } from './codes.ts';
import type { Field } from './field.ts';
import { FrameReader, type FrameTaker, uint31 } from './frame-reader.ts';
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
import { WireStream } from './wire-stream.ts';

export interface ServerLimits extends ListLimits, BlockLimits, SenderLimits {
  /** Under way at once; a further one is refused. */
  readonly streamsMax: number;
  /** What a client may send before it is used. */
  readonly streamWindowBytes: number;
  readonly connectionWindowBytes: number;
}

/** What a client is to be asked to do less of. */
export type Nuisance = 'reset' | 'control' | 'invalid' | 'refused';

export interface ServerHost {
  /** A request; whoever serves it becomes the stream's `taker`, or resets it. */
  begin(stream: WireStream, fields: readonly Field[], isWhole: boolean): void;
  readonly write: BytesWriter;
  /** Of the socket. */
  readonly unsentBytes: () => number;
  /** Something was written outside of `receive`: `flush` is due. */
  wake(): void;
  nuisance(what: Nuisance): void;
  /** GOAWAY has been said: the connection is to be closed. */
  failed(error: H2Error): void;
}

/** What a peer that has not heard of our limit yet may send, as others have it. */
const UNKNOWING_LIST_BYTES: number = 64 * 1024;

export class ServerConnection implements FrameTaker {
  readonly streams: Map<number, WireStream> = new Map();
  isOver = false;
  private readonly host: ServerHost;
  private readonly limits: ServerLimits;
  private readonly reader: FrameReader = new FrameReader(this);
  private readonly decoder = new HpackDecoder();
  private readonly out: OutBuffer;
  private readonly sender: Sender;
  private readonly block = new HeadBlock();
  private readonly ids = new StreamIds();
  private readonly incoming: ReceiveWindow;
  private peer: PeerSettings = DEFAULT_PEER_SETTINGS;
  private isGreeted = false;
  private isAgreed = false;
  private receiving = false;
  /** Streams beyond it are not served: the last GOAWAY said so. */
  private lastServed: number = STREAM_ID_MAX;

  constructor(host: ServerHost, limits: ServerLimits) {
    this.host = host;
    this.limits = limits;
    this.out = new OutBuffer(host.write);
    this.sender = new Sender(this.out, limits, {
      unsentBytes: host.unsentBytes,
      ended: (stream) => this.sent(stream),
    });
    this.incoming = new ReceiveWindow(limits.connectionWindowBytes);
  }

  /** Says our settings. */
  start(): void {
    const { limits, out } = this;
    const payload = settingsPayload([
      [SETTING.concurrentStreamsMax, limits.streamsMax],
      [SETTING.initialWindowSize, limits.streamWindowBytes],
      [SETTING.headerListSizeMax, limits.listBytesMax],
      [SETTING.enableConnectProtocol, 1],
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

  // Answers -------------------------------------------------------------------------------------------------

  head(stream: WireStream, fields: readonly Field[], isLast: boolean): void {
    if (stream.isClosed) return;
    this.sender.head(stream, fields, isLast);
    this.wake();
  }

  data(
    stream: WireStream,
    piece: { readonly bytes: Buffer | string; readonly from: number; readonly isLast: boolean },
    done?: () => void,
  ): void {
    if (stream.isClosed) {
      done?.();
      return;
    }
    this.sender.data(stream, piece, done);
    this.wake();
  }

  end(stream: WireStream, trailers?: readonly Field[]): void {
    if (stream.isClosed || stream.ending !== 'open') return;
    this.sender.end(stream, trailers);
    this.wake();
  }

  /** Breaks a stream off. */
  reset(stream: WireStream, code: number): void {
    if (stream.isClosed) return;
    this.sayReset(stream.id, code);
    this.drop(stream);
    // What this side broke off because of an upstream is not the client's doing.
    if (code !== ERROR.none && code !== ERROR.internal) this.host.nuisance('reset');
  }

  /** Bytes that `StreamTaker.data` brought have been used. */
  consumed(stream: WireStream, bytes: number): void {
    const more = this.incoming.giveBack(bytes);
    const moreOfStream =
      stream.remoteEnded || stream.isClosed ? 0 : stream.incoming.giveBack(bytes);
    if (more > 0) this.out.number(FRAME.windowUpdate, 0, more);
    if (moreOfStream > 0) this.out.number(FRAME.windowUpdate, stream.id, moreOfStream);
    if (more + moreOfStream > 0) this.wake();
  }

  /** Asks to leave: what is on its way is still served (RFC 9113 6.8). */
  leave(): void {
    this.sayGoaway(STREAM_ID_MAX, ERROR.none);
    this.wake();
  }

  /** What has begun is served, and no more. */
  leaveNow(): void {
    this.lastServed = this.ids.last;
    this.sayGoaway(this.lastServed, ERROR.none);
    this.wake();
  }

  fail(error: H2Error): void {
    if (this.isOver) return;
    this.isOver = true;
    this.sayGoaway(this.ids.last, error.code);
    this.out.flush();
    this.close();
    this.host.failed(error);
  }

  /** The socket is gone. */
  close(): void {
    this.isOver = true;
    for (const stream of this.streams.values()) this.drop(stream);
  }

  private wake(): void {
    if (!this.receiving) this.host.wake();
  }

  private drop(stream: WireStream): void {
    this.streams.delete(stream.id);
    this.sender.forget(stream);
    stream.taker?.closed();
  }

  private sent(stream: WireStream): void {
    if (stream.remoteEnded) this.settle(stream);
    else stream.taker?.sent();
  }

  /** Where both sides have ended, the stream is over. */
  private settle(stream: WireStream): void {
    if (!stream.localEnded || !stream.remoteEnded || stream.isClosed) return;
    this.streams.delete(stream.id);
    stream.isClosed = true;
    this.ids.ended(stream.id);
    stream.taker?.finished();
  }

  private sayReset(id: number, code: number): void {
    this.ids.abandoned(id);
    this.out.number(FRAME.reset, id, code);
    this.wake();
  }

  private sayGoaway(lastId: number, code: number): void {
    const { out } = this;
    const bytes = out.frame(8, FRAME.goaway, 0, 0);
    writeUint32(bytes, out.payloadAt, lastId);
    writeUint32(bytes, out.payloadAt + 4, code);
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
        return this.onData(flags, this.needId(id), bytes, from, to);
      case FRAME.headers:
        return this.onHeaders(flags, this.needId(id), bytes, from, to);
      case FRAME.priority:
        return this.onPriority(this.needId(id), to - from);
      case FRAME.reset:
        return this.onReset(this.needId(id), to - from);
      case FRAME.settings:
        return this.onSettings(flags, id, bytes, from, to);
      case FRAME.pushPromise:
        throw wrong('A client promises a push');
      case FRAME.ping:
        return this.onPing(flags, id, bytes, from, to);
      case FRAME.goaway:
        if (id !== 0) throw wrong('GOAWAY on a stream');
        if (to - from < 8) throw wrongSize('GOAWAY', to - from);
        return this.host.nuisance('control');
      case FRAME.windowUpdate:
        return this.onWindowUpdate(id, bytes, from, to);
      case FRAME.continuation:
        return this.onContinuation(flags, bytes, from, to);
      default:
      // RFC 9113 5.5: a type that is not known is ignored.
    }
  }

  private needId(id: number): number {
    if (id === 0) throw wrong('A frame of a stream without a stream');
    return id;
  }

  private onData(flags: number, id: number, bytes: Buffer, from: number, to: number): void {
    const stream = this.streams.get(id);
    if (stream === undefined) this.ids.requireOpened(id);
    const padding = paddingOf(flags, bytes, from, to);
    const isPadded = (flags & FLAG.padded) !== 0;
    const at = isPadded ? from + 1 : from;
    const end = to - padding;
    if (!this.incoming.take(to - from)) {
      throw new H2Error(ERROR.flowControl, 'More DATA than the window of the connection');
    }
    const isEnd = (flags & FLAG.endStream) !== 0;
    if (stream === undefined || stream.remoteEnded) {
      this.giveBack(to - from);
      if (stream === undefined && this.ids.isAbandoned(id)) return;
      this.host.nuisance('invalid');
      if (stream !== undefined) this.reset(stream, ERROR.streamClosed);
      else this.sayReset(id, ERROR.streamClosed);
      return;
    }
    if (!stream.incoming.take(to - from)) {
      this.giveBack(to - from);
      this.reset(stream, ERROR.flowControl);
      return;
    }
    // CVE-2019-9518: frames that say nothing.
    if (at === end && !isEnd) this.host.nuisance('control');
    if (isEnd) stream.remoteEnded = true;
    if (to - from > end - at) this.consumed(stream, to - from - (end - at));
    if (end > at) stream.taker?.data(bytes, at, end);
    if (isEnd && !stream.isClosed) {
      stream.taker?.ended(undefined);
      this.settle(stream);
    }
  }

  private giveBack(bytes: number): void {
    const more = this.incoming.giveBack(bytes);
    if (more > 0) this.out.number(FRAME.windowUpdate, 0, more);
  }

  private onHeaders(flags: number, id: number, bytes: Buffer, from: number, to: number): void {
    const part = fragmentOf(flags, bytes, from, to);
    this.ids.requireOpening(id, this.streams.has(id));
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
    const { limits } = this;
    const listBytesMax = this.isAgreed
      ? limits.listBytesMax
      : Math.max(limits.listBytesMax, UNKNOWING_LIST_BYTES);
    const list = { listBytesMax, fieldsMax: limits.fieldsMax };
    // In any case: the table is the connection's.
    const fields = this.decoder.decode(bytes, from, to, list);
    const stream = this.streams.get(id);
    if (stream !== undefined) this.onTrailers(stream, isEnd, fields);
    else if (!this.ids.isAbandoned(id)) this.onRequest(id, isEnd, fields);
  }

  private onTrailers(stream: WireStream, isEnd: boolean, fields: Field[] | undefined): void {
    if (stream.remoteEnded) this.reset(stream, ERROR.streamClosed);
    else if (!isEnd) this.reset(stream, ERROR.protocol);
    else if (fields === undefined) this.reset(stream, ERROR.enhanceYourCalm);
    else {
      stream.remoteEnded = true;
      stream.taker?.ended(fields);
      this.settle(stream);
    }
  }

  private onRequest(id: number, isEnd: boolean, fields: Field[] | undefined): void {
    const { limits, host } = this;
    this.ids.opened(id);
    if (id > this.lastServed || this.streams.size >= limits.streamsMax) {
      this.sayReset(id, ERROR.refusedStream);
      host.nuisance('refused');
      return;
    }
    if (fields === undefined) {
      this.sayReset(id, ERROR.enhanceYourCalm);
      host.nuisance('reset');
      return;
    }
    const stream = new WireStream(id, {
      remoteEnded: isEnd,
      receiveBytes: limits.streamWindowBytes,
      sendBytes: this.peer.windowBytes,
    });
    this.streams.set(id, stream);
    host.begin(stream, fields, isEnd);
  }

  private onPriority(id: number, size: number): void {
    if (size === 5) return;
    const stream = this.streams.get(id);
    if (stream === undefined) throw wrongSize('PRIORITY', size);
    this.reset(stream, ERROR.frameSize);
  }

  private onReset(id: number, size: number): void {
    if (size !== 4) throw wrongSize('RST_STREAM', size);
    this.ids.requireOpened(id);
    const stream = this.streams.get(id);
    if (stream === undefined) return;
    this.drop(stream);
    this.ids.ended(id);
    this.host.nuisance('reset');
  }

  private onSettings(flags: number, id: number, bytes: Buffer, from: number, to: number): void {
    if (id !== 0) throw wrong('SETTINGS on a stream');
    if ((flags & FLAG.ack) !== 0) {
      if (to > from) throw wrongSize('An acknowledgement of SETTINGS', to - from);
      this.isAgreed = true;
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
    this.host.nuisance('control');
  }

  private onPing(flags: number, id: number, bytes: Buffer, from: number, to: number): void {
    if (id !== 0) throw wrong('PING on a stream');
    if (to - from !== 8) throw wrongSize('PING', to - from);
    if ((flags & FLAG.ack) !== 0) return;
    const answer = this.out.frame(8, FRAME.ping, FLAG.ack, 0);
    bytes.copy(answer, this.out.payloadAt, from, to);
    this.host.nuisance('control');
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

function wrong(message: string): H2Error {
  return new H2Error(ERROR.protocol, message);
}

function wrongSize(what: string, size: number): H2Error {
  return new H2Error(ERROR.frameSize, `${what} has ${size} bytes`);
}
