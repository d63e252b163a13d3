/**
 * A request of the cache to an upstream. It belongs to no client: what is stored is read by whoever wants it, the one who asked
 * first too. Only an answer that is not stored goes through to that one alone.
 */
import {
  type CacheRequest,
  type CacheResponse,
  type CacheSettings,
  type Candidates,
  type Decision,
  type Entry,
  type Filling,
  type Body,
  HeadFields,
  type Outcome,
  settle,
  settleFailure,
  type Stored,
  isWorthFinishing,
} from '../cache/cache.ts';
import type { ChunkSink } from '../http/chunked.ts';
import type { ResponseHead } from '../http/head.ts';
import type { CacheRoom } from './cache-room.ts';
import { IncomingBody } from './incoming-body.ts';
import type { RequestTimes } from './request-times.ts';
import type { Route } from './route-table.ts';
import type { Upstream } from './upstream.ts';
import type { FailureOptions } from './exchange-phase.ts';
import { type AskedRoute, UpstreamExchange } from './upstream-exchange.ts';

/** How a request came to its answer. */
export interface Delivery {
  readonly entry: Entry;
  readonly body: Body;
  readonly decision: Decision<Stored>;
  /** Of the upstream's answer. */
  readonly fwdStatus: number | undefined;
  readonly isStored: boolean;
  /** It is served stale, since the upstream failed so. */
  readonly failure?: 'error' | 'unreachable';
  /** What is said instead of the Age of a stored answer: this one just came. */
  readonly ageLine?: string;
  /** Another gateway process had it. */
  readonly isShared?: boolean;
}

/** The client that a forward was begun for. */
export interface ForwardClient {
  /** It is another gateway process, where clients wait. */
  readonly passesOn: boolean;
  chosen(upstream: Upstream): void;
  interim(head: ResponseHead): void;
  deliver(delivery: Delivery): void;
  /** The answer is not stored: it goes through as it comes. Its body follows by `passBytes`, until it is done. */
  pass(head: ResponseHead, why: string, decision: Decision<Stored>): void;
  /** Answers where the body stopped; `passDone` says whether it is complete. */
  passBytes(buffer: Buffer, from: number, to: number): number;
  readonly passDone: boolean;
  /** The upstream closed its side; true when the body ends so. */
  passEnds(): boolean;
  /** The answer that went through is complete. */
  passed(): void;
  /** The end of what came in one event; true when the client does not keep up. */
  flushed(): boolean;
  forwardFailed(status: number, error: string, options?: FailureOptions): void;
}

export interface ForwardOrder {
  readonly request: CacheRequest;
  readonly decision: Decision<Stored>;
  readonly candidates: Candidates<Stored>;
  readonly settings: CacheSettings;
  readonly route: Route;
  readonly headText: string;
  /** The same without conditions and ranges of the cache's own. */
  readonly plainText: string;
  /** Others wait for it to land. */
  readonly flight: string | undefined;
  /** Of the client's request. */
  readonly times?: RequestTimes;
  /** Undefined for what is done behind a client's back. */
  readonly client: ForwardClient | undefined;
  /** Another process owns the key: what is stored here is a copy that goes then. Epoch milliseconds. */
  readonly hotUntilMs?: number | undefined;
}

/** Of a body, which come with its head: more of it would hold up the heads of those who are woken last. */
const FIRST_BYTES_MAX: number = 16 * 1024;
/** Taken for a body whose length is not told. */
const UNKNOWN_BYTES: number = 1024 * 1024;

type Mode = 'head' | 'fill' | 'pass' | 'skip' | 'over';

export class CacheForward extends UpstreamExchange implements ChunkSink {
  protected readonly room: CacheRoom;
  protected readonly order: ForwardOrder;
  protected readonly incoming: IncomingBody = new IncomingBody();
  private decision: Decision<Stored>;
  protected client: ForwardClient | undefined;
  protected mode: Mode = 'head';
  protected filling: Filling | undefined;
  /** The answer's head, while what came with it is looked at. */
  private opening: Omit<Delivery, 'decision'> | undefined;
  private stamp = 0;
  private requestedMs = 0;
  private hasLanded = false;
  private reserved = 0;

  /** It comes out of another gateway process's store. */
  protected get isShared(): boolean {
    return false;
  }

  /** The answer is of no use to others. */
  protected unshared(): void {}

  constructor(room: CacheRoom, order: ForwardOrder) {
    super(room.plane);
    this.room = room;
    this.order = order;
    this.decision = order.decision;
    this.client = order.client;
    this.times = order.times;
  }

  begin(): void {
    this.room.forwards.add(this);
    this.send(this.order.headText);
  }

