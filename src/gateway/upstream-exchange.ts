/**
 * One request on its way to an upstream, up to the head of its answer: choosing, connecting, asking another one when
 * one fails. Who is asked for and what becomes of the answer is the business of those who extend it.
 */
import { systemCode } from '../base/errors.ts';
import { BODY, type ResponseFraming } from '../http/framing.ts';
import { FIELD } from '../http/field-names.ts';
import { ResponseHead } from '../http/head.ts';
import { isHttpError } from '../http/http-error.ts';
import { RESPONSE_HEAD_LIMITS } from '../http/limits.ts';
import { isEventStream } from '../http/media-type.ts';
import { hasFit } from './balance.ts';
import { BalancedRequest, type BalancedSender } from './balancing/balanced-request.ts';
import { type FailureOptions, PHASE } from './exchange-phase.ts';
import { statedLoad } from './load-report.ts';
import type { KeptHead } from './kept-head.ts';
import { ASKING } from './limits.ts';
import { choosePlain } from './plain-choice.ts';
import type { Plane } from './plane.ts';
import type { RequestTimes } from './request-times.ts';
import type { Route } from './route-table.ts';
import { SentRequest, UnprocessedError } from './sent-request.ts';
import type { Upstream, UpstreamSocket, UpstreamUser } from './upstream.ts';

const RETRY_AFTER_S = 1;
const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);

/** What asking takes of a route. */
export type AskedRoute = Pick<Route, 'upstreams' | 'backups' | 'balancer' | 'regions' | 'limits'> &
  Partial<Pick<Route, 'totals'>>;

export abstract class UpstreamExchange implements UpstreamUser, BalancedSender {
  protected readonly plane: Plane;
  protected phase: number = PHASE.rest;
  protected route: AskedRoute | undefined;
  protected upstream: Upstream | undefined;
  protected socket: UpstreamSocket | undefined;
  protected requestDone = false;
  protected readonly sent: SentRequest = new SentRequest();
  /** Coarse time of the last step forward in this phase. */
  protected sinceMs = 0;
  /** Of the client's request; undefined when there is no client. */
  protected times: RequestTimes | undefined;
  /** Only for routes that have chosen something about their upstreams. */
  protected balanced: BalancedRequest | undefined;
  private readonly tried: Upstream[] = [];
  /** Something of the answer came: from here on there is no retry. */
  private answerBegan = false;
  private interims = 0;
  private connectTimedOut = false;
  private retriedFresh = false;
  private partial: ResponseHead | undefined;
  private upstreamKeepsAlive = false;
  /** The head of the answer is being dealt with, perhaps with all of its body. */
  private isHeading = false;
  private isLasting = false;

  constructor(plane: Plane) {
    this.plane = plane;
  }

  // What it is for ------------------------------------------------------------------------------------------

  protected abstract get method(): string;
  protected abstract chosen(upstream: Upstream): void;
  /** The upstream takes the request's body from now on. */
  protected abstract reached(): void;
  /** Sends what marks the end of the request's body. */
  protected abstract sendEnd(): void;
  protected abstract interim(head: ResponseHead): void;
  /** The final answer's head, in the plane's scratch objects; `bytes` from `from` on are what follows it. */
  protected abstract answerHead(head: ResponseHead, bytes: Buffer, from: number, to: number): void;
  /** 101. */
  protected abstract switched(head: ResponseHead, bytes: Buffer, from: number, to: number): void;
  /** Of the body, or of what follows a 101. */
  protected abstract answerBytes(buffer: Buffer, from: number, to: number): void;
  /** The upstream sends no more. True when that is how the body ends. */
  protected abstract answerEnds(): boolean;
  /** The end of what came in one event. */
  protected abstract settled(): void;
  /** There will be no answer, or no more of it. */
  protected abstract failed(status: number, error: string, options?: FailureOptions): void;

  // Reaching an upstream ------------------------------------------------------------------------------------

  /** `head`: all of it; a `KeptHead` is given back when it is not needed any more. */
  protected ask(route: AskedRoute, head: KeptHead | string, requestDone: boolean): void {
    this.route = route;
    this.sent.begin(head);
    this.requestDone = requestDone;
    this.answerBegan = false;
    this.isHeading = false;
    this.interims = 0;
    this.connectTimedOut = false;
    this.retriedFresh = false;
    this.partial = undefined;
    // Setting it is a call into V8, even when nothing changes.
    if (this.tried.length > 0) this.tried.length = 0;
    const { balancer } = route;
    this.balanced = balancer && new BalancedRequest(balancer, this.plane, this, this.sent.headText);
    if (this.mayHedge) this.balanced?.armHedge();
    this.obtain(route);
  }

