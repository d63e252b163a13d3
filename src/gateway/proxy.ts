/**
 * One request on its way through an upstream and its answer on the way back, streamed in both directions with
 * back-pressure. Also carries what follows a 101. One of these serves all requests of a connection in turn.
 */
import { systemCode } from '../base/errors.ts';
import { chunkLine } from '../http/chunked.ts';
import { FIELD } from '../http/field-names.ts';
import { BODY, type BodyKind } from '../http/framing.ts';
import { ResponseHead, type RequestHead } from '../http/head.ts';
import { isHttpError } from '../http/http-error.ts';
import { RESPONSE_HEAD_LIMITS } from '../http/limits.ts';
import { AnswerBody } from './answer-body.ts';
import { chooseUpstream } from './balance.ts';
import { clientFragment } from './client-fragment.ts';
import type { Connection } from './connection.ts';
import {
  interimHeadText,
  lastChunkText,
  requestHeadText,
  responseHeadText,
  switchingHeadText,
  upgradeProtocols,
} from './forward-head.ts';
import { statedLoad } from './load-report.ts';
import type { Plane } from './plane.ts';
import type { Proxy } from './responder.ts';
import type { Route } from './route-table.ts';
import type { Upstream, UpstreamSocket, UpstreamUser } from './upstream.ts';

/** A request that must not be sent twice goes only to sockets that were in use this lately. */
const UNSAFE_RESTED_MS_MAX = 1000;
/** A tunnel without a byte in either direction; web sockets that are alive ping far more often. */
const TUNNEL_IDLE_MS = 3_600_000;
/** Interim answers before the final one. */
const INTERIMS_MAX = 16;
const RETRY_AFTER_S = 1;
/** Upstreams that die with a request, before it is given up. */
const RETRIES_MAX = 3;
/** Before connecting again to an upstream whose backlog is full; the connect time-out bounds it all. */
const BACKLOG_PAUSE_MS = 10;

const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);

const PHASE = { rest: 0, connecting: 1, head: 2, body: 3, tunnel: 4 } as const;

export class ProxyExchange implements Proxy, UpstreamUser {
  private readonly connection: Connection;
  private readonly plane: Plane;
  private phase: number = PHASE.rest;
  private route: Route | undefined;
  private upstream: Upstream | undefined;
  private socket: UpstreamSocket | undefined;
  private readonly tried: Upstream[] = [];
  private headText = '';
  private requestKind: BodyKind = BODY.none;
  private requestDone = false;
  private requestBytesSent = 0;
  private upgrading = false;
  /** Something of the answer came: from here on there is no retry. */
  private answerBegan = false;
  private interims = 0;
  private connectTimedOut = false;
  private retriedFresh = false;
  /** Coarse time of the last step forward in this phase. */
  private sinceMs = 0;

  private partial: ResponseHead | undefined;
  private readonly answer: AnswerBody;
  private upstreamKeepsAlive = false;

  constructor(connection: Connection) {
    this.connection = connection;
    this.plane = connection.plane;
    this.answer = new AnswerBody(connection.out);
  }

  /** Starts on the request in the plane's scratch objects. */
  begin(head: RequestHead, route: Route): void {
    const { connection, plane } = this;
    const framing = plane.requestFraming;
    if (route.upstreams.length === 0) {
      connection.fail(503, 'The route has no upstream', { retryAfterS: RETRY_AFTER_S });
      return;
    }
    this.route = route;
    this.upgrading = framing.upgrade && upgradeProtocols(head) !== '';
    this.headText = requestHeadText(
      head,
      framing,
      plane.target,
      clientFragment(connection, plane.target.authority),
      connection,
    );
    this.requestKind = framing.kind;
    this.requestDone = connection.body.done;
    this.requestBytesSent = 0;
    this.answerBegan = false;
    this.interims = 0;
    this.connectTimedOut = false;
    this.retriedFresh = false;
    this.partial = undefined;
    this.tried.length = 0;
    connection.answerBy(this);
    this.obtain(route);
  }

  // Reaching an upstream ------------------------------------------------------------------------------------

