/** One message to the keeper of some buckets of a rate limit, and its answer. */
import { HeadFields } from '../cache/cache.ts';
import type { ResponseHead } from '../http/head.ts';
import { RATE } from './limits.ts';
import type { Plane } from './plane.ts';
import type { RateReport } from './rate-account.ts';
import { RATE_FIELD, RATE_METHOD, readAnswers, reportsLine } from './rate-question.ts';
import type { Sharer } from './sharing.ts';
import { UpstreamExchange } from './upstream-exchange.ts';

/** A request that leads to the route whose limit it is, at the keeper too. */
export interface RatePlace {
  readonly authority: string;
  readonly path: string;
}

export interface RateHearer {
  /** By the names of buckets: until each is full. Undefined: it did not say. */
  heard(answers: ReadonlyMap<string, number> | undefined): void;
  /** The keeper is not to be reached. */
  missed(): void;
}

export class RateNotice extends UpstreamExchange {
  readonly #hearer: RateHearer;
  #isOver = false;
  #late: Disposable | undefined;

  constructor(plane: Plane, hearer: RateHearer) {
    super(plane);
    this.#hearer = hearer;
  }

  send(keeper: Sharer, place: RatePlace, reports: ReadonlyMap<string, RateReport>): void {
    const line = `${RATE_METHOD} ${place.path} HTTP/1.1\r\nHost: ${place.authority}\r\n`;
    const times = { responseTimeoutMs: RATE.answerTimeoutMs, idleTimeoutMs: RATE.answerTimeoutMs };
    this.#late = this.plane.clock.after(RATE.answerTimeoutMs, () =>
      this.giveUp(504, 'The keeper of a rate limit says nothing'),
    );
    keeper.tried();
    this.ask(keeper.route(times), `${line}${reportsLine(reports)}\r\n`, true);
    this.socket?.out.flush();
  }

  /** It may be said twice: then somebody has less, never more. */
  protected readonly method = 'DELETE';
  protected chosen(): void {}
  protected reached(): void {
    this.socket?.out.flush();
  }

  protected sendEnd(): void {}
  protected interim(): void {}
  protected answerBytes(): void {}
  protected settled(): void {}

  protected switched(): void {
    this.refuseSwitch();
  }

  protected answerHead(head: ResponseHead, _bytes: Buffer, from: number, to: number): void {
    const said = new HeadFields(head).get(RATE_FIELD);
    const isAnswer = head.status === 204;
    if (isAnswer) this.release(from === to);
    else this.leave();
    if (this.#ends()) this.#hearer.heard(isAnswer ? readAnswers(said) : undefined);
  }

  protected answerEnds(): boolean {
    return false;
  }

  protected failed(): void {
    if (this.#ends()) this.#hearer.missed();
  }

  #ends(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    this.#late?.[Symbol.dispose]();
    return true;
  }
}
