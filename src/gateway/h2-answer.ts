/**
 * The other way: what a `Connection` writes, in the form of HTTP/1.1, as one answer on a stream of HTTP/2. It was made or
 * checked by the gateway itself, so nothing here has to be forgiven.
 */
import { createHash } from 'node:crypto';
import { constants, type ServerHttp2Stream } from 'node:http2';
import { ChunkedDecoder, type ChunkSink } from '../http/chunked.ts';
import { FIELD } from '../http/field-names.ts';
import { BODY, type BodyKind, ResponseFraming } from '../http/framing.ts';
import { type FieldScanner, ResponseHead } from '../http/head.ts';
import { RESPONSE_HEAD_LIMITS } from '../http/limits.ts';

/** Room for the lines that the gateway adds. */
const scratch = new ResponseHead({
  ...RESPONSE_HEAD_LIMITS,
  headBytesMax: 2 * RESPONSE_HEAD_LIMITS.headBytesMax,
  headersMax: 2 * RESPONSE_HEAD_LIMITS.headersMax,
});
const framing = new ResponseFraming();

/** About a connection that is not one here (RFC 9113 8.2.2). */
const DROPPED: ReadonlySet<number> = new Set([
  FIELD.connection,
  FIELD.keepAlive,
  FIELD.proxyConnection,
  FIELD.transferEncoding,
  FIELD.upgrade,
  FIELD.http2Settings,
  FIELD.te,
]);
const WEB_SOCKET_ACCEPT = 'sec-websocket-accept';
/** RFC 6455 1.3. */
const WEB_SOCKET_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

const STATE = { head: 0, body: 1, tunnel: 2, done: 3 } as const;

type Done = (() => void) | undefined;

export class H2Answer implements ChunkSink {
  private readonly stream: ServerHttp2Stream;
  private readonly isHead: boolean;
  private readonly webSocketKey: string | undefined;
  private state: number = STATE.head;
  private kind: BodyKind = BODY.none;
  /** Of `BODY.length`. */
  private remaining = 0;
  private decoder: ChunkedDecoder | undefined;
  /** A head that did not come in one piece. */
  private partial: Buffer | undefined;
  /** Decoded chunks of the write under way. */
  private readonly chunks: Buffer[] = [];

  constructor(
    stream: ServerHttp2Stream,
    request: { readonly isHead: boolean; readonly webSocketKey: string | undefined },
  ) {
    this.stream = stream;
    this.isHead = request.isHead;
    this.webSocketKey = request.webSocketKey;
  }

  /** The stream has all of it. */
  get isDone(): boolean {
    return this.state === STATE.done;
  }

  get isTunnel(): boolean {
    return this.state === STATE.tunnel;
  }

  /** `done` is called when the bytes may be used for something else. */
  write(bytes: Buffer, done: Done): void {
    let at = 0;
    while (this.state === STATE.head) {
      const end = this.readHead(bytes, at);
      if (end === undefined) {
        done?.();
        return;
      }
      at = end;
    }
    if (at === bytes.length || this.isDone) done?.();
    else if (this.state === STATE.tunnel) this.stream.write(bytes.subarray(at), done);
    else if (this.kind === BODY.chunked) this.writeChunks(bytes, at, done);
    else this.writeBody(bytes, at, done);
  }

  /** The connection writes no more. */
  end(): void {
    if (this.state === STATE.done) return;
    const isWhole = this.state === STATE.tunnel || this.kind === BODY.close;
    this.state = STATE.done;
    if (isWhole) this.stream.end();
    else this.stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  }

  /** Answers where the head ended; undefined: not all there. */
  private readHead(bytes: Buffer, from: number): number | undefined {
    const { partial } = this;
    const all = partial === undefined ? bytes : Buffer.concat([partial, bytes]);
    const start = partial === undefined ? from : 0;
    scratch.reset(start);
    if (!scratch.scan(all, all.length)) {
      this.partial = partial === undefined ? Buffer.from(bytes.subarray(from)) : all;
      return undefined;
    }
    this.partial = undefined;
    const { end } = scratch;
    this.headed();
    return end - (all.length - bytes.length);
  }

