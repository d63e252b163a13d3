/**
 * One request of a client on its way through an upstream and its answer on the way back, streamed in both directions with
 * back-pressure. Also carries what follows a 101. One of these serves all requests of a connection in turn.
 */
import { chunkLine } from '../http/chunked.ts';
import { BODY, type BodyKind } from '../http/framing.ts';
import type { RequestHead, ResponseHead } from '../http/head.ts';
import { AnswerBody } from './answer-body.ts';
import { clientFragment } from './client-fragment.ts';
import type { Connection } from './connection.ts';
import {
  lastChunkText,
  putRequestHead,
  switchingHeadText,
  together,
  upgradeProtocols,
} from './forward-head.ts';
import { KeptHead } from './kept-head.ts';
import type { AnswerWatcher, Proxy } from './responder.ts';
import type { Route } from './route-table.ts';
import { beginStreamed, passInterim } from './streamed-answer.ts';
import type { Upstream } from './upstream.ts';
import { type FailureOptions, PHASE } from './exchange-phase.ts';
import { UpstreamExchange } from './upstream-exchange.ts';
import { answerHere, limitedWay } from './via.ts';

/** A tunnel without a byte in either direction; web sockets that are alive ping far more often. */
const TUNNEL_IDLE_MS = 3_600_000;
const RETRY_AFTER_S = 1;

/** A body that was gathered goes with the head, also when the request is sent once more. */
function bodyText(body: Buffer, kind: BodyKind): string {
  const text = body.toString('latin1');
  return kind === BODY.chunked ? `${chunkLine(body.length)}${text}\r\n` : text;
}

export class ProxyExchange extends UpstreamExchange implements Proxy {
  private readonly connection: Connection;
  private requestKind: BodyKind = BODY.none;
  /** What its Connection names: neither fields nor trailer fields of that name go on (RFC 9110 7.6.1). */
  private requestNames: readonly string[] = [];
  private upgrading = false;
  private readonly answer: AnswerBody;
  private watcher: AnswerWatcher | undefined;

  constructor(connection: Connection) {
    super(connection.plane);
    this.connection = connection;
    this.answer = new AnswerBody(connection.out);
  }

  /** Starts on the request in the plane's scratch objects. */
  begin(head: RequestHead, route: Route, watcher?: AnswerWatcher): void {
    const { connection, plane } = this;
    this.watcher = watcher;
    const framing = plane.requestFraming;
    if (route.upstreams.length === 0) {
      connection.fail(503, 'The route has no upstream', { retryAfterS: RETRY_AFTER_S });
      return;
    }
    const way = limitedWay(head, connection.request.method);
    if (way === 'here') {
      answerHere(connection);
      return;
    }
    this.upgrading = framing.upgrade && upgradeProtocols(head) !== '';
    this.requestKind = framing.kind;
    this.requestNames = framing.names;
    const kept = KeptHead.take();
    putRequestHead(kept, head, {
      framing,
      target: plane.target,
      fragment: clientFragment(connection, plane.target.authority),
      connection,
      change: together(way, together(connection.request.trace?.change, connection.shape?.request)),
    });
    connection.answerBy(this);
    this.times = connection.request.times;
    const gathered = connection.shape?.gathered;
    if (gathered !== undefined) kept.text(bodyText(gathered, framing.kind));
    this.ask(route, kept, connection.body.done);
  }

  protected get method(): string {
    return this.connection.request.method;
  }

  protected chosen(upstream: Upstream): void {
    this.connection.request.upstreamId = upstream.id;
  }

  protected reached(): void {
    this.connection.continueReading();
    this.flush();
  }

  protected failed(status: number, error: string, options?: FailureOptions): void {
    this.endWatch(false);
    this.connection.fail(status, error, options);
  }

  // The request's body --------------------------------------------------------------------------------------

  get holdsBody(): boolean {
    return this.phase === PHASE.connecting || (this.socket?.out.blocked ?? false);
  }

  requestBytes(buffer: Buffer, from: number, to: number): void {
    const { socket } = this;
    if (socket === undefined) return;
    this.sent.bodyBytes += to - from;
    this.sinceMs = this.plane.coarseMs;
    const chunked = this.requestKind === BODY.chunked && this.phase !== PHASE.tunnel;
    // It may say that it has done nothing with it.
    if (this.phase === PHASE.head && this.upstream?.http2 !== undefined)
      this.sent.hold(buffer, from, to, chunked);
    if (chunked) socket.out.text(chunkLine(to - from));
    socket.out.copied(buffer, from, to);
    if (chunked) socket.out.text('\r\n');
  }

