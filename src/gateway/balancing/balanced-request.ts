/** One request of a route with a balancer: whom it is at, how that went, whether it waits, and its second try. */
import type { HeadChange } from '../forward-head.ts';
import type { Plane } from '../plane.ts';
import type { Upstream } from '../upstream.ts';
import type { Asking, Balancer } from './balancer.ts';
import { textHash } from '../text-hash.ts';
import { Hedge, type HedgeOwner } from './hedge.ts';
import type { Member } from './member.ts';
import { cookieOf, requestKey } from './request-key.ts';
import type { Waiting } from './wait-queue.ts';

const FAILURE_STATUS = 500;
/** An upstream that has too much to do, or one behind it. */
const OVERLOAD_STATUS: readonly number[] = [502, 503, 504];

/** Who sends the request. */
export interface BalancedSender extends Waiting, HedgeOwner {
  /** An answer is awaited and nothing of it came; a second try does no harm. */
  readonly mayHedge: boolean;
}

export class BalancedRequest implements Asking {
  tried: readonly Upstream[] = [];
  readonly key: number;
  readonly token: string | undefined;
  hedge: Hedge | undefined;
  readonly #balancer: Balancer;
  readonly #plane: Plane;
  readonly #sender: BalancedSender;
  readonly #headText: string;
  #member: Member | undefined;
  #isHeld = false;
  #probes = false;
  #startedMs = 0;
  #hedgeTimer: Disposable | undefined;

  constructor(balancer: Balancer, plane: Plane, sender: BalancedSender, headText: string) {
    this.#balancer = balancer;
    this.#plane = plane;
    this.#sender = sender;
    this.#headText = headText;
    const { hash, sticky } = balancer.config;
    this.key = hash === undefined ? 0 : textHash(requestKey(headText, hash));
    this.token = sticky === undefined ? undefined : cookieOf(headText, sticky.cookie);
    balancer.budget.request();
  }

  /** `isNext`: its turn in the queue has come; others must not pass those who wait. */
  choose(tried: readonly Upstream[], isNext: boolean): Upstream | 'full' | undefined {
    const { clock, random } = this.#plane;
    if (!isNext && this.#balancer.waiting > 0) return 'full';
    this.tried = tried;
    const nowMs = clock.monotonicMs();
    const chosen = this.#balancer.choose(this, nowMs, random);
    if (chosen === undefined || chosen === 'full') return chosen;
    this.#probes = chosen.wantsProbe(nowMs);
    if (this.#probes) chosen.isProbed = true;
    this.#hold(chosen, nowMs);
    return chosen.upstream;
  }

  /** Whether another one may be asked at once, and is well. */
  hasFit(tried: readonly Upstream[]): boolean {
    return this.#balancer.hasFit(tried, this.#plane.clock.monotonicMs());
  }

  #hold(member: Member, nowMs: number): void {
    this.#member = member;
    this.#isHeld = true;
    this.#startedMs = nowMs;
  }

  /** It is sent to the same one again, since its connection had died of age. */
  again(): void {
    this.#isHeld = true;
  }

  /** Waits for room; false when too many do. */
  wait(): boolean {
    const { limits } = this.#balancer.config;
    const usual = { queue: 0, queueTimeoutMs: 0 };
    return this.#balancer.queue(this.#plane.clock).join(this.#sender, limits ?? usual);
  }

  /** It is at no upstream any more. */
  left(): void {
    this.#hedgeTimer?.[Symbol.dispose]();
    this.#hedgeTimer = undefined;
    this.dropHedge();
    if (!this.#isHeld) {
      if (this.#balancer.waiting > 0) this.#balancer.queue(this.#plane.clock).leave(this.#sender);
      return;
    }
    this.#isHeld = false;
    this.#endProbe();
    this.#balancer.freed();
  }

  #endProbe(): void {
    if (!this.#probes || this.#member === undefined) return;
    this.#probes = false;
    this.#member.isProbed = false;
  }

  /** The upstream broke off, took no connection or stood still. */
  failed(): void {
    if (this.#member === undefined) return;
    this.#balancer.failed(this.#member, this.#plane.clock.monotonicMs());
    this.#endProbe();
  }

  headed(status: number): void {
    this.dropHedge();
    if (this.#member === undefined) return;
    const nowMs = this.#plane.clock.monotonicMs();
    const latencyMs = nowMs - this.#startedMs;
    if (status < FAILURE_STATUS) {
      this.#balancer.succeeded(this.#member, latencyMs, nowMs);
    } else {
      const isOverload = OVERLOAD_STATUS.includes(status);
      this.#balancer.failed(this.#member, nowMs, isOverload ? undefined : latencyMs);
    }
    this.#endProbe();
  }

  /** How often it may be asked of another upstream; undefined: as usual. */
  get retriesMax(): number | undefined {
    return this.#balancer.config.retries?.attempts;
  }

  /** Another one is asked in place of such an answer. */
  replaces(status: number): boolean {
    return this.#balancer.config.retries?.status?.includes(status) === true;
  }

  /** Takes one from the budget, if the route has one. */
  takeRetry(): boolean {
    const { config, budget } = this.#balancer;
    return config.retries === undefined || budget.take(this.#plane.clock.monotonicMs());
  }

  // A second try --------------------------------------------------------------------------------------------

  armHedge(): void {
    const afterMs = this.#balancer.config.hedge?.afterMs;
    if (afterMs === undefined) return;
    this.#hedgeTimer = this.#plane.clock.after(afterMs, () => this.#startHedge());
  }

  #startHedge(): void {
    const { clock, random } = this.#plane;
    const nowMs = clock.monotonicMs();
    if (this.#member === undefined || !this.#isHeld || !this.#sender.mayHedge) return;
    const tried = [...this.tried, this.#member.upstream];
    const asking = { tried, key: this.key, token: undefined };
    const member = this.#balancer.choose(asking, nowMs, random);
    // One that is not well would not answer sooner.
    if (member === undefined || member === 'full' || !member.isFit(nowMs)) return;
    if (!this.#balancer.budget.take(nowMs)) return;
    const headText = this.#headText;
    const options = { member, headText, nowMs: this.#plane.coarseMs, owner: this.#sender };
    this.hedge = new Hedge(options);
    this.hedge.start();
    this.#balancer.hedges++;
  }

  /** The first one answers. */
  dropHedge(): void {
    this.hedge?.drop();
    this.hedge = undefined;
  }

  hedgeLost(): void {
    const nowMs = this.#plane.clock.monotonicMs();
    if (this.hedge !== undefined) this.#balancer.failed(this.hedge.member, nowMs);
    this.hedge = undefined;
  }

  /** The second try is the request now. The one before has taken at least so long. */
  adopt(hedge: Hedge): void {
    const nowMs = this.#plane.clock.monotonicMs();
    this.#endProbe();
    this.#member?.latency.observe(nowMs - this.#startedMs, nowMs);
    this.hedge = undefined;
    this.#hold(hedge.member, nowMs);
    this.#balancer.freed();
  }

  // The sticky cookie ---------------------------------------------------------------------------------------

  /** Names the upstream in a cookie, unless the client has that one. */
  stickyChange(change: HeadChange | undefined): HeadChange | undefined {
    const { sticky } = this.#balancer.config;
    const token = this.#member?.token;
    if (sticky === undefined || token === undefined || token === this.token) return change;
    const line = `Set-Cookie: ${sticky.cookie}=${token}; Path=/; HttpOnly; SameSite=Lax\r\n`;
    return { drop: change?.drop ?? [], lines: `${change?.lines ?? ''}${line}` };
  }
}
