/**
 * What an upstream's user takes for its socket: a request of HTTP/1.1 is written and an answer of HTTP/1.1 is read, and in between they
 * are one stream of HTTP/2, trailers and all (RFC 9113 8). The gateway wrote the request itself, so nothing in it has to be forgiven;
 * the answer is judged by the codec that judges all answers.
 */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  constants,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2';
import { Socket } from 'node:net';
import { chunkLine, type ChunkSink, LAST_CHUNK } from '../http/chunked.ts';
import { BODY, RequestFraming } from '../http/framing.ts';
import { FIELD } from '../http/field-names.ts';
import { type FieldScanner, RequestHead } from '../http/head.ts';
import { RequestBody } from './request-body.ts';
import { UnprocessedError } from './sent-request.ts';
import { webSocketProof } from './web-socket-proof.ts';

/** About a connection that is not one here (RFC 9113 8.2.2), or said in another way. */
const DROPPED: ReadonlySet<number> = new Set([
  FIELD.connection,
  FIELD.host,
  FIELD.keepAlive,
  FIELD.proxyConnection,
  FIELD.transferEncoding,
  FIELD.upgrade,
  FIELD.http2Settings,
]);

/** One protocol is asked for, and this is it. */
const WEB_SOCKET = /^websocket$/i;

/** More than any client's limits and the lines that the gateway adds. */
const head = new RequestHead({
  headBytesMax: 4 * 1024 * 1024,
  headersMax: 20_000,
  targetBytesMax: 2 * 1024 * 1024,
});
const framing = new RequestFraming();

/** What a stream knows of its connection. */
export interface StreamLink {
  readonly scheme: 'http' | 'https';
  /** The last stream that the upstream deals with. */
  lastId(): number;
  /** Of the connection's end, as the upstream said it: Node has it as that of each stream too. */
  endCode(): number | undefined;
  /** Called once, with whether an answer had begun. */
  gone(answered: boolean): void;
}

export class H2UpstreamStream extends Socket implements ChunkSink {
  readonly #session: ClientHttp2Session;
  readonly #link: StreamLink;
  /** Of a WebSocket, whose bytes follow the head unframed (RFC 8441). */
  #webSocketKey: string | undefined;
  #stream: ClientHttp2Stream | undefined;
  readonly #body = new RequestBody();
  /** Of the request's head, until all of it is there. */
  #partial: Buffer | undefined;
  #hasAnswer = false;
  #isHead = false;
  #isChunked = false;
  /** END_STREAM came, not just an end. */
  #isWhole = false;
  #isEnded = false;
  #trailers = '';

  constructor(session: ClientHttp2Session, link: StreamLink) {
    super({ allowHalfOpen: true });
    this.#session = session;
    this.#link = link;
  }

  /** All of the answer is here, whatever becomes of the connection. */
  get hasAll(): boolean {
    return this.#isEnded;
  }

  // The request ---------------------------------------------------------------------------------------------

  override _write(
    chunk: string | Buffer,
    encoding: BufferEncoding,
    done: (error?: Error | null) => void,
  ): void {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk;
    try {
      this.#take(bytes);
    } catch (error) {
      done(error as Error);
      return;
    }
    const stream = this.#stream;
    if (stream?.writableNeedDrain !== true || stream.destroyed) done();
    else stream.once('drain', () => done());
  }

  override _writev(
    chunks: readonly { readonly chunk: string | Buffer; readonly encoding: BufferEncoding }[],
    done: (error?: Error | null) => void,
  ): void {
    const all = chunks.map(({ chunk, encoding }) =>
      typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk,
    );
    this._write(Buffer.concat(all), 'latin1', done);
  }

