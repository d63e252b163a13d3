/**
 * Answers requests on a route with a cache: from what is stored, from what is on its way, or by asking an upstream. One of
 * these serves all requests of a connection in turn.
 */
import {
  behind,
  type Body,
  CACHE_NAME,
  CacheRequest,
  type CacheStatus,
  cacheStatusLine,
  type Candidates,
  type Decision,
  decide,
  type Entry,
  flightOf,
  isBypassed,
  isList,
  isSmall,
  forwardChange,
  HeadFields,
  type Landing,
  settleFailure,
  type Stored,
  type Waiter,
  type Why,
} from '../cache/cache.ts';
import { BODY } from '../http/framing.ts';
import type { RequestHead, ResponseHead } from '../http/head.ts';
import { statusLine } from '../http/status.ts';
import { AnswerBody } from './answer-body.ts';
import { type AnswerNote, noteLines, ttlOf } from './answer-note.ts';
import {
  CacheForward,
  type Delivery,
  type ForwardClient,
  type ForwardOrder,
} from './cache-forward.ts';
import { CACHE_RESULT, resultOf } from './cache-result.ts';
import type { CacheRoom, RouteSettings } from './cache-room.ts';
import { isRead, noteOf, watcherFor } from './cache-watchers.ts';
import { clientFragment, clientScheme } from './client-fragment.ts';
import type { Connection } from './connection.ts';
import { CrowdAnswer } from './crowd-answer.ts';
import { type HeadChange, requestHeadText, together } from './forward-head.ts';
import type { Tier } from './key-owner.ts';
import { keyOf } from './known-keys.ts';
import { ProxyExchange } from './proxy.ts';
import type { Proxy } from './responder.ts';
import type { Route } from './route-table.ts';
import { type Asker, sharedForward } from './shared-forward.ts';
import { StoredAnswer } from './stored-answer.ts';
import { beginStreamed, passInterim } from './streamed-answer.ts';
import type { Upstream } from './upstream.ts';
import type { FailureOptions } from './exchange-phase.ts';

const NO_STORED: Candidates<Stored> = undefined;

/** What a request was decided on. */
interface Decided {
  readonly decision: Decision<Stored>;
  readonly candidates: Candidates<Stored>;
}

export class CachedExchange implements Proxy, ForwardClient, Waiter {
  waits = 0;
  readonly passesOn: boolean = false;
  protected readonly connection: Connection;
  readonly room: CacheRoom;
  protected readonly request: CacheRequest = new CacheRequest();
  private readonly fields: HeadFields;
  private readonly passBody: AnswerBody;
  protected route: Route | undefined;
  protected settings: RouteSettings;
  /** Changes with each request: whoever comes back with an older one comes too late. */
  private turn = 0;
  /** A copy of the request's head, for what comes after a wait. */
  private held: RequestHead | undefined;
  private flight: string | undefined;
  /** Why it waited for another one. */
  private missed: Why | undefined;
  private decision: Decision<Stored> | undefined;
  private forward: CacheForward | undefined;
  private readonly stored: StoredAnswer;
  /** Coarse time of the last step forward. */
  private sinceMs = 0;

  constructor(connection: Connection, room: CacheRoom, route: Route) {
    this.connection = connection;
    this.room = room;
    this.settings = room.settingsFor(route);
    this.fields = new HeadFields(connection.plane.requestHead);
    this.passBody = new AnswerBody(connection.out);
    this.stored = new StoredAnswer(connection, () => this.over());
  }

  begin(head: RequestHead, route: Route): void {
    const { connection, room, request } = this;
    const { requestFraming: framing, target } = connection.plane;
    if (this.route !== route) this.settings = room.settingsFor(route);
    this.route = route;
    this.turn++;
    this.waits = 0;
    this.held = undefined;
    this.missed = undefined;
    this.sinceMs = connection.plane.coarseMs;
    this.fields.scanner = head;
    const key = keyOf(target, {
      rules: this.settings,
      scheme: clientScheme(connection),
      authority: target.authority === '' ? connection.localAuthority : target.authority,
    });
    const hasBody = framing.kind === BODY.chunked || framing.length > 0;
    // Of what Connection names the origin sees nothing, so nobody else's answer may hang on it either (RFC 9110 7.6.1).
    const fields = this.fields.without(framing.names);
    request.read({ method: connection.request.method, key, fields, hasBody });
    const goesAround = hasBody || !isRead(request.method) || isBypassed(fields, this.settings);
    if (framing.upgrade || goesAround) {
      this.goAround(head, route, decide(request, NO_STORED, 0, this.settings));
      return;
    }
    connection.answerBy(this);
    this.look(head, route);
  }