  private obtain(route: AskedRoute): void {
    const { plane, balanced } = this;
    if (balanced !== undefined) {
      this.obtainBalanced(balanced, false);
      return;
    }
    this.askOf(choosePlain(route, this.tried, plane.coarseMs, plane.random));
  }

  /** False when there is no room; then it waits for some, or has been given up. */
  private obtainBalanced(balanced: BalancedRequest, isNext: boolean): boolean {
    const chosen = balanced.choose(this.tried, isNext);
    if (chosen !== 'full') {
      this.askOf(chosen);
      return true;
    }
    // Without an upstream this phase means waiting for one: the body is held.
    this.phase = PHASE.connecting;
    if (!isNext && !balanced.wait()) this.waitedTooLong();
    return false;
  }

  takeTurn(): boolean {
    if (this.balanced !== undefined && !this.obtainBalanced(this.balanced, true)) return false;
    if (this.phase === PHASE.head) this.reached();
    return true;
  }

  waitedTooLong(): void {
    this.giveUp(503, 'Every upstream has as many requests as it takes', {
      retryAfterS: RETRY_AFTER_S,
    });
  }

  private askOf(upstream: Upstream | undefined): void {
    const nowMs = this.plane.coarseMs;
    if (upstream === undefined) {
      if (this.connectTimedOut) this.giveUp(504, 'Connecting to the upstream took too long');
      else {
        const why = this.tried.at(-1)?.refusal ?? '';
        const error = `No upstream takes connections${why === '' ? '' : `: ${why}`}`;
        this.giveUp(503, error, { retryAfterS: RETRY_AFTER_S });
      }
      return;
    }
    this.upstream = upstream;
    upstream.requests++;
    this.chosen(upstream);
    this.sinceMs = nowMs;
    const rested = IDEMPOTENT.has(this.method) ? Infinity : ASKING.unsafeRestedMsMax;
    const idle = upstream.takeIdle(this, nowMs, rested);
    if (idle === undefined) this.connectTo(upstream);
    else this.sendHead(idle);
  }

  private connectTo(upstream: Upstream): void {
    this.phase = PHASE.connecting;
    if (this.times?.askedMs === 0) this.times.askedMs = this.plane.clock.monotonicMs();
    this.socket = upstream.connect(this);
  }

  upstreamTurn(socket: UpstreamSocket): void {
    this.socket = socket;
    this.sinceMs = this.plane.coarseMs;
    if (socket.connected) this.upstreamConnected();
  }

  upstreamConnected(): void {
    const { socket } = this;
    if (socket === undefined) return;
    this.upstream?.connectSucceeded();
    this.sendHead(socket);
    this.reached();
  }

  private sendHead(socket: UpstreamSocket): void {
    this.socket = socket;
    this.phase = PHASE.head;
    this.sinceMs = this.plane.coarseMs;
    this.times?.sent(this.plane.clock.monotonicMs());
    this.sent.sendTo(socket.out, this.requestDone);
    // Sent once more: the end of the body went with the socket that died.
    if (this.requestDone) this.sendEnd();
  }

  /** The upstream did not take the connection: another one may. */
  private connectFailed(): void {
    const { upstream, route } = this;
    this.balanced?.failed();
    if (this.promoteHedge()) return;
    if (upstream === undefined || route === undefined) return;
    upstream.connectFailed(this.plane.coarseMs);
    this.obtainAnother(upstream, route);
  }

  private obtainAnother(failed: Upstream, route: AskedRoute): void {
    if (this.upstream !== undefined) this.leave();
    this.tried.push(failed);
    if (route.totals !== undefined) route.totals.retries++;
    this.obtain(route);
    // An idle socket is ready at once, and the body was held.
    if (this.phase === PHASE.head) this.reached();
  }

  /** The backlog of a unix socket is full: many clients came at once, and the app will take them in a moment. */
  private connectLater(): void {
    const { plane, upstream, socket, sinceMs } = this;
    plane.clock.after(ASKING.backlogPauseMs, () => {
      const waits = this.phase === PHASE.connecting && this.socket === socket;
      const isSame = this.upstream === upstream && this.sinceMs === sinceMs;
      if (waits && isSame && upstream !== undefined) this.connectTo(upstream);
    });
  }

  /** Lets go of the upstream without another word to it. */
  protected leave(): void {
    const { socket, upstream } = this;
    this.socket = undefined;
    this.upstream = undefined;
    upstream?.left(this.isLasting);
    this.isLasting = false;
    this.phase = PHASE.rest;
    upstream?.drop(this, socket);
    this.balanced?.left();
  }

