/**
 * A request of the cache to the process that owns its key, in the origin's place. The owner says at once that it takes the
 * question; when it does not, refuses, or dies, the origin is asked as if there were no owner, also for the rest of a
 * body that broke off.
 */
import { type CacheRequest, forwardChange, HeadFields, REQUEST } from '../cache/cache.ts';
import type { RequestHead, ResponseHead } from '../http/head.ts';
import { CacheForward, type ForwardOrder } from './cache-forward.ts';
import type { CacheRoom } from './cache-room.ts';
import type { Connection } from './connection.ts';
import { checkOwner } from './owner-check.ts';
import type { NoticePlace } from './owner-notice.ts';
import { resumeLines, resumeSkip } from './fill-resume.ts';
import { questionHeadText } from './forward-head.ts';
import type { Tier } from './key-owner.ts';
import { SHARING } from './limits.ts';
import { QUESTION_FIELD, questionLine, readRefusal, REFUSAL_FIELD } from './question.ts';
import type { Sharer, Sharing } from './sharing.ts';
import { type FailureOptions, PHASE } from './exchange-phase.ts';

/** Who wants the answer. */
export interface Asker {
  readonly address: string;
  /** By which he came: part of the key, and what upstreams are told. */
  readonly scheme: 'http' | 'https';
}

export interface SharedOrder {
  readonly order: ForwardOrder;
  /** Begins the keys of the route. */
  readonly space: string;
  /** As what this process was asked itself. */
  readonly asked: Tier | undefined;
  readonly client: Asker;
  readonly head: RequestHead;
  readonly connection: Connection;
}

/** To the owner of the key; to the origin when that is this process, or when the owner would be of no use. */
export function sharedForward(room: CacheRoom, sharing: Sharing, on: SharedOrder): CacheForward {
  const nowMs = room.nowMs();
  const { request } = on.order;
  const { step, isOwner } = sharing.stepFor(request.key, on.asked);
  const order = isOwner ? on.order : { ...on.order, hotUntilMs: nowMs + SHARING.hotMs };
  const purges = step === undefined ? undefined : sharing.purges.mark();
  const isUseless =
    // Only this process knows what a module has made of the request.
    order.route.config.site?.edge !== undefined ||
    (request.bits & REQUEST.noStore) !== 0 ||
    room.cache.flights.isAlone(markOf(request), nowMs);
  if (step === undefined || purges === undefined || isUseless) return new CacheForward(room, order);
  const { connection, client, space } = on;
  const { names } = connection.plane.requestFraming;
  const change = forwardChange(request, order.decision);
  const { authority, target } = connection.request;
  const place = { authority: authority === '' ? connection.localAuthority : authority, target };
  const headText = questionHeadText(on.head, {
    ...place,
    names: [...names, ...change.drop, QUESTION_FIELD],
    lines:
      change.lines +
      questionLine({
        tier: step.tier,
        scheme: client.scheme,
        client: client.address,
        purges,
        space,
      }),
  });
  sharing.counts.asked++;
  return new SharedForward(room, order, { sharing, sharer: step.member, headText, place });
}

/** Answers for those who say who they are may be of no use to others although those for nobody in particular are. */
export function markOf({ key, bits }: CacheRequest): string {
  return (bits & REQUEST.authorization) === 0 ? key : `${key}\nauthorization`;
}

class SharedForward extends CacheForward {
  private readonly sharing: Sharing;
  private readonly sharer: Sharer;
  private readonly question: string;
  private readonly place: NoticePlace;
  /** The owner is asked, not the origin. */
  private isAsking = true;
  /** It has said that it answers. */
  private isAccepted = false;
  private hadIt = false;
  /** Bytes that are there already, of the rest that the origin is asked for. */
  private skip = 0;
  private resumedAt = -1;

  constructor(
    room: CacheRoom,
    order: ForwardOrder,
    on: {
      readonly sharing: Sharing;
      readonly sharer: Sharer;
      readonly headText: string;
      readonly place: NoticePlace;
    },
  ) {
    super(room, order);
    this.sharing = on.sharing;
    this.sharer = on.sharer;
    this.question = on.headText;
    this.place = on.place;
  }

  override begin(): void {
    this.room.forwards.add(this);
    this.sharer.tried();
    const { responseTimeoutMs, idleTimeoutMs } = this.order.route.limits;
    this.send(this.question, this.sharer.route({ responseTimeoutMs, idleTimeoutMs }));
  }

  protected override get isShared(): boolean {
    return this.hadIt;
  }

