/**
 * One client connection: finds requests in its bytes, hands each to who answers it, keeps their order and
 * decides when it ends. It knows nothing about upstreams or files; a `Responder` does.
 */
import type { Socket } from 'node:net';
import { randomId } from '../base/ids.ts';
import type { ChunkSink } from '../http/chunked.ts';
import { FIELD } from '../http/field-names.ts';
import { BODY } from '../http/framing.ts';
import type { RequestHead } from '../http/head.ts';
import { HttpError, isHttpError } from '../http/http-error.ts';
import { errorFormat, errorResponse } from './error-page.ts';
import { Outbox } from './outbox.ts';
import type { Plane } from './plane.ts';
import { RequestBody } from './request-body.ts';
import type { Route } from './route-table.ts';

/** After the last answer: wait this long for the client to close, so that a reset does not eat the answer. */
const LINGER_MS = 2000;
/** For the first request of a connection that was accepted just before its listener closed. */
const LEAVING_FRESH_MS = 1000;
/** A body that nobody wants is read and thrown away up to this size; beyond it the connection closes. */
const DISCARD_BYTES_MAX = 64 * 1024;
/** Only in the log and the counters: the client left before its answer began. */
const STATUS_CLIENT_GONE = 499;

/** Answers one request. All calls come from the connection; bytes are valid as long as they are referred to. */
export interface Responder {
  /** Body bytes should wait. */
  readonly holdsBody: boolean;
  requestBytes(buffer: Buffer, from: number, to: number): void;
  /** The body is complete; not called for requests without one. */
  requestEnded(): void;
  /** End of what came in one event. */
  flush(): void;
  clientDrained(): void;
  /** The client sends no more; the answer may still be wanted. Only for tunnels. */
  clientEnded(): void;
  /** The connection is gone: stop, and call it no more. */
  clientClosed(): void;
  /** Checks time limits against `horizonMs`, which is now minus the sweep's grain. */
  sweep(horizonMs: number): void;
}

/** A responder that serves one request of its connection after the other. */
export interface Proxy extends Responder {
  begin(head: RequestHead, route: Route): void;
}

/** Picks who answers; gets the scanned head in the plane's scratch objects. */
export type Dispatch = (connection: Connection, head: RequestHead) => void;

/** What the connection belongs to. */
export interface ConnectionOwner {
  readonly plane: Plane;
  readonly protocol: 'http' | 'https';
  readonly dispatch: Dispatch;
  closed(connection: Connection): void;
}

/** What a connection waits for. */
const STATE = { head: 0, body: 1, busy: 2, closing: 3, tunnel: 4, closed: 5 } as const;

const CONNECTION = Symbol('connection');
interface ClientSocket extends Socket {
  [CONNECTION]: Connection;
}

// One function for all connections: a listener closure each would cost memory for every idle one.
function onData(this: ClientSocket, chunk: Buffer): void {
  this[CONNECTION].received(chunk);
}
function onDrain(this: ClientSocket): void {
  this[CONNECTION].drained();
}
function onEnd(this: ClientSocket): void {
  this[CONNECTION].ended();
}
function onClose(this: ClientSocket): void {
  this[CONNECTION].closed();
}
function onError(this: ClientSocket, error: Error): void {
  this[CONNECTION].failure = error.message;
}

export class Connection implements ChunkSink {
  readonly socket: Socket;
  readonly owner: ConnectionOwner;
  readonly plane: Plane;
  readonly out: Outbox;
  readonly clientAddress: string;
  /** Why the socket broke, if it did. */
  failure: string | undefined;
  /** Reused by whoever proxies for this connection; opaque here. */
  proxy: Proxy | undefined;
  /** Lines about the client for the last authority; made by the proxy. */
  fragment = '';
  fragmentAuthority: string | undefined;

