/** One message to the keeper of some buckets of a rate limit, and its answer. Said twice, somebody has less, never more. */
import { HeadFields } from '../cache/cache.ts';
import type { ResponseHead } from '../http/head.ts';
import { RATE } from './limits.ts';
import { PeerNotice } from './peer-notice.ts';
import type { Plane } from './plane.ts';
import type { RateReport } from './rate-account.ts';
import { RATE_FIELD, RATE_METHOD, readAnswers, reportsLine } from './rate-question.ts';
import type { Sharer } from './sharing.ts';

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

export class RateNotice extends PeerNotice {
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
    this.say(keeper.route(times), `${line}${reportsLine(reports)}\r\n`);
  }

  protected answerHead(head: ResponseHead, _bytes: Buffer, from: number, to: number): void {
    const said = new HeadFields(head).get(RATE_FIELD);
    const isHeard = this.wasHeard(head, from, to);
    if (this.#ends()) this.#hearer.heard(isHeard ? readAnswers(said) : undefined);
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