  override _final(done: (error?: Error | null) => void): void {
    const stream = this.#stream;
    // Else what the upstream has not taken yet would be lost with the stream, when its own side has ended.
    if (this.#webSocketKey === undefined || stream === undefined) done();
    else stream.end(() => done());
  }

  #take(bytes: Buffer): void {
    let at = 0;
    let all = bytes;
    if (this.#stream === undefined) {
      all = this.#partial === undefined ? bytes : Buffer.concat([this.#partial, bytes]);
      head.reset(0);
      if (!head.scan(all, all.length)) {
        this.#partial = Buffer.from(all);
        return;
      }
      this.#partial = undefined;
      at = head.end;
      this.#begin();
    }
    if (at === all.length) return;
    if (this.#webSocketKey !== undefined) this.#stream?.write(Buffer.from(all.subarray(at)));
    else if (!this.#body.done) {
      this.#body.feed(all, at, all.length, this);
      if (this.#body.done) this.#stream?.end();
    }
  }

  #begin(): void {
    framing.read(head);
    this.#body.start(framing);
    this.#isHead = head.method === 'HEAD';
    const fields = listed(head);
    const isAllowed = this.#session.remoteSettings.enableConnectProtocol === true;
    if (framing.upgrade && isAllowed && WEB_SOCKET.test(head.joined(FIELD.upgrade) ?? ''))
      this.#webSocketKey = fields['sec-websocket-key'];
    const isWhole = this.#body.done && this.#webSocketKey === undefined;
    const isChunked = framing.kind === BODY.chunked;
    const stream = this.#session.request(this.#fieldsOf(fields), {
      endStream: isWhole,
      waitForTrailers: isChunked,
    });
    this.#stream = stream;
    if (isChunked) {
      stream.on('wantTrailers', () => {
        const { trailers } = this.#body;
        stream.sendTrailers(trailers === undefined ? {} : listed(trailers));
      });
    }
    // Node lets a stream end as if it were complete when it was reset or its connection broke, but closes it first.
    const push = stream.push.bind(stream);
    stream.push = (chunk, encoding) => {
      if (chunk === null && !stream.closed) {
        this.#isWhole = true;
        // At most a window of it waits here for a slow client: with the connection, Node would forget what nobody has read.
        stream.resume();
      }
      return push(chunk, encoding);
    };
    stream.on('headers', (fields) => this.#interim(fields));
    stream.on('response', (fields, flags) => this.#headed(fields, flags));
    stream.on('data', (chunk: Buffer) => this.#came(chunk));
    stream.on('trailers', (fields) => {
      this.#trailers = linesOf(fields);
    });
    stream.on('end', () => this.#ended());
    stream.on('error', (error) => this.destroy(error));
    stream.on('close', () => this.#closed(stream.rstCode));
  }

  /** RFC 8441 5: what is GET with an upgrade there is CONNECT with a protocol here. */
  #fieldsOf(fields: Record<string, string>): OutgoingHttpHeaders {
    const isWebSocket = this.#webSocketKey !== undefined;
    if (isWebSocket) delete fields['sec-websocket-key'];
    return {
      ':method': isWebSocket ? 'CONNECT' : head.method,
      ...(isWebSocket ? { ':protocol': 'websocket' } : {}),
      ':scheme': this.#link.scheme,
      ':authority': head.joined(FIELD.host) ?? '',
      ':path': head.target,
      ...fields,
    };
  }

  /** Of the request, decoded. Whoever wrote them may use them again. */
  bodyBytes(buffer: Buffer, from: number, to: number): void {
    this.#stream?.write(Buffer.from(buffer.subarray(from, to)));
  }

  // The answer ----------------------------------------------------------------------------------------------

  #interim(fields: IncomingHttpHeaders): void {
    this.#hasAnswer = true;
    this.#put(Buffer.from(`${statusLineOf(fields)}${linesOf(fields)}\r\n`, 'latin1'));
  }

  #headed(fields: IncomingHttpHeaders, flags: number): void {
    this.#hasAnswer = true;
    const status = Number(fields[':status']);
    if (this.#webSocketKey !== undefined && status >= 200 && status < 300) {
      const accept = `sec-websocket-accept: ${webSocketProof(this.#webSocketKey)}\r\n`;
      const upgrade = `connection: Upgrade\r\nupgrade: websocket\r\n${accept}`;
      const text = `HTTP/1.1 101 Switching Protocols\r\n${linesOf(fields)}${upgrade}\r\n`;
      this.#put(Buffer.from(text, 'latin1'));
      return;
    }
    const isWhole = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    const hasLength = fields['content-length'] !== undefined;
    const isBodyless = this.#isHead || status === 204 || status === 304;
    this.#isChunked = !isWhole && !hasLength && !isBodyless;
    let framed = '';
    if (this.#isChunked) framed = 'transfer-encoding: chunked\r\n';
    else if (isWhole && !hasLength && !isBodyless) framed = 'content-length: 0\r\n';
    // A stream is for one request.
    const text = `${statusLineOf(fields)}${linesOf(fields)}${framed}connection: close\r\n\r\n`;
    this.#put(Buffer.from(text, 'latin1'));
  }

  #came(chunk: Buffer): void {
    if (chunk.length === 0) return;
    if (!this.#isChunked) this.#put(chunk);
    else this.#put(Buffer.concat([Buffer.from(chunkLine(chunk.length)), chunk, CRLF]));
  }

  #ended(): void {
    if (!this.#isWhole) {
      this.#closed(this.#stream?.rstCode);
      return;
    }
    this.#isEnded = true;
    if (this.#isChunked) {
      const end = this.#trailers === '' ? LAST_CHUNK : `0\r\n${this.#trailers}\r\n`;
      this.#put(Buffer.from(end, 'latin1'));
    }
    this.#isChunked = false;
    this.push(null);
  }

  #put(bytes: Buffer): void {
    if (!this.push(bytes) && !this.#isWhole) this.#stream?.pause();
  }

  override _read(): void {
    this.#stream?.resume();
  }

  #closed(code: number | undefined): void {
    if (this.#isEnded) return;
    const isReset = code !== undefined && code !== constants.NGHTTP2_NO_ERROR;
    const how = isReset ? `reset the stream with code ${code}` : 'closed the stream';
    this.destroy(new Error(`The upstream ${how}`));
  }

  // Ends ----------------------------------------------------------------------------------------------------

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const stream = this.#stream;
    const isUnprocessed = error !== null && !this.#hasAnswer && this.#isUnprocessed();
    if (stream !== undefined && !stream.destroyed) {
      // What it still says is nobody's.
      stream.removeAllListeners('data').removeAllListeners('error').on('error', nothing);
      stream.close(constants.NGHTTP2_CANCEL);
    }
    this.#link.gone(this.#hasAnswer);
    super._destroy(isUnprocessed ? new UnprocessedError(error.message) : error, done);
  }