  private obtain(route: Route): void {
    const { plane, connection } = this;
    const nowMs = plane.coarseMs;
    const index = chooseUpstream(route.upstreams, this.tried, nowMs, plane.random);
    const upstream = route.upstreams[index];
    if (upstream === undefined) {
      if (this.connectTimedOut) this.giveUp(504, 'Connecting to the upstream took too long');
      else this.giveUp(503, 'No upstream takes connections', { retryAfterS: RETRY_AFTER_S });
      return;
    }
    this.upstream = upstream;
    upstream.requests++;
    connection.request.upstreamId = upstream.id;
    this.sinceMs = nowMs;
    const rested = IDEMPOTENT.has(connection.request.method) ? Infinity : UNSAFE_RESTED_MS_MAX;
    const idle = upstream.takeIdle(this, nowMs, rested);
    if (idle === undefined) this.connectTo(upstream);
    else this.sendHead(idle);
  }

  private connectTo(upstream: Upstream): void {
    this.phase = PHASE.connecting;
    this.socket = upstream.connect(this);
  }

  upstreamConnected(): void {
    const { socket } = this;
    if (socket === undefined) return;
    this.upstream?.connectSucceeded();
    this.sendHead(socket);
    this.sendHeld();
  }

  private sendHead(socket: UpstreamSocket): void {
    this.socket = socket;
    this.phase = PHASE.head;
    this.sinceMs = this.plane.coarseMs;
    socket.out.text(this.headText);
    // Sent once more, and the body was empty: its end went with the socket that died.
    if (this.requestDone) this.endBody();
  }

  /** The upstream did not take the connection: another one may. */
  private connectFailed(): void {
    const { upstream, route } = this;
    this.leave();
    if (upstream === undefined || route === undefined) return;
    upstream.connectFailed(this.plane.coarseMs);
    this.tried.push(upstream);
    this.obtain(route);
    // An idle socket of another upstream is ready at once, and the body was held.
    if (this.phase === PHASE.head) this.sendHeld();
  }

  /** The backlog of a unix socket is full: many clients came at once, and the app will take them in a moment. */
  private connectLater(): void {
    const { plane, upstream, socket, sinceMs } = this;
    plane.clock.after(BACKLOG_PAUSE_MS, () => {
      const waits = this.phase === PHASE.connecting && this.socket === socket;
      if (
        waits &&
        this.upstream === upstream &&
        this.sinceMs === sinceMs &&
        upstream !== undefined
      ) {
        this.connectTo(upstream);
      }
    });
  }

  private sendHeld(): void {
    this.connection.continueReading();
    this.flush();
  }

  /** Lets go of the upstream without another word to it. */
  private leave(): void {
    const { socket, upstream } = this;
    this.socket = undefined;
    this.upstream = undefined;
    if (upstream !== undefined) {
      if (this.phase === PHASE.tunnel) upstream.upgrades--;
      else upstream.requests--;
    }
    this.phase = PHASE.rest;
    socket?.discard();
  }

  /** There will be no answer; in the middle of one this breaks the connection. */
  private giveUp(status: number, error: string, options?: { readonly retryAfterS: number }): void {
    this.leave();
    this.headText = '';
    this.connection.fail(status, error, options);
  }

  // The request's body --------------------------------------------------------------------------------------

  get holdsBody(): boolean {
    return this.phase === PHASE.connecting || (this.socket?.out.blocked ?? false);
  }

  requestBytes(buffer: Buffer, from: number, to: number): void {
    const { socket } = this;
    if (socket === undefined) return;
    this.requestBytesSent += to - from;
    this.sinceMs = this.plane.coarseMs;
    const chunked = this.requestKind === BODY.chunked && this.phase !== PHASE.tunnel;
    if (chunked) socket.out.text(chunkLine(to - from));
    socket.out.copied(buffer, from, to);
    if (chunked) socket.out.text('\r\n');
  }

  requestEnded(): void {
    this.requestDone = true;
    this.sinceMs = this.plane.coarseMs;
    this.endBody();
  }

  private endBody(): void {
    if (this.requestKind !== BODY.chunked) return;
    this.socket?.out.text(lastChunkText(this.connection.body.trailers));
  }

  flush(): void {
    if (this.phase !== PHASE.connecting) this.socket?.out.flush();
    // A body that the upstream does not take waits in the kernel, not here.
    const streams = !this.requestDone || this.phase === PHASE.tunnel;
    if (streams && this.holdsBody) this.connection.holdReading();
  }

  upstreamDrained(): void {
    this.sinceMs = this.plane.coarseMs;
    this.connection.continueReading();
    this.flush();
  }

  // The answer ----------------------------------------------------------------------------------------------