  // The request under way.
  method = '';
  authority = '';
  target = '';
  accept: string | undefined;
  minor: 0 | 1 = 1;
  keepAlive = true;
  route: Route | undefined;
  upstreamId: string | undefined;
  status = 0;
  /** The head of the final answer has been written. */
  answering = false;
  readonly body: RequestBody = new RequestBody();
  private expectsContinue = false;
  private startedMs = 0;
  private bytesIn = 0;
  private outBefore = 0;
  private errorId: string | undefined;
  private error: string | undefined;

  private state: number = STATE.head;
  private responder: Responder | undefined;
  /** Bytes that came but could not be used yet. */
  private pending: Buffer | undefined;
  private paused = false;
  private consuming = false;
  private clientEnded = false;
  /** A head that did not come in one piece. */
  private partial: RequestHead | undefined;
  /** Coarse time of the last progress in the present state. */
  private sinceMs: number;
  private served = 0;
  /** The listener is closed: the next answer is the last. */
  private leaving = false;

  constructor(socket: Socket, owner: ConnectionOwner) {
    this.socket = socket;
    this.owner = owner;
    this.plane = owner.plane;
    this.out = new Outbox(socket);
    this.clientAddress = socket.remoteAddress ?? '';
    this.sinceMs = owner.plane.coarseMs;
  }

  /** Takes over the socket's events. */
  start(): void {
    const socket = this.socket as ClientSocket;
    socket[CONNECTION] = this;
    socket.on('data', onData);
    socket.on('drain', onDrain);
    socket.on('end', onEnd);
    socket.on('error', onError);
    socket.on('close', onClose);
  }

  /** Host for a client that sent none (HTTP/1.0): where it connected to. */
  get localAuthority(): string {
    const { localAddress = 'localhost', localPort } = this.socket;
    const host = localAddress.includes(':') ? `[${localAddress}]` : localAddress;
    return localPort === undefined ? host : `${host}:${localPort}`;
  }

  /** True between requests: nothing would be lost by closing. */
  get idle(): boolean {
    return this.state === STATE.head && this.partial === undefined && this.pending === undefined;
  }

  get tunnelled(): boolean {
    return this.state === STATE.tunnel;
  }

  // Called by whoever answers -------------------------------------------------------------------------------

  /** Says who answers the request being dispatched. */
  answerBy(responder: Responder): void {
    this.responder = responder;
  }

  /** For answers that do not use the body: says whether the connection can go on afterwards. */
  settleBody(): void {
    if (this.body.done) return;
    const small = this.body.kind === BODY.length && this.body.remaining <= DISCARD_BYTES_MAX;
    if (!small || this.expectsContinue) this.keepAlive = false;
  }

  /** `Connection: close` or what an HTTP/1.0 client needs to hear; usually nothing. */
  get connectionLine(): string {
    if (!this.keepAlive) return 'Connection: close\r\n';
    return this.minor === 0 ? 'Connection: keep-alive\r\n' : '';
  }

  /** The final answer is complete in the outbox. */
  answered(): void {
    this.responder = undefined;
    this.record();
    if (!this.keepAlive) {
      this.close();
      return;
    }
    this.state = this.body.done ? STATE.head : STATE.body;
    this.sinceMs = this.plane.coarseMs;
    this.served++;
    if (!this.consuming) this.continueReading();
  }

  /**
   * The request cannot be answered as wanted. Writes an error answer if nothing was written yet; otherwise the
   * connection breaks, so that the client sees a truncated answer as one. `error` is for the operator.
   */
  fail(
    status: number,
    error: string,
    options: { reason?: string; retryAfterS?: number } = {},
  ): void {
    this.error = error;
    if (this.answering) {
      this.abort();
      return;
    }
    this.settleBody();
    this.answering = true;
    this.status = status;
    this.errorId = randomId(8);
    const format = errorFormat(this.accept);
    const answer = errorResponse(status, {
      id: this.errorId,
      head: this.method === 'HEAD',
      close: !this.keepAlive,
      ...format,
      reason: options.reason,
      retryAfterS: options.retryAfterS,
    });
    this.out.owned(answer);
    this.answered();
    if (!this.consuming) this.out.flush();
  }