  /** The client is gone. Goes on only for others, or when nearly all is there. */
  clientLeft(): void {
    this.client = undefined;
    if (this.mode === 'pass' || this.mode === 'skip') {
      this.abandon();
    } else if (this.mode === 'head') {
      const { flight } = this.order;
      if (flight === undefined || !this.room.cache.flights.isAwaited(flight)) this.abandon();
    } else {
      this.readerLeft();
    }
  }

  /** Somebody who read the body has gone. */
  readerLeft(): void {
    const { filling } = this;
    const { flight = '' } = this.order;
    if (this.mode !== 'fill' || filling === undefined || filling.fill.readers > 0) return;
    if (this.room.cache.flights.isAwaited(flight)) return;
    const { entry } = filling.stored;
    if (!isWorthFinishing(entry.length, filling.fill.body.bytes)) this.abandon();
  }

  /** A client that did not keep up does again. */
  resume(): void {
    this.sinceMs = this.plane.coarseMs;
    const socket = this.socket?.socket;
    if (socket?.isPaused() === true) socket.resume();
  }

  // To the upstream -----------------------------------------------------------------------------------------

  protected get method(): string {
    return this.order.request.method;
  }

  protected chosen(upstream: Upstream): void {
    this.client?.chosen(upstream);
  }

  protected reached(): void {
    this.socket?.out.flush();
  }

  protected sendEnd(): void {}

  protected send(headText: string, route: AskedRoute = this.order.route): void {
    const { room } = this;
    this.mode = 'head';
    this.requestedMs = room.nowMs();
    this.stamp = room.cache.stamp(this.requestedMs);
    this.ask(route, headText, true);
    // On a connection that was kept, it can go at once.
    this.socket?.out.flush();
  }

  // The answer ----------------------------------------------------------------------------------------------

  protected interim(head: ResponseHead): void {
    this.client?.interim(head);
  }

  protected switched(): void {
    this.refuseSwitch();
  }

  protected answerHead(head: ResponseHead, bytes: Buffer, from: number, to: number): void {
    const { room, order, decision } = this;
    const response: CacheResponse = {
      status: head.status,
      fields: new HeadFields(head),
      requestedMs: this.requestedMs,
      receivedMs: room.nowMs(),
    };
    this.incoming.start(this.plane.responseFraming);
    const on = { decision, candidates: order.candidates };
    const outcome = settle(order.request, on, response, order.settings);
    this.carryOut(outcome, head);
    if (this.mode === 'over' || this.mode === 'head') return;
    const at = this.open(bytes, from, to);
    if (this.incoming.done) this.complete(at === to);
    else if (at < to) this.answerBytes(bytes, at, to);
  }

  /**
   * Answers those who wait for what is being stored. A little that came with the head is there before they are, so that each is sent
   * both in one write. Answers where the body is left.
   */
  private open(bytes: Buffer, from: number, to: number): number {
    const { opening, filling, incoming } = this;
    if (opening === undefined || filling === undefined) return from;
    this.opening = undefined;
    const isFew = to - from <= FIRST_BYTES_MAX && filling.fill.keeps(to - from);
    try {
      return isFew && !incoming.done ? incoming.feed(bytes, from, to, this) : from;
    } finally {
      const isPassedOn = this.client?.passesOn === true;
      this.deliver(opening);
      this.land('settled', isPassedOn);
    }
  }

  private carryOut(outcome: Outcome<Stored>, head: ResponseHead): void {
    const { room, order } = this;
    const { cache } = room;
    const { key } = order.request;
    const storing = {
      stamp: this.stamp,
      onRoom: () => this.resume(),
      hotUntilMs: order.hotUntilMs,
    };
    switch (outcome.kind) {
      case 'store':
        if (!this.reserve(outcome.entry)) this.passThrough(head, 'busy');
        else this.fillFrom(cache.store(key, outcome, storing), head);
        return;
      case 'join':
        this.fillFrom(cache.join(key, outcome, storing), head);
        return;
      case 'refreshed': {
        cache.update(outcome.updates, storing);
        this.mode = 'skip';
        this.land('settled');
        const { entry, stored } = outcome;
        this.deliver({ entry, body: stored.body, fwdStatus: 304, isStored: false });
        return;
      }
      case 'stale':
        this.deliverStale(outcome.stored, head.status);
        return;
      case 'retry':
        this.leave();
        this.decision = { ...this.decision, kind: 'miss', stored: undefined, fetch: undefined };
        this.send(order.plainText);
        return;
      case 'pass':
        cache.removeVariants(outcome.removes);
        cache.update(outcome.updates, storing);
        this.passThrough(head, outcome.why);
    }
  }