  /** The request in the plane's scratch objects, with what is stored for it. */
  private look(head: RequestHead, route: Route): void {
    const { room, request } = this;
    const found = room.cache.find(request.key);
    if (!(found instanceof Promise)) {
      if (!this.answerReady(found)) this.decideOn(head, route, found);
      return;
    }
    const { turn } = this;
    this.hold(head);
    // It never rejects: what a disk cannot read is not there.
    void found.then((candidates) => {
      const { held } = this;
      if (turn !== this.turn || held === undefined) return;
      this.readAgain(held);
      this.decideOn(held, route, candidates);
      this.connection.out.flush();
    });
  }

  /** What was answered a moment ago is answered again, as it was. */
  protected answerReady(found: Candidates<Stored>): boolean {
    const { room, request, connection } = this;
    if (found === undefined || isList(found) || !request.isPlain || !connection.plain) return false;
    const text = room.ready.find(found, room.nowMs());
    if (text === undefined) return false;
    this.over();
    connection.request.cache = CACHE_RESULT.hit;
    connection.answerPrepared(found.entry.status, text);
    return true;
  }

  private decideOn(head: RequestHead, route: Route, candidates: Candidates<Stored>): void {
    const { room, request } = this;
    const nowMs = room.nowMs();
    const decision = decide(request, candidates, nowMs, this.settings);
    this.decision = decision;
    const { kind, stored } = decision;
    if ((kind === 'hit' || kind === 'stale') && stored !== undefined) {
      if (decision.background) this.refreshBehind(head, route, { decision, candidates });
      const { entry, body } = stored;
      const ttlS = ttlOf(entry, nowMs);
      const { missed } = this;
      const isShared = missed !== undefined && kind === 'hit';
      const status: CacheStatus = isShared
        ? { kind: 'miss', why: missed, ttlS, collapsed: true }
        : { kind, why: decision.why, ttlS };
      if (kind === 'hit' && request.isPlain) {
        if (isShared) this.prepareForCrowd(stored, missed, { nowMs, status });
        else this.prepare(stored, { nowMs, status });
      }
      this.answer(entry, body, { nowMs, status });
      return;
    }
    if (kind === 'unsatisfied') this.answerUnsatisfied(decision);
    else if (kind === 'bypass') this.goAround(head, route, decision);
    else this.enter(head, route, { decision, candidates });
  }

  /** For the next one who asks for the same. */
  protected prepare(stored: Stored, on: AnswerNote): void {
    const { room, request } = this;
    if (!this.connection.plain || !room.ready.wants(stored)) return;
    const parts = noteLines(stored.entry, on, this.name);
    room.ready.add(stored, on.nowMs, () => this.stored.textOf(request, stored, parts));
  }

  /** For the others who waited with it. */
  private prepareForCrowd(stored: Stored, why: Why, on: AnswerNote): void {
    const { room, request, name } = this;
    if (!this.connection.plain || isSmall(stored.body)) return;
    const lines = noteLines(stored.entry, on, name);
    room.crowd = CrowdAnswer.of(stored, { request, name, why }, lines);
  }

  /** As one who waited with it was answered a moment ago. */
  private answerAlike(why: Why | undefined): boolean {
    const { room, request, connection, name } = this;
    const { crowd } = room;
    if (crowd === undefined || why === undefined) return false;
    if (!request.isPlain || !connection.plain || !crowd.fits({ request, name, why })) return false;
    connection.request.cache = CACHE_RESULT.collapsed;
    this.stored.sendAlike(crowd);
    return true;
  }

  // Asking an upstream --------------------------------------------------------------------------------------

  protected enter(head: RequestHead, route: Route, on: Decided): void {
    const { room, request } = this;
    const { flights } = room.cache;
    // Its conditions and ranges are read again when there is an answer; the plane's head is another one's by then.
    if (!request.isPlain) this.hold(head);
    const flight = flightOf(request, on.decision, on.candidates);
    const turn =
      flight === undefined ? 'alone' : flights.enter(flight, request.key, this, room.nowMs());
    if (turn === 'wait') {
      this.flight = flight;
      this.missed ??= on.decision.why;
      this.hold(head);
      return;
    }
    const order = {
      ...this.orderFor(head, route, on),
      times: this.connection.request.timesOfForward(),
      flight: turn === 'lead' ? flight : undefined,
      client: this,
    };
    this.forward = this.forwardFor(head, order);
    this.forward.begin();
  }

