/**
 * The other way: what a `Connection` writes, in the form of HTTP/1.1, as one answer on a stream of HTTP/2. It was made or
 * checked by the gateway itself, so nothing here has to be forgiven.
 */
import { ChunkedDecoder, type ChunkSink } from '../http/chunked.ts';
import { FIELD } from '../http/field-names.ts';
import { BODY, type BodyKind, ResponseFraming } from '../http/framing.ts';
import { type FieldScanner, ResponseHead } from '../http/head.ts';
import { RESPONSE_HEAD_LIMITS } from '../http/limits.ts';
import { ERROR, Field, type ServerConnection, type WireStream } from '../http2/http2.ts';
import { ReadyHeads } from './h2-ready.ts';
import type { TranslatedRequest } from './h2-request.ts';
import { webSocketProof } from './web-socket-proof.ts';

/** Room for the lines that the gateway adds. */
const scratch = new ResponseHead({
  ...RESPONSE_HEAD_LIMITS,
  headBytesMax: 2 * RESPONSE_HEAD_LIMITS.headBytesMax,
  headersMax: 2 * RESPONSE_HEAD_LIMITS.headersMax,
});
const framing = new ResponseFraming();
const ready = new ReadyHeads();

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

const STATE = { head: 0, body: 1, tunnel: 2, done: 3 } as const;

type Done = (() => void) | undefined;

/** One of these serves all streams of its socket in turn. */
export class H2Answer implements ChunkSink {
  private readonly wire: ServerConnection;
  private stream: WireStream | undefined;
  private isHead = false;
  private webSocketKey: string | undefined;
  private state: number = STATE.done;
  private kind: BodyKind = BODY.none;
  /** Of `BODY.length`. */
  private remaining = 0;
  private decoder: ChunkedDecoder | undefined;
  /** A head that did not come in one piece. */
  private partial: Buffer | undefined;
  /** Decoded chunks of the write under way. */
  private readonly chunks: Buffer[] = [];

  constructor(wire: ServerConnection) {
    this.wire = wire;
  }

  begin(stream: WireStream, request: TranslatedRequest): void {
    this.stream = stream;
    this.isHead = request.isHead;
    this.webSocketKey = request.webSocketKey;
    this.state = STATE.head;
    this.partial = undefined;
  }

  get isTunnel(): boolean {
    return this.state === STATE.tunnel;
  }

  /** `done` is called when the bytes may be used for something else. `second`: now, epoch. */
  write(data: string | Buffer, second: number, done: Done): void {
    const { stream } = this;
    if (stream === undefined || this.state === STATE.done) {
      done?.();
    } else if (typeof data !== 'string') {
      this.take(stream, data, done);
    } else if (this.state !== STATE.head || this.isHead || !this.writeReady(stream, data, second)) {
      this.take(stream, Buffer.from(data, 'latin1'), done, data);
    }
  }

  /** The connection writes no more. */
  end(): void {
    const { stream, wire } = this;
    if (stream === undefined || this.state === STATE.done) return;
    const isWhole = this.state === STATE.tunnel || this.isOpenEnded;
    this.state = STATE.done;
    if (isWhole) wire.end(stream);
    else wire.reset(stream, ERROR.internal);
  }

  private get isOpenEnded(): boolean {
    return this.state === STATE.body && this.kind === BODY.close;
  }

  private writeReady(stream: WireStream, text: string, second: number): boolean {
    const { wire } = this;
    const known = ready.find(text, second);
    if (known === undefined) return false;
    const { fields, bodyAt } = known;
    const isWhole = bodyAt === text.length;
    this.state = STATE.done;
    wire.head(stream, fields, isWhole);
    if (!isWhole) wire.data(stream, { bytes: text, from: bodyAt, isLast: true });
    return true;
  }

  /** `text`: the same, if it may be a whole answer. */
  private take(stream: WireStream, bytes: Buffer, done: Done, text?: string): void {
    const isFirst = this.state === STATE.head && this.partial === undefined && !this.isHead;
    let at = 0;
    let fields: readonly Field[] = [];
    while (this.state === STATE.head) {
      const end = this.scanHead(bytes, at);
      if (end === undefined) {
        done?.();
        return;
      }
      at = end;
      fields = this.headed(stream);
    }
    const { length } = bytes;
    // One that begins with an interim answer is not made ready: its fields are of the last head only.
    if (isFirst && text !== undefined && scratch.start === 0 && this.isWhole(length - at)) {
      ready.add(text, { fields, bodyAt: at });
    }
    if (this.state === STATE.body && this.kind === BODY.none) {
      this.state = STATE.done;
      done?.();
    } else if (at === length || this.state === STATE.done) done?.();
    else if (this.state === STATE.tunnel) this.send(stream, bytes.subarray(at), false, done);
    else if (this.kind === BODY.chunked) this.writeChunks(stream, bytes, at, done);
    else this.writeBody(stream, bytes.subarray(at), done);
  }