  /** Bodies on their way take memory beside the tiers' own: there is a limit for all together. */
  private reserve({ length }: Entry): boolean {
    const bytes = length < 0 ? UNKNOWN_BYTES : Math.min(length, this.room.fillBytesMax);
    if (this.room.fillBytes + bytes > this.room.fillBytesMax) return false;
    this.room.fillBytes += bytes;
    this.reserved = bytes;
    return true;
  }

  private fillFrom(filling: Filling, head: ResponseHead): void {
    this.filling = filling;
    this.room.refusals.forget(this.order.request.key);
    this.mode = 'fill';
    const { entry, body } = filling.stored;
    const age = new HeadFields(head).get('age');
    const ageLine = age === undefined ? '' : `Age: ${age}\r\n`;
    this.opening = {
      entry,
      body,
      fwdStatus: head.status,
      isStored: true,
      ageLine,
      isShared: this.isShared,
    };
  }

  private passThrough(head: ResponseHead, why: string): void {
    const { flight, request } = this.order;
    const { client, room } = this;
    if (flight !== undefined) room.cache.flights.unshared(request.key, room.nowMs());
    // What a HEAD brings is never stored, and says nothing about what a GET would.
    if (request.method !== 'HEAD') {
      this.unshared();
      room.refusals.add(request.key, { why, status: head.status, time: room.nowMs() });
    }
    this.mode = 'pass';
    if (client === undefined) {
      this.abandon();
      return;
    }
    client.pass(head, why, this.decision);
    this.land('settled');
  }

  private deliverStale(stored: Stored, fwdStatus: number | undefined): void {
    const { entry, body } = stored;
    this.leave();
    const failure = fwdStatus === undefined ? 'unreachable' : 'error';
    this.deliver({ entry, body, fwdStatus, isStored: false, failure });
    this.over('settled');
  }

  private deliver(delivery: Omit<Delivery, 'decision'>): void {
    const { client } = this;
    this.client = undefined;
    client?.deliver({ ...delivery, decision: this.decision });
  }

  protected answerBytes(buffer: Buffer, from: number, to: number): void {
    const { client, incoming } = this;
    if (this.mode === 'pass' && client !== undefined) {
      const end = client.passBytes(buffer, from, to);
      if (client.passDone) this.complete(end === to);
      return;
    }
    const end = incoming.feed(buffer, from, to, this);
    if (incoming.done) this.complete(end === to);
  }

  bodyBytes(buffer: Buffer, from: number, to: number): void {
    this.filling?.fill.append(buffer, from, to);
  }

  protected answerEnds(): boolean {
    const { client } = this;
    const ends =
      this.mode === 'pass' && client !== undefined ? client.passEnds() : this.incoming.ended();
    if (ends) this.complete(false);
    return ends;
  }

  protected settled(): void {
    const slow = this.client?.flushed() === true && this.mode === 'pass';
    if (slow || this.filling?.fill.full === true) this.socket?.socket.pause();
  }

  protected complete(clean: boolean): void {
    const { filling, client, mode } = this;
    this.release(clean);
    this.over('settled');
    if (filling !== undefined) void filling.end();
    if (mode === 'pass') client?.passed();
  }

  // Ends ----------------------------------------------------------------------------------------------------

  protected failed(status: number, error: string, options?: FailureOptions): void {
    const { room, order, decision, filling, client, mode } = this;
    if (filling !== undefined) {
      this.over('settled');
      void filling.fail();
      return;
    }
    const stored =
      mode === 'head'
        ? settleFailure(order.request, decision, room.nowMs(), order.settings)
        : undefined;
    if (stored !== undefined) {
      this.deliverStale(stored, undefined);
      return;
    }
    this.over('failed');
    client?.forwardFailed(status, error, options);
  }

  /** Ends it without an answer; who reads what is on its way sees that it broke off. */
  abandon(): void {
    const { filling } = this;
    this.leave();
    this.over('settled');
    if (filling !== undefined) void filling.fail();
  }

  private over(landing: 'settled' | 'failed'): void {
    this.mode = 'over';
    this.client = undefined;
    this.filling = undefined;
    this.room.forwards.delete(this);
    this.room.fillBytes -= this.reserved;
    this.reserved = 0;
    this.land(landing);
  }

  private land(landing: 'settled' | 'failed', isPassedOn = false): void {
    const { flight } = this.order;
    if (this.hasLanded || flight === undefined) return;
    this.hasLanded = true;
    this.room.landed(flight, landing, isPassedOn);
  }
}