  /** To the origin, or to the process that owns the key. */
  private forwardFor(head: RequestHead, order: ForwardOrder): CacheForward {
    const { room } = this;
    const { sharing } = room;
    if (sharing === undefined) return new CacheForward(room, order);
    const { asked, client, connection, settings } = this;
    return sharedForward(room, sharing, {
      order,
      asked,
      client,
      space: settings.space,
      head,
      connection,
    });
  }

  /** Whom upstreams are told of. */
  protected get client(): Asker {
    const { connection } = this;
    const address = connection.shape?.client ?? connection.clientAddress;
    return { address, scheme: clientScheme(connection) };
  }

  /** As what another gateway process asks; a client does not. */
  protected get asked(): Tier | undefined {
    return undefined;
  }

  /** How this cache is called in Cache-Status. */
  protected get name(): string {
    return CACHE_NAME;
  }

  /** There is no answer. */
  protected fails(status: number, error: string, options?: FailureOptions): void {
    this.connection.fail(status, error, options);
  }

  /** RFC 5861 3: the client has its answer, and the store gets a fresh one. */
  private refreshBehind(head: RequestHead, route: Route, on: Decided): void {
    const { room, request } = this;
    const decision = behind(on.decision);
    const flight = flightOf(request, decision, on.candidates);
    if (flight === undefined) return;
    const nobody: Waiter = { waits: 0, wake: () => undefined };
    if (room.cache.flights.enter(flight, request.key, nobody, room.nowMs()) !== 'lead') return;
    const order = this.orderFor(head, route, { decision, candidates: on.candidates });
    this.forwardFor(head, { ...order, flight, client: undefined }).begin();
  }

  private orderFor(
    head: RequestHead,
    route: Route,
    on: Decided,
  ): Omit<ForwardOrder, 'flight' | 'client'> {
    const { connection, request } = this;
    const { requestFraming: framing, target } = connection.plane;
    const fragment = clientFragment(connection, target.authority);
    const about = { framing, target, connection, fragment };
    const textFor = (decision: Decision<Stored>): string =>
      requestHeadText(head, { ...about, change: this.changeFor(decision, route) });
    const headText = textFor(on.decision);
    const { kind } = on.decision;
    const isPlain = kind !== 'revalidate' && kind !== 'complete';
    return {
      ...on,
      settings: this.settings,
      request: request.keep(),
      route,
      headText,
      plainText: isPlain ? headText : textFor({ ...on.decision, kind: 'miss', stored: undefined }),
    };
  }

  /** What is changed about the request on its way to the origin. */
  protected changeFor(decision: Decision<Stored>, route: Route): HeadChange {
    const { shape, request } = this.connection;
    const changed = together(forwardChange(this.request, decision), request.trace?.change);
    return together(changed, shape?.request ?? route.site?.request);
  }

  /** Past the store. What the answer makes untrue is removed from it. */
  protected goAround(head: RequestHead, route: Route, decision: Decision<Stored>): void {
    const { connection, room, request, settings } = this;
    const watcher = watcherFor(decision, { room, connection, request: request.keep(), settings });
    connection.request.cache = CACHE_RESULT.pass;
    connection.proxy ??= new ProxyExchange(connection);
    connection.proxy.begin(head, route, watcher);
  }

  /** What this request waited for has landed. */
  wake(landing: Landing): void {
    const { held, route, connection, room, request, decision } = this;
    this.flight = undefined;
    if (held === undefined || route === undefined) return;
    if (landing === 'settled') {
      if (!this.answerAlike(this.missed)) {
        this.readAgain(held);
        this.look(held, route);
      }
    } else {
      const nowMs = room.nowMs();
      const stored =
        decision === undefined ? undefined : settleFailure(request, decision, nowMs, this.settings);
      if (stored === undefined || decision === undefined) {
        this.fails(502, 'The request that this one waited for got no answer');
      } else {
        this.answerStale(stored, decision, nowMs);
      }
    }
    connection.out.flush();
  }

  private answerStale(stored: Stored, { why }: Decision<Stored>, nowMs: number): void {
    const { entry, body } = stored;
    const ttlS = ttlOf(entry, nowMs);
    this.answer(entry, body, {
      nowMs,
      status: { kind: 'stale', why, ttlS, detail: 'unreachable' },
    });
  }