  /** Whoever waits for the upstream to finish need not wait for this. */
  protected lasts(): void {
    this.isLasting = true;
    this.upstream?.lasts();
  }

  /** There will be no answer; in the middle of one this breaks the connection. */
  protected giveUp(status: number, error: string, options?: FailureOptions): void {
    this.leave();
    this.sent.forget();
    this.balanced = undefined;
    this.failed(status, error, options);
  }

  protected refuseSwitch(): void {
    this.giveUp(502, 'The upstream changed the protocol without being asked');
  }

  // The answer ----------------------------------------------------------------------------------------------

  upstreamBytes(buffer: Buffer, from: number, to: number): void {
    this.sinceMs = this.plane.coarseMs;
    try {
      if (this.phase === PHASE.head) this.readHeads(buffer, from, to);
      else this.answerBytes(buffer, from, to);
    } catch (error) {
      if (!isHttpError(error)) throw error;
      this.giveUp(502, `The upstream's answer is malformed: ${error.message}`);
    }
    this.settled();
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
    if (head.status === 101) {
      this.balanced?.headed(head.status);
      this.sent.forget();
      this.switched(head, bytes, at, end);
    } else this.finalHead(head, bytes, at, end);
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
    if (++this.interims > ASKING.interimsMax) {
      this.giveUp(502, 'The upstream sends interim answers without end');
      return;
    }
    this.sent.forget();
    this.interim(head);
  }

  private finalHead(head: ResponseHead, bytes: Buffer, from: number, to: number): void {
    const { plane } = this;
    const framing: ResponseFraming = plane.responseFraming;
    framing.read(head, this.method === 'HEAD');
    this.upstreamKeepsAlive = framing.keepAlive;
    const keepAlive = head.value(FIELD.keepAlive);
    if (keepAlive !== undefined) this.socket?.learnKeepAlive(keepAlive);
    const load = statedLoad(head);
    if (load !== undefined) this.upstream?.learnLoad(load, plane.coarseMs);
    if (this.balanced !== undefined && this.isReplaced(this.balanced, head.status)) return;
    // An answer may take hours, and what is held of the body is much.
    this.sent.forget();
    if (this.times !== undefined) this.times.headMs = plane.clock.monotonicMs();
    this.phase = PHASE.body;
    // A stream of events has no length (HTML §9.2).
    if (framing.kind !== BODY.length && isEventStream(head.value(FIELD.contentType))) this.lasts();
    this.isHeading = true;
    this.answerHead(head, bytes, from, to);
    this.isHeading = false;
  }

  /** The answer is all there. `clean`: nothing came after it, so the socket may be used again. */
  protected release(clean: boolean): void {
    const { socket, upstream } = this;
    this.times?.ended(this.isHeading, this.plane.clock);
    const reusable = clean && this.upstreamKeepsAlive && this.requestDone;
    if (reusable && socket !== undefined && upstream !== undefined) {
      this.socket = undefined;
      this.upstream = undefined;
      this.phase = PHASE.rest;
      upstream.left(this.isLasting);
      this.isLasting = false;
      // A slow client may have paused it.
      if (socket.socket.isPaused()) socket.socket.resume();
      upstream.release(socket, this.plane.coarseMs);
      this.balanced?.left();
    } else {
      this.leave();
    }
    this.sent.forget();
    this.balanced = undefined;
  }

  upstreamDrained(): void {
    this.sinceMs = this.plane.coarseMs;
  }

  /** It may come back, so it is left only for one that is well; by any request of which nothing was sent yet. */
  upstreamSilent(): void {
    const { upstream, route, balanced, plane } = this;
    if (upstream === undefined || route === undefined || this.promoteHedge()) return;
    const tried = [...this.tried, upstream];
    const isFit = balanced?.hasFit(tried) ?? hasFit(route.upstreams, tried, plane.coarseMs);
    if (!isFit) return;
    // That it is passed over was said once for all who wait there.
    if (this.phase === PHASE.connecting) this.obtainAnother(upstream, route);
    else this.mayAskAnother(upstream);
  }

  upstreamEnded(): void {
    if (this.phase === PHASE.body && this.answerEnds()) return;
    this.broken('The upstream closed the connection');
  }

  upstreamClosed(error: Error | undefined): void {
    if (this.phase === PHASE.connecting) {
      this.socket = undefined;
      if (systemCode(error) === 'EAGAIN') this.connectLater();
      else this.connectFailed();
    } else {
      const isUnprocessed = error instanceof UnprocessedError;
      this.broken(
        `The upstream broke the connection: ${error?.message ?? 'closed'}`,
        isUnprocessed,
      );
    }
  }