  /** A whole answer without a body; `head` lacks Connection and the empty line. */
  answerBodyless(status: number, head: string): void {
    this.settleBody();
    this.status = status;
    this.answering = true;
    this.out.text(`${head}${this.connectionLine}\r\n`);
    this.answered();
    if (!this.consuming) this.out.flush();
  }

  /** A whole answer, prepared for a plain connection (see `plain`). */
  answerPrepared(status: number, answer: string | Buffer): void {
    this.status = status;
    this.answering = true;
    if (typeof answer === 'string') this.out.text(answer);
    else this.out.owned(answer);
    this.answered();
    if (!this.consuming) this.out.flush();
  }

  /** A whole answer whose body is in memory; `head` lacks Connection and the empty line. */
  answerBuffers(status: number, head: string, body: readonly Buffer[]): void {
    this.beginAnswer(status, head);
    for (const buffer of body) this.out.owned(buffer);
    this.answered();
    if (!this.consuming) this.out.flush();
  }

  /** The head of an answer whose body follows; `head` lacks Connection and the empty line. */
  beginAnswer(status: number, head: string): void {
    this.settleBody();
    this.status = status;
    this.answering = true;
    this.out.text(`${head}${this.connectionLine}\r\n`);
  }

  /** Answers need no Connection field, and no body is in the way. */
  get plain(): boolean {
    return this.keepAlive && this.minor === 1 && this.body.done;
  }

  /** Breaks the connection off in the middle of an answer. */
  abort(): void {
    this.responder = undefined;
    this.record();
    this.state = STATE.closed;
    this.socket.destroy();
  }

  /** From now on bytes pass unread in both directions; they go to `requestBytes`. */
  tunnel(): void {
    this.record();
    this.state = STATE.tunnel;
    if (!this.consuming) this.continueReading();
  }

  /** Held body bytes, or the tunnel's, can go on. */
  continueReading(): void {
    const { pending } = this;
    this.pending = undefined;
    if (pending !== undefined) this.consume(pending);
    if (this.pending !== undefined || this.state === STATE.closed) return;
    if (this.clientEnded) this.actOnEnd();
    else if (this.paused) {
      this.paused = false;
      this.socket.resume();
    }
  }

  holdReading(): void {
    if (this.paused) return;
    this.paused = true;
    this.socket.pause();
  }

  // Socket events -------------------------------------------------------------------------------------------

  received(chunk: Buffer): void {
    this.sinceMs = this.plane.coarseMs;
    const { pending } = this;
    if (pending === undefined) this.consume(chunk);
    else this.pending = Buffer.concat([pending, chunk]);
  }

  drained(): void {
    this.sinceMs = this.plane.coarseMs;
    this.responder?.clientDrained();
  }

  ended(): void {
    this.clientEnded = true;
    if (this.pending === undefined) this.actOnEnd();
  }

  /** Everything that the client sent before it closed its side has been used. */
  private actOnEnd(): void {
    if (this.state === STATE.tunnel) this.responder?.clientEnded();
    else if (this.state === STATE.body) this.gone();
    else if (this.state === STATE.head) this.close();
    // Otherwise an answer is under way and still wanted: RFC 9112 9.6 lets a client close its side.
  }

  closed(): void {
    const { responder } = this;
    this.responder = undefined;
    responder?.clientClosed();
    if (responder !== undefined && this.state !== STATE.tunnel) {
      this.error ??= this.failure ?? 'The client closed the connection';
      if (!this.answering) this.status = STATUS_CLIENT_GONE;
      this.record();
    }
    this.state = STATE.closed;
    this.pending = undefined;
    this.partial = undefined;
    this.owner.closed(this);
  }

