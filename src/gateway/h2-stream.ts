/**
 * What a `Connection` takes for its socket: one stream of an HTTP/2 connection after the other, as requests come one after the
 * other over a kept connection of HTTP/1.1.
 */
import { chunkLine, LAST_CHUNK } from '../http/chunked.ts';
import { writeLatin1 } from '../http/latin1.ts';
import {
  ERROR,
  type Field,
  type ServerConnection,
  type StreamTaker,
  type WireStream,
} from '../http2/http2.ts';
import type { ClientSocket } from './client-socket.ts';
import { H2Answer } from './h2-answer.ts';
import { type TranslatedRequest, translateTrailers } from './h2-request.ts';
import type { Plane } from './plane.ts';

/** Both ends of the connection. */
export interface H2Peer {
  readonly remoteAddress: string | undefined;
  readonly localAddress: string | undefined;
  readonly localPort: number | undefined;
}

/** The connection that the streams are of. */
export interface H2Home {
  readonly plane: Plane;
  readonly peer: H2Peer;
  readonly wire: ServerConnection;
  /** Its stream is over in good order: it may have another. */
  free(stream: H2Stream): void;
  /** To be called back, outside of anything under way. */
  later(stream: H2Stream): void;
}

/** A head or a frame with what HTTP/1.1 has around it; used up before the next. */
const scratch: Buffer = Buffer.allocUnsafeSlow(32 * 1024);

export class H2Stream implements ClientSocket, StreamTaker {
  private readonly home: H2Home;
  private readonly answer: H2Answer;
  private stream: WireStream | undefined;
  private request: TranslatedRequest | undefined;
  /** Of the request's body. */
  private received = 0;
  private isPaused = false;
  /** Came during a pause. */
  private held: Buffer[] = [];
  /** What follows that: trailers, as lines. */
  private heldEnd: string | undefined;
  /** The connection is through with it. */
  private isEnded = false;
  /** Nothing more comes of it. */
  private isOver = false;
  private isClosed = false;
  private onData: ((chunk: Buffer) => void) | undefined;
  private onDrain: (() => void) | undefined;
  private onEnd: (() => void) | undefined;
  private onClose: (() => void) | undefined;

  constructor(home: H2Home) {
    this.home = home;
    this.answer = new H2Answer(home.wire);
  }

  /** Hands a request to whoever listens. `isWhole`: it has no body. */
  begin(stream: WireStream, request: TranslatedRequest, isWhole: boolean): void {
    this.stream = stream;
    this.request = request;
    this.received = 0;
    this.answer.begin(stream, request);
    stream.taker = this;
    const { text } = request;
    if (text.length > scratch.length) this.onData?.(Buffer.from(text, 'latin1'));
    else this.onData?.(scratch.subarray(0, writeLatin1(scratch, text, 0)));
    if (isWhole && request.webSocketKey !== undefined) this.onEnd?.();
  }

  /** May have another stream. */
  get isUsable(): boolean {
    return !this.isEnded && !this.isOver;
  }

  /** What was put off by `later`. */
  goOn(): void {
    while (this.held.length > 0 && !this.isPaused) {
      const chunk = this.held.shift();
      if (chunk !== undefined) this.use(chunk, 0, chunk.length);
    }
    const { heldEnd } = this;
    if (heldEnd !== undefined && this.held.length === 0 && !this.isPaused) {
      this.heldEnd = undefined;
      this.bodyEnded(heldEnd);
    }
    if (!this.isOver || this.isClosed) return;
    this.isClosed = true;
    this.onClose?.();
  }

  // StreamTaker ---------------------------------------------------------------------------------------------

  data(bytes: Buffer, from: number, to: number): void {
    const { stream, request, home } = this;
    if (stream === undefined) return;
    this.received += to - from;
    if (request?.length !== undefined && this.received > request.length) {
      // What follows a body would be taken for a request.
      home.wire.consumed(stream, to - from);
      home.wire.reset(stream, ERROR.protocol);
    } else if (this.isPaused || this.held.length > 0) {
      this.held.push(Buffer.from(bytes.subarray(from, to)));
    } else {
      this.use(bytes, from, to);
    }
  }