  /** The upstream went away before its answer was complete. */
  private broken(reason: string, isUnprocessed = false): void {
    const { socket, upstream, balanced } = this;
    const untouched = !this.answerBegan && this.sent.isRepeatable && !this.retriedFresh;
    // RFC 9110 9.2.2: it died while it was idle, most likely; the request is sent once more.
    const isOld = socket?.reused === true && (IDEMPOTENT.has(this.method) || !this.requestDone);
    if (this.promoteHedge()) return;
    this.leave();
    const mayAgain = (): boolean => (isUnprocessed ? balanced?.takeRetry() !== false : isOld);
    if (untouched && upstream !== undefined && mayAgain()) {
      this.retriedFresh = true;
      this.upstream = upstream;
      upstream.requests++;
      this.sinceMs = this.plane.coarseMs;
      this.balanced?.again();
      this.connectTo(upstream);
      return;
    }
    this.balanced?.failed();
    if (this.mayAskAnother(upstream, isUnprocessed)) return;
    this.giveUp(502, reason);
  }

  /** Another upstream answers in place of one that died: nothing of an answer came, and asking twice does no harm. */
  private mayAskAnother(failed: Upstream | undefined, isUnprocessed = false): boolean {
    const { route } = this;
    const isHarmless = isUnprocessed || (IDEMPOTENT.has(this.method) && this.requestDone);
    if (!isHarmless || this.answerBegan || !this.sent.isRepeatable) return false;
    const most = this.balanced?.retriesMax ?? ASKING.retriesMax;
    if (failed === undefined || route === undefined || this.tried.length >= most) return false;
    if (route.upstreams.every((each) => each === failed || this.tried.includes(each))) return false;
    if (this.balanced?.takeRetry() === false) return false;
    this.retriedFresh = false;
    this.obtainAnother(failed, route);
    return true;
  }

  /** Another upstream answers in place of one whose answer the route does not want. */
  private isReplaced(balanced: BalancedRequest, status: number): boolean {
    balanced.headed(status);
    if (!balanced.replaces(status) || this.interims > 0) return false;
    this.answerBegan = false;
    if (this.mayAskAnother(this.upstream)) return true;
    this.answerBegan = true;
    return false;
  }

  // A second try at the same time ---------------------------------------------------------------------------

  get mayHedge(): boolean {
    const isUntouched = !this.answerBegan && this.sent.bodyBytes === 0;
    return isUntouched && this.requestDone && IDEMPOTENT.has(this.method);
  }

  hedgeAnswered(buffer: Buffer, from: number, to: number): void {
    if (this.answerBegan) this.balanced?.dropHedge();
    else if (this.promoteHedge()) this.upstreamBytes(buffer, from, to);
  }

  hedgeLost(): void {
    this.balanced?.hedgeLost();
  }

  /** The second try takes the place of the first one. */
  private promoteHedge(): boolean {
    const { balanced, upstream, socket } = this;
    const hedge = balanced?.hedge;
    if (balanced === undefined || hedge === undefined || this.answerBegan) return false;
    const taken = hedge.give();
    if (taken === undefined) return false;
    balanced.adopt(hedge);
    if (upstream !== undefined) upstream.requests--;
    upstream?.drop(this, socket);
    taken.user = this;
    this.socket = taken;
    this.upstream = hedge.upstream;
    this.phase = taken.connected ? PHASE.head : PHASE.connecting;
    this.sinceMs = this.plane.coarseMs;
    this.chosen(hedge.upstream);
    return true;
  }

  /** Of what waits for the upstream; `horizonMs` is now minus the sweep's grain. */
  sweep(horizonMs: number): void {
    const { route } = this;
    if (route === undefined) return;
    const isOfEvents = this.isLasting && this.method === 'GET';
    if (this.phase === PHASE.body && isOfEvents && this.plane.endsStreams) {
      this.giveUp(502, 'The gateway leaves, which ends streams of events');
      return;
    }
    const waitedMs = horizonMs - this.sinceMs;
    const { limits } = route;
    if (this.phase === PHASE.connecting) {
      // In the queue, which has a time-out of its own.
      if (this.upstream === undefined) return;
      if (waitedMs < limits.connectTimeoutMs) return;
      this.connectTimedOut = true;
      this.connectFailed();
    } else if (this.phase === PHASE.head || this.phase === PHASE.body) {
      const waits = this.phase === PHASE.head && this.requestDone;
      if (waitedMs < (waits ? limits.responseTimeoutMs : limits.idleTimeoutMs)) return;
      this.balanced?.failed();
      this.giveUp(504, 'The upstream stood still for too long');
    }
  }
}