  upstreamBytes(buffer: Buffer, from: number, to: number): void {
    const { connection } = this;
    this.sinceMs = this.plane.coarseMs;
    try {
      if (this.phase === PHASE.head) this.readHeads(buffer, from, to);
      else this.passOn(buffer, from, to);
    } catch (error) {
      if (!isHttpError(error)) throw error;
      this.giveUp(502, `The upstream's answer is malformed: ${error.message}`);
    }
    connection.out.flush();
    if (connection.out.blocked) this.socket?.socket.pause();
  }

  private readHeads(buffer: Buffer, from: number, to: number): void {
    this.answerBegan = true;
    let bytes = buffer;
    let at = from;
    let end = to;
    let head = this.partial;
    if (head === undefined) {
      head = this.plane.responseHead;
      head.reset(at);
    } else {
      bytes = Buffer.concat([head.buffer, buffer.subarray(from, to)]);
      end = bytes.length;
    }
    for (;;) {
      if (!head.scan(bytes, end)) {
        this.keepPartial(head, bytes, end);
        return;
      }
      this.partial = undefined;
      at = head.end;
      if (head.status >= 200 || head.status === 101) break;
      this.passInterim(head);
      if (this.phase !== PHASE.head) return;
      head = this.plane.responseHead;
      head.reset(at);
      if (at === end) return;
    }
    if (head.status === 101) this.switchProtocols(head, bytes, at, end);
    else this.beginAnswer(head, bytes, at, end);
  }

  /** The read buffer is used again after this event, so an incomplete head moves to memory of its own. */
  private keepPartial(head: ResponseHead, bytes: Buffer, end: number): void {
    if (head === this.partial) return;
    const own = Buffer.from(bytes.subarray(head.start, end));
    this.partial = new ResponseHead(RESPONSE_HEAD_LIMITS);
    this.partial.reset(0);
    this.partial.scan(own, own.length);
  }

  private passInterim(head: ResponseHead): void {
    if (++this.interims > INTERIMS_MAX) {
      this.giveUp(502, 'The upstream sends interim answers without end');
      return;
    }
    const framing = this.plane.responseFraming;
    framing.read(head, false);
    if (this.connection.request.minor === 1)
      this.connection.out.text(interimHeadText(head, framing.names));
  }

  private beginAnswer(head: ResponseHead, bytes: Buffer, from: number, to: number): void {
    const { connection, plane, answer } = this;
    if (this.phase !== PHASE.head) return;
    const framing = plane.responseFraming;
    framing.read(head, connection.request.method === 'HEAD');
    this.upstreamKeepsAlive = framing.keepAlive;
    const keepAlive = head.value(FIELD.keepAlive);
    if (keepAlive !== undefined) this.socket?.learnKeepAlive(keepAlive);
    const load = statedLoad(head);
    if (load !== undefined) this.upstream?.learnLoad(load, plane.coarseMs);
    answer.start(framing, connection.request.minor);
    // An answer before the end of the request is the last one (RFC 9112 9.3), and its head must say so.
    if (answer.toClient === BODY.close || !this.requestDone) connection.keepAlive = false;
    connection.request.status = head.status;
    connection.request.answering = true;
    connection.out.text(
      responseHeadText(head, {
        names: framing.names,
        kind: answer.toClient,
        connection: connection.connectionLine,
        dateLine: plane.dateLine,
      }),
    );
    this.phase = PHASE.body;
    if (answer.done) this.complete(from === to);
    else if (from < to) this.passOn(bytes, from, to);
  }

  private passOn(buffer: Buffer, from: number, to: number): void {
    if (this.phase === PHASE.tunnel) {
      this.connection.out.copied(buffer, from, to);
      return;
    }
    const end = this.answer.feed(buffer, from, to);
    if (this.answer.done) this.complete(end === to);
  }

  /** The answer is all there. `clean`: nothing came after it, so the socket may be used again. */
  private complete(clean: boolean): void {
    const { connection, socket, upstream } = this;
    const reusable = clean && this.upstreamKeepsAlive && this.requestDone;
    if (reusable && socket !== undefined && upstream !== undefined) {
      this.socket = undefined;
      this.upstream = undefined;
      this.phase = PHASE.rest;
      upstream.requests--;
      // A slow client may have paused it.
      if (socket.socket.isPaused()) socket.socket.resume();
      upstream.release(socket, this.plane.coarseMs);
    } else {
      this.leave();
    }
    this.headText = '';
    connection.answered();
  }