  /** So many bytes are all of the body. */
  private isWhole(bytes: number): boolean {
    if (this.state !== STATE.body) return false;
    if (this.kind === BODY.none) return bytes === 0;
    return this.kind === BODY.length && bytes === this.remaining;
  }

  /** Answers where the head ended; undefined: not all there. */
  private scanHead(bytes: Buffer, from: number): number | undefined {
    const { partial } = this;
    const all = partial === undefined ? bytes : Buffer.concat([partial, bytes]);
    const start = partial === undefined ? from : 0;
    scratch.reset(start);
    if (!scratch.scan(all, all.length)) {
      this.partial = partial === undefined ? Buffer.from(bytes.subarray(from)) : all;
      return undefined;
    }
    this.partial = undefined;
    return scratch.end - (all.length - bytes.length);
  }

  /** Sends the head that was scanned; answers its fields. */
  private headed(stream: WireStream): readonly Field[] {
    const { wire } = this;
    const { status } = scratch;
    if (status === 101) {
      this.switched(stream);
      return [];
    }
    const fields = [statusField(status), ...fieldsOf(scratch)];
    if (status < 200) {
      wire.head(stream, fields, false);
      return fields;
    }
    framing.read(scratch, this.isHead);
    const { kind } = framing;
    const isWhole = kind === BODY.none || (kind === BODY.length && framing.length === 0);
    this.kind = isWhole ? BODY.none : kind;
    this.remaining = framing.length;
    if (kind === BODY.chunked) this.decoder = new ChunkedDecoder();
    this.state = STATE.body;
    wire.head(stream, fields, isWhole);
    return fields;
  }

  /** RFC 8441 5: 200 here. Who cannot prove that it read the key did not mean this request. */
  private switched(stream: WireStream): void {
    const { webSocketKey = '', wire } = this;
    const proof = webSocketProof(webSocketKey);
    const fields = fieldsOf(scratch);
    if (!fields.some(({ name, value }) => name === WEB_SOCKET_ACCEPT && value === proof)) {
      this.state = STATE.done;
      wire.reset(stream, ERROR.internal);
      return;
    }
    const kept = fields.filter(
      ({ name }) => name !== WEB_SOCKET_ACCEPT && name !== 'content-length',
    );
    this.state = STATE.tunnel;
    wire.head(stream, [statusField(200), ...kept], false);
  }

  private writeBody(stream: WireStream, body: Buffer, done: Done): void {
    const isSized = this.kind === BODY.length;
    this.remaining -= body.length;
    const isLast = isSized && this.remaining <= 0;
    if (isLast) this.state = STATE.done;
    this.send(stream, body, isLast, done);
  }

  private send(stream: WireStream, bytes: Buffer, isLast: boolean, done?: () => void): void {
    this.wire.data(stream, { bytes, from: 0, isLast }, done);
  }

  private writeChunks(stream: WireStream, bytes: Buffer, from: number, done: Done): void {
    const { decoder, chunks, wire } = this;
    if (decoder === undefined) {
      done?.();
      return;
    }
    decoder.decode(bytes, from, bytes.length, this);
    const { trailers } = decoder;
    const isOver = decoder.done;
    if (isOver) this.state = STATE.done;
    const last = chunks.pop();
    for (const chunk of chunks) this.send(stream, chunk, false);
    chunks.length = 0;
    const isLast = isOver && trailers === undefined;
    if (last === undefined) done?.();
    else this.send(stream, last, isLast, done);
    if (isOver && !(isLast && last !== undefined)) {
      wire.end(stream, trailers === undefined ? undefined : fieldsOf(trailers));
    }
  }

  bodyBytes(buffer: Buffer, from: number, to: number): void {
    this.chunks.push(buffer.subarray(from, to));
  }
}

const statusFields = new Map<number, Field>();

function statusField(status: number): Field {
  let field = statusFields.get(status);
  if (field === undefined) {
    field = new Field(':status', String(status));
    statusFields.set(status, field);
  }
  return field;
}

/** Names in lower case (RFC 9113 8.2.1). */
function fieldsOf(head: FieldScanner): Field[] {
  const fields: Field[] = [];
  for (let index = 0; index < head.count; index++) {
    if (DROPPED.has(head.ids[index] ?? 0)) continue;
    fields.push(new Field(head.nameAt(index).toLowerCase(), head.valueAt(index)));
  }
  return fields;
}