  /** Checks time limits; `horizonMs` is now minus the sweep's grain. */
  sweep(horizonMs: number): void {
    const waitedMs = horizonMs - this.sinceMs;
    const { limits } = this.plane;
    if (this.state === STATE.head) {
      if (this.partial !== undefined) {
        if (horizonMs - this.startedMs >= limits.requestHeadTimeoutMs) {
          this.keepAlive = false;
          this.fail(408, 'The request head did not come in time');
        }
      } else if (waitedMs >= this.idleMsMax()) {
        this.close();
      }
    } else if (this.state === STATE.body && !this.paused) {
      if (waitedMs >= limits.requestBodyIdleTimeoutMs) this.bodyTimedOut();
      else this.responder?.sweep(horizonMs);
    } else if (this.state === STATE.closing) {
      const limit = this.socket.writableFinished ? LINGER_MS : limits.keepAliveTimeoutMs;
      if (waitedMs >= limit) this.socket.destroy();
    } else {
      this.responder?.sweep(horizonMs);
    }
  }

  /**
   * Stops after the request under way; at once when idle. A fresh connection gets a moment, since its first request is
   * probably on its way and the client would not know that it may repeat it. Tunnels live on.
   */
  drain(): void {
    this.keepAlive = false;
    this.leaving = true;
    if (this.idle && this.served > 0) this.close();
  }

  /** How long the connection may wait for the next request. */
  private idleMsMax(): number {
    const { limits } = this.plane;
    if (this.served > 0) return limits.keepAliveTimeoutMs;
    return this.leaving ? LEAVING_FRESH_MS : limits.requestHeadTimeoutMs;
  }

  // Bytes ---------------------------------------------------------------------------------------------------

  private consume(buffer: Buffer): void {
    this.consuming = true;
    try {
      this.consumeAll(buffer);
    } catch (error) {
      if (!isHttpError(error)) throw error;
      this.refuse(error);
    } finally {
      this.consuming = false;
    }
    this.responder?.flush();
    this.out.flush();
  }

  private consumeAll(buffer: Buffer): void {
    let at = 0;
    const end = buffer.length;
    while (at < end) {
      switch (this.state) {
        case STATE.head:
          at = this.readHead(buffer, at);
          break;
        case STATE.body:
          if (this.responder?.holdsBody === true) {
            this.keep(buffer, at);
            return;
          }
          at = this.readBody(buffer, at);
          break;
        case STATE.tunnel:
          if (this.responder?.holdsBody === true) {
            this.keep(buffer, at);
            return;
          }
          this.responder?.requestBytes(buffer, at, end);
          return;
        case STATE.busy:
          this.keep(buffer, at);
          return;
        default:
          return;
      }
    }
  }

  private keep(buffer: Buffer, at: number): void {
    this.pending = at === 0 ? buffer : buffer.subarray(at);
    this.holdReading();
  }

  /** Scans one head from `from`; answers where it ended, or the end of the buffer when more is needed. */
  private readHead(buffer: Buffer, from: number): number {
    const { partial } = this;
    if (partial !== undefined) return this.readRestOfHead(buffer, from, partial);
    const head = this.plane.requestHead;
    head.reset(from);
    this.begin();
    if (!head.scan(buffer, buffer.length)) {
      // Its bytes are copied: the read buffer must not be kept alive by a slow client.
      const own = this.plane.newRequestHead();
      const bytes = Buffer.from(buffer.subarray(from));
      own.reset(0);
      own.scan(bytes, bytes.length);
      this.partial = own;
      return buffer.length;
    }
    const { end } = head;
    this.dispatch(head);
    return end;
  }

  private readRestOfHead(buffer: Buffer, from: number, head: RequestHead): number {
    const known = head.buffer.length;
    const all = Buffer.concat([head.buffer, buffer.subarray(from)]);
    if (!head.scan(all, all.length)) return buffer.length;
    this.partial = undefined;
    const { end } = head;
    this.dispatch(head);
    return from + (end - known);
  }

