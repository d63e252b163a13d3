/**
 * One client connection: finds requests in its bytes, hands each to who answers it, keeps their order and
 * decides when it ends. It knows nothing about upstreams or files; a `Responder` does.
 */
import type { ChunkSink } from '../http/chunked.ts';
import { BODY } from '../http/framing.ts';
import type { RequestHead } from '../http/head.ts';
import { HttpError, isHttpError } from '../http/http-error.ts';
import type { AnswerShape } from './answer-shape.ts';
import { listenTo, startReading, type ClientEvents } from './client-events.ts';
import { ClientRequest } from './client-request.ts';
import type { ClientSocket } from './client-socket.ts';
import { localAuthority } from './client-fragment.ts';
import { STATE, STATUS_CLIENT_GONE } from './connection-state.ts';
import { failureAnswer, type FailureDetails } from './error-page.ts';
import { DISCARD_BYTES_MAX, LEAVING_FRESH_MS, LEAVING_KEPT_MS } from './limits.ts';
import { type Outbox, outboxOf } from './outbox.ts';
import { Linger } from './linger.ts';
import { routeFor } from './path-check.ts';
import type { Plane } from './plane.ts';
import { RequestBody } from './request-body.ts';
import type { ConnectionOwner, Proxy, Responder } from './responder.ts';

export class Connection implements ChunkSink, ClientEvents {
  readonly socket: ClientSocket;
  readonly owner: ConnectionOwner;
  readonly plane: Plane;
  readonly out: Outbox;
  readonly clientAddress: string;
  /** Why the socket broke, if it did. */
  failure: string | undefined;
  /** Reused by whoever proxies for this connection, without and with a cache; opaque here. */
  proxy: Proxy | undefined;
  cached: Proxy | undefined;
  /** What the route of the request changes about its answer. */
  shape: AnswerShape | undefined;
  /** Lines about the client for the last authority; made by the proxy. */
  fragment = '';
  fragmentAuthority: string | undefined;

  readonly request: ClientRequest = new ClientRequest();
  /** The connection goes on after the answer under way. */
  keepAlive = true;
  readonly body: RequestBody = new RequestBody();
  private expectsContinue = false;

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
  private linger: Linger | undefined;
  /** The listener is closed: the next answer is the last. */
  private leaving = false;

  /** Takes over an accepted, paused socket. */
  constructor(socket: ClientSocket, owner: ConnectionOwner) {
    this.owner = owner;
    this.plane = owner.plane;
    this.socket = socket;
    startReading(socket, (buffer, size) => this.received(buffer, size));
    this.out = outboxOf(socket);
    this.clientAddress = owner.clientAddress(socket);
    this.sinceMs = owner.plane.coarseMs;
  }

  /** Takes over the socket's other events. */
  start(): void {
    listenTo(this.socket, this);
  }

  /** Host for a client that sent none (HTTP/1.0): where it connected to. */
  get localAuthority(): string {
    return localAuthority(this.socket);
  }

