/**
 * The server's side of an HTTP/2 connection (RFC 9113): bytes in, requests and their bodies out, answers in, bytes out. Knows no
 * socket, no clock and no meaning of fields. A mistake of the peer's ends its stream or the connection, as the RFC says.
 */
import { ERROR, FLAG, FRAME, SETTING, STREAM_ID_MAX } from './codes.ts';
import type { Field } from './field.ts';
import { paddingOf } from './head-block.ts';
import { H2Error } from './h2-error.ts';
import { PeerConnection, type PeerHost, type PeerLimits } from './peer-connection.ts';
import { WireStream } from './wire-stream.ts';

export interface ServerLimits extends PeerLimits {
  /** Under way at once; a further one is refused. */
  readonly streamsMax: number;
}

/** What a client is to be asked to do less of. */
export type Nuisance = 'reset' | 'control' | 'invalid' | 'refused';

export interface ServerHost extends PeerHost {
  /** A request; whoever serves it becomes the stream's `taker`, or resets it. */
  begin(stream: WireStream, fields: readonly Field[], isWhole: boolean): void;
  nuisance(what: Nuisance): void;
}

/** What a peer that has not heard of our limit yet may send, as others have it. */
const UNKNOWING_LIST_BYTES: number = 64 * 1024;

export class ServerConnection extends PeerConnection<WireStream, ServerHost, ServerLimits> {
  private isAgreed = false;
  /** Streams beyond it are not served: the last GOAWAY said so. */
  private lastServed: number = STREAM_ID_MAX;

  constructor(host: ServerHost, limits: ServerLimits) {
    super(host, limits, 'client');
  }

  /** Says our settings. */
  start(): void {
    const { limits } = this;
    this.greet([
      [SETTING.concurrentStreamsMax, limits.streamsMax],
      [SETTING.initialWindowSize, limits.streamWindowBytes],
      [SETTING.headerListSizeMax, limits.listBytesMax],
      [SETTING.enableConnectProtocol, 1],
    ]);
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
  override reset(stream: WireStream, code: number): void {
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

  override fail(error: H2Error): void {
    if (this.isOver) return;
    this.isOver = true;
    this.sayGoaway(this.ids.last, error.code);
    this.out.flush();
    this.close();
    this.host.failed(error);
  }

  protected override drop(stream: WireStream): void {
    this.streams.delete(stream.id);
    this.sender.forget(stream);
    stream.taker?.closed();
  }

  protected override sent(stream: WireStream): void {
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

  // Frames --------------------------------------------------------------------------------------------------

  protected override onData(
    flags: number,
    id: number,
    bytes: Buffer,
    from: number,
    to: number,
  ): void {
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

  protected override requireHead(id: number): void {
    this.ids.requireOpening(id, this.streams.has(id));
  }

  protected override onHead(
    id: number,
    isEnd: boolean,
    bytes: Buffer,
    from: number,
    to: number,
  ): void {
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

  protected override onReset(stream: WireStream): void {
    this.drop(stream);
    this.ids.ended(stream.id);
    this.host.nuisance('reset');
  }

  protected override onGoaway(): void {
    this.host.nuisance('control');
  }

  protected override agreed(): void {
    this.isAgreed = true;
  }

  protected override ponged(): void {
    // Nothing was asked.
  }

  protected override bothered(): void {
    this.host.nuisance('control');
  }
}