  private headed(): void {
    const { stream } = this;
    const { status } = scratch;
    if (status === 101) {
      this.switched();
      return;
    }
    if (status < 200) {
      const interim = grouped(scratch);
      this.attempt(() => stream.additionalHeaders({ ...interim, ':status': status }));
      return;
    }
    framing.read(scratch, this.isHead);
    const { kind } = framing;
    this.kind = kind;
    this.remaining = framing.length;
    const isWhole = kind === BODY.none || (kind === BODY.length && framing.length === 0);
    const isChunked = kind === BODY.chunked;
    if (isChunked) this.decoder = new ChunkedDecoder();
    const fields = [':status', String(status), ...pairs(scratch).flat()];
    const how = { endStream: isWhole, waitForTrailers: isChunked, sendDate: false };
    this.state = isWhole ? STATE.done : STATE.body;
    this.attempt(() => stream.respond(fields, how));
  }

  /** Node throws at fields that it does not like: what an upstream says must not end the process. */
  private attempt(send: () => void): void {
    try {
      send();
    } catch (error) {
      this.state = STATE.done;
      this.stream.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** RFC 8441 5: 200 here. Who cannot prove that it read the key did not mean this request. */
  private switched(): void {
    const { stream, webSocketKey = '' } = this;
    const proof = createHash('sha1').update(`${webSocketKey}${WEB_SOCKET_GUID}`).digest('base64');
    const fields = pairs(scratch);
    if (!fields.some(([name, value]) => name === WEB_SOCKET_ACCEPT && value === proof)) {
      this.state = STATE.done;
      stream.close(constants.NGHTTP2_INTERNAL_ERROR);
      return;
    }
    const kept = fields.filter(([name]) => name !== WEB_SOCKET_ACCEPT && name !== 'content-length');
    this.state = STATE.tunnel;
    const all = [':status', '200', ...kept.flat()];
    this.attempt(() => stream.respond(all, { sendDate: false } as object));
  }

  private writeBody(bytes: Buffer, from: number, done: Done): void {
    const body = bytes.subarray(from);
    this.remaining -= body.length;
    if (this.state === STATE.done) {
      done?.();
    } else if (this.kind === BODY.length && this.remaining === 0) {
      this.state = STATE.done;
      this.stream.end(body, done);
    } else {
      this.stream.write(body, done);
    }
  }

  private writeChunks(bytes: Buffer, from: number, done: Done): void {
    const { decoder, chunks, stream } = this;
    if (decoder === undefined || decoder.done) {
      done?.();
      return;
    }
    decoder.decode(bytes, from, bytes.length, this);
    const last = chunks.pop();
    for (const chunk of chunks) stream.write(chunk);
    chunks.length = 0;
    if (last === undefined) done?.();
    else stream.write(last, done);
    if (!decoder.done) return;
    this.state = STATE.done;
    const { trailers } = decoder;
    stream.once('wantTrailers', () => {
      this.attempt(() => stream.sendTrailers(trailers === undefined ? {} : grouped(trailers)));
    });
    stream.end();
  }

  bodyBytes(buffer: Buffer, from: number, to: number): void {
    this.chunks.push(buffer.subarray(from, to));
  }
}

/** Names in lower case (RFC 9113 8.2.1). */
function pairs(head: FieldScanner): (readonly [name: string, value: string])[] {
  const list: (readonly [string, string])[] = [];
  for (let index = 0; index < head.count; index++) {
    if (DROPPED.has(head.ids[index] ?? 0)) continue;
    list.push([head.nameAt(index).toLowerCase(), head.valueAt(index)]);
  }
  return list;
}

/** Several of one name stay several. */
function grouped(head: FieldScanner): Record<string, string[]> {
  const fields = Object.create(null) as Record<string, string[]>;
  for (const [name, value] of pairs(head)) (fields[name] ??= []).push(value);
  return fields;
}