  /** True between requests: nothing would be lost by closing. */
  get idle(): boolean {
    return this.state === STATE.head && this.partial === undefined && this.pending === undefined;
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

  /** `Connection: close` or what an HTTP/1.0 client needs to hear, and the listener's lines; usually nothing. */
  get connectionLine(): string {
    const { answerLines } = this.owner;
    if (!this.keepAlive) return `Connection: close\r\n${answerLines}`;
    return this.request.minor === 0 ? `Connection: keep-alive\r\n${answerLines}` : answerLines;
  }

  /** The final answer is complete in the outbox. */
  answered(): void {
    if (this.out.coder !== undefined) {
      this.out.coder.end();
      return;
    }
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
  fail(status: number, error: string, options: FailureDetails = {}): void {
    this.request.error = error;
    if (this.request.answering) {
      this.abort();
      return;
    }
    this.settleBody();
    this.request.answering = true;
    this.request.status = status;
    const lines = this.shape === undefined ? this.owner.answerLines : '';
    const answer = failureAnswer(this.request, { ...options, close: !this.keepAlive, lines });
    if (this.shape === undefined) this.out.owned(answer);
    else this.shape.fail(this, answer);
    this.finish();
  }

  private finish(): void {
    this.answered();
    if (!this.consuming) this.out.flush();
  }

  /** A whole answer without a body; `head` lacks Connection and the empty line. */
  answerBodyless(status: number, head: string): void {
    this.beginAnswer(status, head);
    this.finish();
  }

  /** A whole answer, prepared for a plain connection (see `plain`). */
  answerPrepared(status: number, answer: string | Buffer): void {
    this.request.status = status;
    this.request.answering = true;
    if (typeof answer === 'string') this.out.text(answer);
    else this.out.owned(answer);
    this.finish();
  }

  /** A whole answer whose body is in memory, small ones as latin1; `head` lacks Connection and the empty line. */
  answerBuffers(status: number, head: string, body: string | readonly Buffer[]): void {
    this.beginAnswer(status, head);
    if (typeof body === 'string') this.out.text(body);
    else for (const buffer of body) this.out.owned(buffer);
    this.finish();
  }

  /** The head of an answer whose body follows; `head` lacks Connection and the empty line. */
  beginAnswer(status: number, head: string): void {
    this.settleBody();
    this.request.status = status;
    this.request.answering = true;
    if (this.shape !== undefined) this.shape.begin(this, head);
    else this.out.text(`${head}${this.connectionLine}\r\n`);
  }

  /** Answers go as they are, without lines of the connection's own, and no body is in the way. */
  get plain(): boolean {
    const isUsual = this.keepAlive && this.request.minor === 1 && this.body.done;
    return isUsual && this.shape === undefined && this.owner.answerLines === '';
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
    if (pending !== undefined) this.consume(pending, pending.length);
    if (this.pending !== undefined || this.state === STATE.closed) return;
    if (this.clientEnded) this.actOnEnd();
    else if (this.paused) {
      this.paused = false;
      this.socket.resume();
    }
  }

  /** Whoever held the request back has handed it on, perhaps outside of any event of the client's. */
  passedOn(): void {
    if (this.consuming) return;
    this.continueReading();
    this.responder?.flush();
    this.out.flush();
  }

  holdReading(): void {
    if (this.paused) return;
    this.paused = true;
    this.socket.pause();
  }

  // Socket events -------------------------------------------------------------------------------------------

  /** The bytes `0..size` are valid only during the call. */
  private received(buffer: Buffer, size: number): void {
    // A client that does not read its last answer gains nothing by sending.
    if (this.state !== STATE.closing || this.socket.writableFinished) {
      this.sinceMs = this.plane.coarseMs;
    }
    const { pending } = this;
    if (pending === undefined) this.consume(buffer, size);
    else this.pending = Buffer.concat([pending, buffer.subarray(0, size)]);
  }

  drained(): void {
    this.sinceMs = this.plane.coarseMs;
    this.out.coder?.resume();
    if (this.responder !== undefined) this.responder.clientDrained();
    else if (this.pending !== undefined) this.continueReading();
  }

  ended(): void {
    this.clientEnded = true;
    if (this.pending === undefined) this.actOnEnd();
  }

  /** Everything that the client sent before it closed its side has been used. */
  private actOnEnd(): void {
    if (this.state === STATE.tunnel) this.responder?.clientEnded();
    else if (this.state === STATE.body) this.socket.destroy();
    else if (this.state === STATE.head) this.close();
    // Otherwise an answer is under way and still wanted: RFC 9112 9.6 lets a client close its side.
  }

  closed(): void {
    const { responder } = this;
    this.responder = undefined;
    this.out.coder?.destroy();
    responder?.clientClosed();
    if (responder !== undefined && this.state !== STATE.tunnel) {
      this.request.error ??= this.failure ?? 'The client closed the connection';
      if (!this.request.answering) this.request.status = STATUS_CLIENT_GONE;
      this.record();
    }
    this.state = STATE.closed;
    this.pending = undefined;
    this.partial = undefined;
    this.owner.closed(this);
  }

  /** Checks time limits; `horizonMs` is now minus the sweep's grain. */
  sweep(horizonMs: number): void {
    const isAnswered = this.state === STATE.head || this.state === STATE.closing;
    if (this.out.wasTaken() && isAnswered) this.sinceMs = this.plane.coarseMs;
    const waitedMs = horizonMs - this.sinceMs;
    const { limits } = this.plane;
    if (this.state === STATE.head) {
      if (this.partial !== undefined) {
        if (horizonMs - this.request.startedMs >= limits.requestHeadTimeoutMs) {
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
      const over = this.linger?.isOver(this.socket.writableFinished, this.sinceMs, horizonMs);
      if (over === true) this.socket.destroy();
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
    if (this.idle && this.served > 0 && !this.plane.leavesGently) this.close();
  }

  /** How long the connection may wait for the next request. */
  private idleMsMax(): number {
    const { limits } = this.plane;
    if (this.leaving) return this.served > 0 ? LEAVING_KEPT_MS : LEAVING_FRESH_MS;
    return this.served > 0 ? limits.keepAliveTimeoutMs : limits.requestHeadTimeoutMs;
  }

  // Bytes ---------------------------------------------------------------------------------------------------

  private consume(buffer: Buffer, end: number): void {
    this.consuming = true;
    try {
      this.consumeAll(buffer, end);
    } catch (error) {
      if (!isHttpError(error)) throw error;
      this.refuse(error);
    } finally {
      this.consuming = false;
    }
    this.responder?.flush();
    this.out.flush();
  }

  private consumeAll(buffer: Buffer, end: number): void {
    let at = 0;
    while (at < end) {
      switch (this.state) {
        case STATE.head:
          // A client that asks without reading answers is not asked for more.
          if (this.out.blocked) {
            this.keep(buffer, at, end);
            return;
          }
          at = this.readHead(buffer, at, end);
          break;
        case STATE.body:
          if (this.responder?.holdsBody === true) {
            this.keep(buffer, at, end);
            return;
          }
          at = this.readBody(buffer, at, end);
          break;
        case STATE.tunnel:
          if (this.responder?.holdsBody === true) {
            this.keep(buffer, at, end);
            return;
          }
          this.responder?.requestBytes(buffer, at, end);
          return;
        case STATE.busy:
          this.keep(buffer, at, end);
          return;
        default:
          return;
      }
    }
  }

  private keep(buffer: Buffer, at: number, end: number): void {
    this.pending = Buffer.from(buffer.subarray(at, end));
    this.holdReading();
  }

  /** Scans one head from `from`; answers where it ended, or the end of the buffer when more is needed. */
  private readHead(buffer: Buffer, from: number, to: number): number {
    const { partial } = this;
    if (partial !== undefined) return this.readRestOfHead(buffer, from, to, partial);
    const head = this.plane.requestHead;
    head.reset(from);
    this.keepAlive = true;
    this.shape = undefined;
    this.request.begin(this.plane.clock.monotonicMs(), this.out.bytes);
    if (!head.scan(buffer, to)) {
      // Its bytes move to memory of their own.
      const own = this.plane.newRequestHead();
      const bytes = Buffer.from(buffer.subarray(from, to));
      own.reset(0);
      own.scan(bytes, bytes.length);
      this.partial = own;
      return to;
    }
    const { end } = head;
    this.dispatch(head);
    return end;
  }

  private readRestOfHead(buffer: Buffer, from: number, to: number, head: RequestHead): number {
    const known = head.buffer.length;
    const all = Buffer.concat([head.buffer, buffer.subarray(from, to)]);
    if (!head.scan(all, all.length)) return to;
    this.partial = undefined;
    const { end } = head;
    this.dispatch(head);
    return from + (end - known);
  }

  private dispatch(head: RequestHead): void {
    const { plane, body, request } = this;
    const { requestFraming: framing, target } = plane;
    request.setHead(head);
    framing.read(head);
    target.read(head);
    request.setTarget(target);
    this.keepAlive = framing.keepAlive && !plane.draining && !this.leaving;
    this.expectsContinue = framing.expectContinue;
    body.start(framing);
    this.state = body.done ? STATE.busy : STATE.body;
    const route = routeFor(plane.table, target);
    if (route === undefined) {
      this.fail(404, 'No route', { reason: 'No site has this address here' });
      return;
    }
    request.route = route;
    body.bytesMax = route.limits.requestBodyBytesMax;
    if (framing.length > body.bytesMax) {
      throw new HttpError(
        413,
        'HTTP_BODY_TOO_LARGE',
        `The body has ${framing.length} bytes, ${body.bytesMax} are accepted`,
      );
    }
    this.owner.dispatch(this, head, route);
  }

  private readBody(buffer: Buffer, from: number, end: number): number {
    const { body } = this;
    const to = body.feed(buffer, from, end, this);
    this.request.bytesIn += to - from;
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
    if (this.state === STATE.body && responder === undefined && this.request.answering) {
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

  /** Closes the writing side and waits a little for the client to close its own. */
  private close(): void {
    this.partial = undefined;
    this.pending = undefined;
    this.state = STATE.closing;
    this.linger = new Linger(this.plane.limits.keepAliveTimeoutMs);
    this.sinceMs = this.plane.coarseMs;
    this.out.end();
    if (this.paused) {
      this.paused = false;
      this.socket.resume();
    }
  }

  private record(): void {
    this.request.record(this.plane, this.shape?.client ?? this.clientAddress, this.out.bytes);
  }
}