  upstreamEnded(): void {
    if (this.phase === PHASE.tunnel) {
      this.connection.out.end();
      return;
    }
    if (this.phase === PHASE.body && this.answer.ended()) {
      this.complete(false);
      this.connection.out.flush();
      return;
    }
    this.broken('The upstream closed the connection');
  }

  upstreamClosed(error: Error | undefined): void {
    if (this.phase === PHASE.connecting) {
      this.socket = undefined;
      if (systemCode(error) === 'EAGAIN') this.connectLater();
      else this.connectFailed();
    } else if (this.phase === PHASE.tunnel) {
      this.leave();
      if (error === undefined) this.connection.out.end();
      else this.connection.socket.destroy();
    } else {
      this.broken(`The upstream broke the connection: ${error?.message ?? 'closed'}`);
    }
  }

  /** The upstream went away before its answer was complete. */
  private broken(reason: string): void {
    const { connection, socket, upstream } = this;
    const untouched = !this.answerBegan && this.requestBytesSent === 0 && !this.retriedFresh;
    const safe = IDEMPOTENT.has(connection.request.method) || !connection.body.done;
    this.leave();
    if (untouched && safe && socket?.reused === true && upstream !== undefined) {
      // RFC 9110 9.2.2: it died while it was idle, most likely; the request is sent once more.
      this.retriedFresh = true;
      this.upstream = upstream;
      upstream.requests++;
      this.sinceMs = this.plane.coarseMs;
      this.connectTo(upstream);
      return;
    }
    if (this.mayAskAnother(upstream)) return;
    this.giveUp(502, reason);
  }

  /** Another upstream answers in place of one that died: nothing of an answer came, and asking twice does no harm. */
  private mayAskAnother(failed: Upstream | undefined): boolean {
    const { connection, route } = this;
    const isHarmless = IDEMPOTENT.has(connection.request.method) && !this.answerBegan;
    if (!isHarmless || this.requestBytesSent > 0 || !this.requestDone) return false;
    if (failed === undefined || route === undefined || this.tried.length >= RETRIES_MAX) {
      return false;
    }
    this.tried.push(failed);
    if (route.upstreams.every((each) => this.tried.includes(each))) return false;
    this.retriedFresh = false;
    this.obtain(route);
    return true;
  }

  // 101 -----------------------------------------------------------------------------------------------------

  private switchProtocols(head: ResponseHead, bytes: Buffer, from: number, to: number): void {
    const { connection, upstream, socket } = this;
    if (!this.upgrading || upstream === undefined || socket === undefined) {
      this.giveUp(502, 'The upstream changed the protocol without being asked');
      return;
    }
    const framing = this.plane.responseFraming;
    framing.read(head, false);
    upstream.requests--;
    upstream.upgrades++;
    this.phase = PHASE.tunnel;
    connection.request.status = 101;
    connection.request.answering = true;
    connection.out.text(switchingHeadText(head, framing.names));
    if (from < to) connection.out.copied(bytes, from, to);
    // Nobody pings for them: the kernel notices dead peers.
    connection.socket.setKeepAlive(true, 60_000);
    socket.socket.setKeepAlive(true, 60_000);
    connection.tunnel();
  }

  // The client ----------------------------------------------------------------------------------------------

  clientDrained(): void {
    this.sinceMs = this.plane.coarseMs;
    const socket = this.socket?.socket;
    if (socket?.isPaused() === true) socket.resume();
  }

  clientEnded(): void {
    this.socket?.out.end();
  }

  clientClosed(): void {
    this.leave();
    this.headText = '';
  }

  sweep(horizonMs: number): void {
    const { route } = this;
    if (route === undefined) return;
    const waitedMs = horizonMs - this.sinceMs;
    const { limits } = route;
    if (this.phase === PHASE.connecting) {
      if (waitedMs < limits.connectTimeoutMs) return;
      this.connectTimedOut = true;
      this.connectFailed();
    } else if (this.phase === PHASE.head || this.phase === PHASE.body) {
      const waits = this.phase === PHASE.head && this.requestDone;
      if (waitedMs < (waits ? limits.responseTimeoutMs : limits.idleTimeoutMs)) return;
      this.giveUp(504, 'The upstream stood still for too long');
    } else if (this.phase === PHASE.tunnel && waitedMs >= TUNNEL_IDLE_MS) {
      this.leave();
      this.connection.socket.destroy();
    }
  }
}