  /** Forgets the last request; errors from here on belong to the new one. */
  private begin(): void {
    this.startedMs = this.plane.clock.monotonicMs();
    this.outBefore = this.out.bytes;
    this.method = '';
    this.authority = '';
    this.target = '';
    this.accept = undefined;
    this.minor = 1;
    this.keepAlive = true;
    this.route = undefined;
    this.upstreamId = undefined;
    this.status = 0;
    this.answering = false;
    this.errorId = undefined;
    this.error = undefined;
    this.bytesIn = 0;
  }

  private dispatch(head: RequestHead): void {
    const { plane, body } = this;
    const { requestFraming: framing, target } = plane;
    this.minor = head.minor;
    this.method = head.method;
    this.accept = head.value(FIELD.accept);
    this.bytesIn = head.end - head.start;
    framing.read(head);
    target.read(head);
    this.authority = target.authority;
    this.target = target.target;
    this.keepAlive = framing.keepAlive && !plane.draining && !this.leaving;
    this.expectsContinue = framing.expectContinue;
    body.start(framing);
    this.state = body.done ? STATE.busy : STATE.body;
    const route = plane.table.match(target.host, target.path);
    if (route === undefined) {
      this.fail(404, 'No route', { reason: 'No site has this address here' });
      return;
    }
    this.route = route;
    const bytesMax = route.limits.requestBodyBytesMax;
    body.bytesMax = bytesMax;
    if (framing.length > bytesMax) {
      throw new HttpError(
        413,
        'HTTP_BODY_TOO_LARGE',
        `The body has ${framing.length} bytes, ${bytesMax} are accepted`,
      );
    }
    this.owner.dispatch(this, head);
  }

  private readBody(buffer: Buffer, from: number): number {
    const { body } = this;
    const to = body.feed(buffer, from, buffer.length, this);
    this.bytesIn += to - from;
    if (body.done) {
      const { responder } = this;
      // Without a responder the answer is out and the body was only being thrown away.
      this.state = responder === undefined ? STATE.head : STATE.busy;
      responder?.requestEnded();
    }
    return to;
  }

  bodyBytes(buffer: Buffer, from: number, to: number): void {
    this.responder?.requestBytes(buffer, from, to);
  }

  // Ends ----------------------------------------------------------------------------------------------------

  private refuse(error: HttpError): void {
    const { responder } = this;
    this.responder = undefined;
    this.partial = undefined;
    responder?.clientClosed();
    this.keepAlive = false;
    if (this.state === STATE.body && responder === undefined && this.answering) {
      this.close();
      return;
    }
    this.fail(error.status, error.code, { reason: error.message });
  }

  private bodyTimedOut(): void {
    const { responder } = this;
    this.responder = undefined;
    responder?.clientClosed();
    this.keepAlive = false;
    if (responder === undefined) this.close();
    else this.fail(408, 'The request body did not come in time');
  }

  /** The client left in the middle of a request. */
  private gone(): void {
    this.socket.destroy();
  }

  /** Closes the writing side and waits a little for the client to close its own. */
  private close(): void {
    this.partial = undefined;
    this.pending = undefined;
    this.state = STATE.closing;
    this.sinceMs = this.plane.coarseMs;
    this.out.end();
    if (this.paused) {
      this.paused = false;
      this.socket.resume();
    }
  }

  private record(): void {
    const { plane, route } = this;
    const endedMs = plane.clock.monotonicMs();
    const bytesOut = this.out.bytes - this.outBefore;
    const durationMs = endedMs - this.startedMs;
    route?.totals.record(this.status, durationMs, this.bytesIn, bytesOut);
    plane.accessLog?.record({
      time: this.startedMs + plane.epochOffsetMs,
      client: this.clientAddress,
      method: this.method,
      host: this.authority,
      target: this.target,
      status: this.status,
      durationMs,
      bytesIn: this.bytesIn,
      bytesOut,
      route: route?.id,
      upstream: this.upstreamId,
      errorId: this.errorId,
      error: this.error,
    });
  }
}