  /** RFC 9113 8.7. */
  #isUnprocessed(): boolean {
    const { id, rstCode } = this.#stream ?? {};
    if (id === undefined || id > this.#link.lastId()) return true;
    const isRefused = rstCode === constants.NGHTTP2_REFUSED_STREAM;
    return isRefused && this.#link.endCode() !== rstCode;
  }
}

const CRLF: Buffer = Buffer.from('\r\n');
const nothing = (): void => undefined;

function statusLineOf(fields: IncomingHttpHeaders): string {
  return `HTTP/1.1 ${String(fields[':status'])} \r\n`;
}

function linesOf(fields: IncomingHttpHeaders): string {
  let lines = '';
  for (const [name, value] of Object.entries(fields)) {
    if (name.startsWith(':') || value === undefined) continue;
    for (const one of Array.isArray(value) ? value : [value]) lines += `${name}: ${one}\r\n`;
  }
  return lines;
}

/** Names in lower case (RFC 9113 8.2.1). */
function listed(of: FieldScanner): Record<string, string> {
  const fields: Record<string, string> = Object.create(null);
  for (let index = 0; index < of.count; index++) {
    if (DROPPED.has(of.ids[index] ?? 0)) continue;
    const name = of.nameAt(index).toLowerCase();
    const known = fields[name];
    const between = name === 'cookie' ? '; ' : ', ';
    const value = of.valueAt(index);
    fields[name] = known === undefined ? value : `${known}${between}${value}`;
  }
  return fields;
}
