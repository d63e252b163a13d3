/**
 * What both sides of an HTTP/2 connection (RFC 9113) have in common: the order of frames, SETTINGS, PING, windows, heads that come in pieces, and what goes
 * out in one write. A mistake of the peer's ends its stream or the connection, as the RFC says.
 */
import { ERROR, FLAG, FRAME, WINDOW_BYTES_DEFAULT } from './codes.ts';
import { FrameReader, type FrameTaker, uint31, uint32 } from './frame-reader.ts';
import { type BlockLimits, fragmentOf, HeadBlock } from './head-block.ts';
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
import type { WireStream } from './wire-stream.ts';

export interface PeerLimits extends ListLimits, BlockLimits, SenderLimits {
  /** What of a body may come before it is used. */
  readonly streamWindowBytes: number;
  readonly connectionWindowBytes: number;
}

/** Who has the socket. */
export interface PeerHost {
  readonly write: BytesWriter;
  /** Of the socket. */
  readonly unsentBytes: () => number;
  /** Something was written outside of `receive`: `flush` is due. */
  wake(): void;
  /** GOAWAY has been said: the connection is to be closed. */
  failed(error: H2Error): void;
}

export abstract class PeerConnection<
  S extends WireStream,
  H extends PeerHost = PeerHost,
  L extends PeerLimits = PeerLimits,
> implements FrameTaker {
  readonly streams: Map<number, S> = new Map();
  isOver = false;
  protected readonly host: H;
  protected readonly limits: L;
  protected readonly decoder: HpackDecoder = new HpackDecoder();
  protected readonly out: OutBuffer;
  protected readonly sender: Sender;
  protected readonly ids: StreamIds = new StreamIds();
  protected readonly incoming: ReceiveWindow;
  protected peer: PeerSettings = DEFAULT_PEER_SETTINGS;
  private readonly reader: FrameReader;
  private readonly block = new HeadBlock();
  private isGreeted = false;
  private receiving = false;

  constructor(host: H, limits: L, peer: 'client' | 'server') {
    this.host = host;
    this.limits = limits;
    this.reader = new FrameReader(this, peer);
    this.out = new OutBuffer(host.write);
    this.sender = new Sender(this.out, limits, {
      unsentBytes: host.unsentBytes,
      ended: (stream) => this.sent(stream as S),
    });
    this.incoming = new ReceiveWindow(limits.connectionWindowBytes);
  }

  abstract reset(stream: S, code: number): void;
  abstract fail(error: H2Error): void;
  /** Our END_STREAM has been written. */
  protected abstract sent(stream: S): void;
  protected abstract drop(stream: S, code: number | undefined): void;
  protected abstract onData(
    flags: number,
    id: number,
    bytes: Buffer,
    from: number,
    to: number,
  ): void;
  /** Throws when no head may come for this stream. */
  protected abstract requireHead(id: number): void;
  protected abstract onHead(
    id: number,
    isEnd: boolean,
    bytes: Buffer,
    from: number,
    to: number,
  ): void;
  /** RST_STREAM came for a stream that is open. */
  protected abstract onReset(stream: S, code: number): void;
  protected abstract onGoaway(lastId: number): void;
  /** The peer has taken our settings. */
  protected abstract agreed(): void;
  protected abstract ponged(): void;
  /** A frame that asks for an answer was answered. */
  protected abstract bothered(): void;

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

  /** The socket is gone. */
  close(): void {
    this.isOver = true;
    for (const stream of this.streams.values()) this.drop(stream, undefined);
  }

  /** Says our settings, and how much may come on the whole connection. */
  protected greet(settings: Parameters<typeof settingsPayload>[0]): void {
    const { out, limits } = this;
    const payload = settingsPayload(settings);
    payload.copy(out.frame(payload.length, FRAME.settings, 0, 0), out.payloadAt);
    out.number(FRAME.windowUpdate, 0, limits.connectionWindowBytes - WINDOW_BYTES_DEFAULT);
    this.flush();
  }

  protected wake(): void {
    if (!this.receiving) this.host.wake();
  }

  protected sayGoaway(lastId: number, code: number): void {
    const { out } = this;
    const bytes = out.frame(8, FRAME.goaway, 0, 0);
    writeUint32(bytes, out.payloadAt, lastId);
    writeUint32(bytes, out.payloadAt + 4, code);
  }

  /** Bytes of the connection's window: as many more may come. */
  protected giveBack(bytes: number): void {
    const more = this.incoming.giveBack(bytes);
    if (more > 0) this.out.number(FRAME.windowUpdate, 0, more);
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
        return this.onData(flags, needId(id), bytes, from, to);
      case FRAME.headers:
        return this.onHeaders(flags, needId(id), bytes, from, to);
      case FRAME.priority:
        return this.onPriority(needId(id), to - from);
      case FRAME.reset:
        return this.onResetFrame(needId(id), bytes, from, to);
      case FRAME.settings:
        return this.onSettings(flags, id, bytes, from, to);
      case FRAME.pushPromise:
        throw wrong('A push was promised, which is not taken');
      case FRAME.ping:
        return this.onPing(flags, id, bytes, from, to);
      case FRAME.goaway:
        if (id !== 0) throw wrong('GOAWAY on a stream');
        if (to - from < 8) throw wrongSize('GOAWAY', to - from);
        return this.onGoaway(uint31(bytes, from));
      case FRAME.windowUpdate:
        return this.onWindowUpdate(id, bytes, from, to);
      case FRAME.continuation:
        return this.onContinuation(flags, bytes, from, to);
      default:
      // RFC 9113 5.5: a type that is not known is ignored.
    }
  }

  private onHeaders(flags: number, id: number, bytes: Buffer, from: number, to: number): void {
    const part = fragmentOf(flags, bytes, from, to);
    this.requireHead(id);
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

  /** It says nothing any more (RFC 9113 5.3.2), but has a size. */
  private onPriority(id: number, size: number): void {
    if (size === 5) return;
    const stream = this.streams.get(id);
    if (stream === undefined) throw wrongSize('PRIORITY', size);
    this.reset(stream, ERROR.frameSize);
  }

  private onResetFrame(id: number, bytes: Buffer, from: number, to: number): void {
    if (to - from !== 4) throw wrongSize('RST_STREAM', to - from);
    this.ids.requireOpened(id);
    const stream = this.streams.get(id);
    if (stream !== undefined) this.onReset(stream, uint32(bytes, from));
  }

  private onSettings(flags: number, id: number, bytes: Buffer, from: number, to: number): void {
    if (id !== 0) throw wrong('SETTINGS on a stream');
    if ((flags & FLAG.ack) !== 0) {
      if (to > from) throw wrongSize('An acknowledgement of SETTINGS', to - from);
      this.agreed();
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
    this.bothered();
  }

  private onPing(flags: number, id: number, bytes: Buffer, from: number, to: number): void {
    if (id !== 0) throw wrong('PING on a stream');
    if (to - from !== 8) throw wrongSize('PING', to - from);
    if ((flags & FLAG.ack) !== 0) return this.ponged();
    const answer = this.out.frame(8, FRAME.ping, FLAG.ack, 0);
    bytes.copy(answer, this.out.payloadAt, from, to);
    this.bothered();
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

function needId(id: number): number {
  if (id === 0) throw wrong('A frame of a stream without a stream');
  return id;
}

function wrong(message: string): H2Error {
  return new H2Error(ERROR.protocol, message);
}

function wrongSize(what: string, size: number): H2Error {
  return new H2Error(ERROR.frameSize, `${what} has ${size} bytes`);
}