  private hold(head: RequestHead): void {
    if (head === this.held) return;
    const own = this.connection.plane.newRequestHead();
    const bytes = Buffer.from(head.buffer.subarray(head.start, head.end));
    own.reset(0);
    own.scan(bytes, bytes.length);
    this.held = own;
    this.fields.scanner = own;
  }

  protected readAgain(held: RequestHead): void {
    const { requestFraming, target } = this.connection.plane;
    requestFraming.read(held);
    target.read(held);
    const { shape } = this.connection;
    if (shape !== undefined) shape.site.aim(shape, target);
  }

  // What comes of it ----------------------------------------------------------------------------------------

  chosen(upstream: Upstream): void {
    this.connection.request.upstreamId = upstream.id;
  }

  interim(head: ResponseHead): void {
    passInterim(this.connection, head);
  }

  deliver(delivery: Delivery): void {
    const { entry, body, decision, fwdStatus, isStored, failure, ageLine, isShared } = delivery;
    const nowMs = this.room.nowMs();
    const { why } = decision;
    const kind = failure === undefined ? decision.kind : 'stale';
    const ttlS = isStored ? undefined : ttlOf(entry, nowMs);
    const status = { kind, why, fwdStatus, stored: isStored, ttlS, detail: failure };
    this.answer(entry, body, { nowMs, status, ageLine, isShared });
    this.connection.out.flush();
  }

  pass(head: ResponseHead, detail: string, decision: Decision<Stored>): void {
    const { kind, why } = decision;
    this.connection.request.cache = CACHE_RESULT.pass;
    const note = noteOf(head, { name: this.name, kind, why, fwdStatus: head.status, detail });
    beginStreamed(this.connection, { head, body: this.passBody, requestDone: true }, note);
  }

  passBytes(buffer: Buffer, from: number, to: number): number {
    this.sinceMs = this.connection.plane.coarseMs;
    return this.passBody.feed(buffer, from, to);
  }

  get passDone(): boolean {
    return this.passBody.done;
  }

  passEnds(): boolean {
    return this.passBody.ended();
  }

  passed(): void {
    this.forward = undefined;
    this.over();
    this.connection.answered();
    this.connection.out.flush();
  }

  flushed(): boolean {
    this.connection.out.flush();
    return this.connection.out.blocked;
  }

  forwardFailed(status: number, error: string, options?: FailureOptions): void {
    this.forward = undefined;
    this.over();
    this.fails(status, error, options);
  }

  // Answering -----------------------------------------------------------------------------------------------

  private answer(entry: Entry, body: Body, on: AnswerNote): void {
    const { status, isShared } = on;
    this.connection.request.cache = isShared === true ? CACHE_RESULT.shared : resultOf(status);
    this.stored.send(this.request, { entry, body }, noteLines(entry, on, this.name));
  }

  private answerUnsatisfied({ kind, why }: Decision<Stored>): void {
    const { connection } = this;
    this.over();
    connection.request.cache = CACHE_RESULT.miss;
    const lines = `${connection.plane.dateLine}${cacheStatusLine({ kind, why })}Content-Length: 0\r\n`;
    connection.answerBodyless(504, `${statusLine(504)}\r\n${lines}`);
  }

  /** Nothing of the request is needed any more. */
  protected over(): void {
    this.turn++;
    this.stored.close();
    this.held = undefined;
    this.decision = undefined;
    const { forward } = this;
    this.forward = undefined;
    forward?.readerLeft();
  }

  // The client ----------------------------------------------------------------------------------------------

  readonly holdsBody = false;
  requestBytes(): void {}
  requestEnded(): void {}
  flush(): void {}
  clientEnded(): void {}

  clientDrained(): void {
    this.sinceMs = this.connection.plane.coarseMs;
    this.forward?.resume();
    this.stored.goOn();
  }

  clientClosed(): void {
    const { flight, forward } = this;
    if (flight !== undefined) this.room.cache.flights.leave(flight, this);
    this.flight = undefined;
    this.forward = undefined;
    this.over();
    forward?.clientLeft();
  }

  /** Upstreams are watched by the room; here it is about clients that do not read. */
  sweep(horizonMs: number): void {
    const { connection, route } = this;
    if (route === undefined || !connection.out.blocked) return;
    const sinceMs = Math.max(this.sinceMs, this.stored.sinceMs);
    if (horizonMs - sinceMs < route.limits.idleTimeoutMs) return;
    const { forward } = this;
    this.forward = undefined;
    this.over();
    forward?.clientLeft();
    connection.request.error = 'The client did not read';
    connection.abort();
  }
}