  requestEnded(): void {
    this.requestDone = true;
    this.sinceMs = this.plane.coarseMs;
    if (this.times !== undefined) this.times.uploadedMs = this.plane.clock.monotonicMs();
    this.sendEnd();
  }

  protected sendEnd(): void {
    if (this.requestKind !== BODY.chunked) return;
    const { body, shape } = this.connection;
    const dropped = [...this.requestNames, ...(shape?.request?.drop ?? [])];
    this.socket?.out.text(lastChunkText(body.trailers, dropped));
  }

  flush(): void {
    if (this.phase !== PHASE.connecting) this.socket?.out.flush();
    // A body that the upstream does not take waits in the kernel, not here.
    const streams = !this.requestDone || this.phase === PHASE.tunnel;
    if (streams && this.holdsBody) this.connection.holdReading();
  }

  override upstreamDrained(): void {
    super.upstreamDrained();
    this.connection.continueReading();
    this.flush();
  }

  // The answer ----------------------------------------------------------------------------------------------

  protected settled(): void {
    const { connection } = this;
    connection.out.flush();
    if (!connection.out.blocked || this.socket === undefined) return;
    this.socket.socket.pause();
    this.times?.blocked(this.plane.clock.monotonicMs());
  }

  protected interim(head: ResponseHead): void {
    passInterim(this.connection, head);
  }

  protected answerHead(head: ResponseHead, bytes: Buffer, from: number, to: number): void {
    const { answer, requestDone } = this;
    let change = this.watcher?.headed(head);
    if (this.balanced !== undefined) change = this.balanced.stickyChange(change);
    beginStreamed(this.connection, { head, body: answer, requestDone }, change);
    answer.watch(this.watcher);
    if (answer.done) this.complete(from === to);
    else if (from < to) this.answerBytes(bytes, from, to);
  }

  protected answerBytes(buffer: Buffer, from: number, to: number): void {
    if (this.phase === PHASE.tunnel) {
      this.connection.out.copied(buffer, from, to);
      return;
    }
    const end = this.answer.feed(buffer, from, to);
    if (this.answer.done) this.complete(end === to);
  }

  private endWatch(isWhole: boolean): void {
    const { watcher } = this;
    this.watcher = undefined;
    watcher?.ended(isWhole);
  }

  /** `clean`: nothing came after it. */
  private complete(clean: boolean): void {
    this.release(clean);
    this.endWatch(true);
    this.connection.answered();
  }

  protected answerEnds(): boolean {
    if (!this.answer.ended()) return false;
    this.complete(false);
    this.connection.out.flush();
    return true;
  }

  // 101 -----------------------------------------------------------------------------------------------------

  protected switched(head: ResponseHead, bytes: Buffer, from: number, to: number): void {
    const { connection, upstream, socket } = this;
    if (!this.upgrading || upstream === undefined || socket === undefined) {
      this.refuseSwitch();
      return;
    }
    const framing = this.plane.responseFraming;
    framing.read(head, false);
    this.lasts();
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

  override upstreamEnded(): void {
    if (this.phase === PHASE.tunnel) this.connection.out.end();
    else super.upstreamEnded();
  }

  override upstreamClosed(error: Error | undefined): void {
    if (this.phase !== PHASE.tunnel) {
      super.upstreamClosed(error);
      return;
    }
    this.leave();
    if (error === undefined) this.connection.out.end();
    else this.connection.socket.destroy();
  }

  // The client ----------------------------------------------------------------------------------------------

  clientDrained(): void {
    this.sinceMs = this.plane.coarseMs;
    this.times?.unblocked(this.plane.clock.monotonicMs());
    const socket = this.socket?.socket;
    if (socket?.isPaused() === true) socket.resume();
  }

  clientEnded(): void {
    this.socket?.out.end();
  }

  clientClosed(): void {
    this.leave();
    this.sent.forget();
    this.endWatch(false);
  }

  override sweep(horizonMs: number): void {
    super.sweep(horizonMs);
    if (this.phase === PHASE.tunnel && horizonMs - this.sinceMs >= TUNNEL_IDLE_MS) {
      this.leave();
      this.connection.socket.destroy();
    }
  }
}