  private use(bytes: Buffer, from: number, to: number): void {
    const { stream, request } = this;
    if (stream === undefined) return;
    if (request?.isChunked === true) {
      const size = to - from;
      const start = writeLatin1(scratch, chunkLine(size), 0);
      bytes.copy(scratch, start, from, to);
      const end = start + size;
      this.onData?.(scratch.subarray(0, end + writeLatin1(scratch, '\r\n', end)));
    } else {
      this.onData?.(bytes.subarray(from, to));
    }
    this.home.wire.consumed(stream, to - from);
  }

  ended(trailers: readonly Field[] | undefined): void {
    const { stream, request, home } = this;
    if (stream === undefined) return;
    const lines = trailers === undefined ? '' : translateTrailers(trailers);
    const isShort = this.received < (request?.length ?? 0);
    if (lines === undefined || isShort) home.wire.reset(stream, ERROR.protocol);
    else if (this.isPaused || this.held.length > 0) this.heldEnd = lines;
    else this.bodyEnded(lines);
  }

  private bodyEnded(lines: string): void {
    const { request } = this;
    if (request?.webSocketKey !== undefined) this.onEnd?.();
    else if (request?.isChunked === true) {
      const end = lines === '' ? LAST_CHUNK : `0\r\n${lines}\r\n`;
      this.onData?.(Buffer.from(end, 'latin1'));
    }
  }

  drained(): void {
    this.onDrain?.();
  }

  sent(): void {
    if (this.isEnded) this.leaveRest();
  }

  finished(): void {
    this.stream = undefined;
    if (this.isEnded) this.over();
    else this.home.free(this);
  }

  closed(): void {
    const { stream, held, home } = this;
    this.stream = undefined;
    this.held = [];
    this.heldEnd = undefined;
    if (stream === undefined) return;
    for (const { length } of held) home.wire.consumed(stream, length);
    this.over();
  }

  private over(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.home.later(this);
  }

  // ClientSocket --------------------------------------------------------------------------------------------

  get remoteAddress(): string | undefined {
    return this.home.peer.remoteAddress;
  }

  get localAddress(): string | undefined {
    return this.home.peer.localAddress;
  }

  get localPort(): number | undefined {
    return this.home.peer.localPort;
  }

  get writableFinished(): boolean {
    return this.isEnded && (this.stream === undefined || this.stream.localEnded);
  }

  get writableNeedDrain(): boolean {
    return this.stream !== undefined && this.stream.needsDrain;
  }

  get writableLength(): number {
    return this.stream?.queuedBytes ?? 0;
  }

  write(data: string | Uint8Array, how?: 'latin1' | (() => void)): void {
    const done = typeof how === 'function' ? how : undefined;
    const { second } = this.home.plane;
    if (typeof data === 'string' || Buffer.isBuffer(data)) this.answer.write(data, second, done);
    else {
      const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
      this.answer.write(bytes, second, done);
    }
  }

  /** All that is written in one turn leaves together in any case. */
  cork(): void {}

  uncork(): void {}

  /** The connection is through with it; what the client still sends is not wanted (RFC 9113 8.1). */
  end(): void {
    if (this.isEnded) return;
    this.isEnded = true;
    const { stream, answer } = this;
    const { isTunnel } = answer;
    answer.end();
    if (stream === undefined) this.over();
    else if (!isTunnel && stream.localEnded) this.leaveRest();
  }

  /** Closed any earlier, it could not be broken off any more when the client does not read. */
  private leaveRest(): void {
    const { stream, request, home } = this;
    if (stream !== undefined && request?.webSocketKey === undefined) {
      home.wire.reset(stream, ERROR.none);
    }
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
    if (this.held.length > 0 || this.heldEnd !== undefined) this.home.later(this);
  }

  /** In the middle of an answer: the client sees that it is not whole. */
  destroy(): void {
    const { stream, home } = this;
    if (stream === undefined) this.over();
    else home.wire.reset(stream, ERROR.internal);
  }

  /** The connection's matter. */
  setKeepAlive(): void {}

  on(event: 'data', take: (chunk: Buffer) => void): void;
  on(event: 'error', take: (error: Error) => void): void;
  on(event: 'drain' | 'end' | 'close', take: () => void): void;
  on(event: string, take: ((chunk: Buffer) => void) | (() => void) | ((e: Error) => void)): void {
    const bound = take.bind(this) as () => void;
    if (event === 'data') this.onData = bound as (chunk: Buffer) => void;
    else if (event === 'drain') this.onDrain = bound;
    else if (event === 'end') this.onEnd = bound;
    else if (event === 'close') this.onClose = bound;
  }
}
