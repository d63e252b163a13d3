/** One stream of an HTTP/2 connection, which a `Connection` serves as if it were a socket of HTTP/1.1. */
import { EventEmitter } from 'node:events';
import { constants, type ServerHttp2Stream } from 'node:http2';
import { chunkLine, LAST_CHUNK } from '../http/chunked.ts';
import type { ClientSocket } from './client-socket.ts';
import { H2Answer } from './h2-answer.ts';
import { type TranslatedRequest, translateTrailers } from './h2-request.ts';

/** Both ends of the connection. */
export interface H2Peer {
  readonly remoteAddress: string | undefined;
  readonly localAddress: string | undefined;
  readonly localPort: number | undefined;
}

const LINE_END = Buffer.from('\r\n');

export class H2Stream extends EventEmitter implements ClientSocket {
  readonly remoteAddress: string | undefined;
  readonly localAddress: string | undefined;
  readonly localPort: number | undefined;
  private readonly stream: ServerHttp2Stream;
  private readonly request: TranslatedRequest;
  private readonly answer: H2Answer;
  private trailers = '';
  /** Of the request's body. */
  private received = 0;
  private isClosed = false;

  constructor(stream: ServerHttp2Stream, request: TranslatedRequest, peer: H2Peer) {
    super();
    this.remoteAddress = peer.remoteAddress;
    this.localAddress = peer.localAddress;
    this.localPort = peer.localPort;
    this.stream = stream;
    this.request = request;
    this.answer = new H2Answer(stream, request);
    stream.on('error', (error: Error) => this.emit('error', error));
    stream.on('close', () => this.over());
    stream.on('drain', () => this.emit('drain'));
  }

  /** Hands the request to whoever listens. `isWhole`: it has no body. */
  begin(isWhole: boolean): void {
    const { stream } = this;
    this.emit('data', Buffer.from(this.request.text, 'latin1'));
    if (isWhole || this.isClosed) return;
    stream.on('trailers', (_named: unknown, _flags: number, fields: unknown) => {
      const lines = translateTrailers(fields as readonly string[]);
      if (lines === undefined) stream.close(constants.NGHTTP2_PROTOCOL_ERROR);
      else this.trailers = lines;
    });
    stream.on('data', (chunk: Buffer) => this.bodyBytes(chunk));
    stream.on('end', () => this.bodyEnded());
  }

  private bodyBytes(chunk: Buffer): void {
    const { request } = this;
    this.received += chunk.length;
    if (this.answer.isTunnel || request.webSocketKey !== undefined) {
      this.emit('data', chunk);
    } else if (request.isChunked) {
      if (chunk.length === 0) return;
      const line = Buffer.from(chunkLine(chunk.length), 'latin1');
      this.emit('data', Buffer.concat([line, chunk, LINE_END]));
    } else if (this.received > (request.length ?? 0)) {
      // What follows a body would be taken for a request.
      this.stream.close(constants.NGHTTP2_PROTOCOL_ERROR);
    } else {
      this.emit('data', chunk);
    }
  }

  private bodyEnded(): void {
    const { request, stream } = this;
    if (stream.aborted) return;
    if (request.webSocketKey !== undefined) this.emit('end');
    else if (request.isChunked) {
      const end = this.trailers === '' ? LAST_CHUNK : `0\r\n${this.trailers}\r\n`;
      this.emit('data', Buffer.from(end, 'latin1'));
    } else if (this.received < (request.length ?? 0)) {
      stream.close(constants.NGHTTP2_PROTOCOL_ERROR);
    }
  }

  private over(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.emit('close');
  }

  // ClientSocket --------------------------------------------------------------------------------------------

  get writableFinished(): boolean {
    return this.stream.writableFinished;
  }

  get writableNeedDrain(): boolean {
    return !this.isClosed && this.stream.writableNeedDrain;
  }

  write(data: string | Uint8Array, how?: 'latin1' | (() => void)): void {
    const done = typeof how === 'function' ? how : undefined;
    if (this.isClosed || this.stream.destroyed || this.stream.closed) {
      done?.();
      return;
    }
    const bytes =
      typeof data === 'string'
        ? Buffer.from(data, 'latin1')
        : Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    this.answer.write(bytes, done);
  }

  cork(): void {
    this.stream.cork();
  }

  uncork(): void {
    this.stream.uncork();
  }

  /** The connection is through with this stream; what the client still sends is not wanted (RFC 9113 8.1). */
  end(): void {
    const { stream, answer } = this;
    const { isTunnel } = answer;
    answer.end();
    if (isTunnel || stream.closed) return;
    if (stream.writableFinished) stream.close(constants.NGHTTP2_NO_ERROR);
    // Closed any earlier, it could not be broken off any more when the client does not read.
    else stream.once('finish', () => stream.close(constants.NGHTTP2_NO_ERROR));
  }

  pause(): void {
    this.stream.pause();
  }

  resume(): void {
    this.stream.resume();
  }

  /** In the middle of an answer: the client sees that it is not whole. */
  destroy(): void {
    const { stream } = this;
    if (!stream.closed && !stream.destroyed) stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  }

  /** The connection's matter. */
  setKeepAlive(): void {}
}