  protected override unshared(): void {
    if (!this.isAsking) return;
    this.room.cache.flights.unshared(markOf(this.order.request), this.room.nowMs());
  }

  protected override interim(head: ResponseHead): void {
    if (!this.isAsking || this.isAccepted) {
      super.interim(head);
      return;
    }
    if (head.status !== 102) return;
    this.isAccepted = true;
    this.sharer.heard();
  }

  protected override answerHead(head: ResponseHead, bytes: Buffer, from: number, to: number): void {
    if (this.resumedAt >= 0) {
      this.goOn(head, bytes, from, to);
      return;
    }
    if (!this.isAsking) {
      super.answerHead(head, bytes, from, to);
      return;
    }
    const fields = new HeadFields(head);
    const refusal = this.isAccepted ? readRefusal(fields.get(REFUSAL_FIELD)) : 'failed';
    if (refusal === undefined) {
      this.hadIt = /(?:^|, )Moln-(?:Owner|Region); (?:hit|[^,]*collapsed)[^,]*$/.test(
        fields.get('cache-status') ?? '',
      );
      this.sharing.counts.answered++;
      super.answerHead(head, bytes, from, to);
      return;
    }
    this.sharing.counts.refused++;
    if (refusal === 'unshared') this.unshared();
    this.incoming.start(this.plane.responseFraming);
    if (this.incoming.done) this.release(from === to);
    else this.leave();
    if (refusal === 'late') {
      this.isAsking = false;
      super.failed(504, 'The origin did not answer the process that owns the key in time');
    } else this.goDirect();
  }

  protected override failed(status: number, error: string, options?: FailureOptions): void {
    if (this.isAsking && this.mode === 'head') {
      // What the client may wait for an answer is over, whoever was asked.
      if (this.isAccepted && status === 504) {
        super.failed(status, error, options);
        return;
      }
      this.sharer.missed();
      this.sharing.counts.missed++;
      this.goDirect();
      return;
    }
    if (this.isAsking && this.mode === 'fill' && this.askForRest()) return;
    super.failed(status, error, options);
  }

  /** The origin is asked instead, unless readers would see what is on its way break off for that. */
  override upstreamSilent(): void {
    if (!this.isAsking) super.upstreamSilent();
    else if (this.mode === 'head' || this.restLines() !== undefined) {
      this.giveUp(502, 'The process that owns the key is not heard any more');
    }
  }

  override sweep(horizonMs: number): void {
    const { isAsking, isAccepted, phase } = this;
    const silentMs = horizonMs - this.sinceMs;
    if (isAsking && isAccepted && silentMs >= SHARING.silentMs) {
      checkOwner(this.room, { owner: this.sharer, sharing: this.sharing, place: this.place });
    }
    const isLate = !isAccepted && phase === PHASE.head && silentMs >= SHARING.acceptTimeoutMs;
    if (isAsking && isLate) this.giveUp(504, 'The process that owns the key says nothing');
    else super.sweep(horizonMs);
  }

  private goDirect(): void {
    this.isAsking = false;
    this.send(this.order.headText);
  }

  /** By which the origin is asked for what is not there of a body; undefined when that cannot be done. */
  private restLines(): string | undefined {
    const { filling, order } = this;
    if (filling === undefined || (order.request.bits & REQUEST.range) !== 0) return undefined;
    return resumeLines(filling.stored.entry, filling.fill.body.bytes);
  }

  /** The owner is gone in the middle of a body. */
  private askForRest(): boolean {
    const { filling, order } = this;
    const lines = this.restLines();
    if (filling === undefined || lines === undefined) return false;
    const { fill } = filling;
    this.isAsking = false;
    this.sharing.counts.missed++;
    this.resumedAt = fill.body.bytes;
    this.ask(order.route, `${order.plainText.slice(0, -2)}${lines}\r\n`, true);
    this.socket?.out.flush();
    return true;
  }

  private goOn(head: ResponseHead, bytes: Buffer, from: number, to: number): void {
    const { filling } = this;
    const skip =
      filling === undefined ? undefined : resumeSkip(filling.stored.entry, this.resumedAt, head);
    if (skip === undefined) {
      this.abandon();
      return;
    }
    this.skip = skip;
    this.incoming.start(this.plane.responseFraming);
    if (this.incoming.done) this.complete(from === to);
    else if (from < to) this.answerBytes(bytes, from, to);
  }

  override bodyBytes(buffer: Buffer, from: number, to: number): void {
    const skipped = Math.min(this.skip, to - from);
    this.skip -= skipped;
    if (from + skipped < to) super.bodyBytes(buffer, from + skipped, to);
  }
}
