/**
 * The rate limit of a route over all processes that share it. Each key has one bucket, kept by the process that rendezvous hashing
 * says; the others let requests in on account (`rate-account.ts`) and settle a few times a second, many keys in one message. A
 * request waits for the keeper's word only when more than this process's share came since the last one.
 */
import { sha256Hex } from '../base/ids.ts';
import { ownersOf } from './key-owner.ts';
import { RATE } from './limits.ts';
import type { Plane } from './plane.ts';
import { RateAccount, type RateWord } from './rate-account.ts';
import { RATE_KEYS_MAX, RateLimit, type RateVerdict } from './rate-limit.ts';
import { type RateHearer, RateNotice, type RatePlace } from './rate-notice.ts';
import { RATE_BUCKETS_MAX } from './rate-question.ts';
import type { RateConfig } from './site-config.ts';
import type { Sharer } from './sharing.ts';

const NAME_CHARACTERS = 32;
const HIDDEN_WAIT_MS = 1000;

/** What this process knows of the bucket of one key. */
interface Known {
  /** At the keeper: keys are secrets now and then. */
  readonly name: string;
  readonly account: RateAccount;
}

type Then = (verdict: RateVerdict) => void;

export class SharedRate {
  /** The buckets that this process keeps. */
  readonly buckets: RateLimit;
  /** By key; longest unused first. */
  readonly #known = new Map<string, Known>();
  readonly #talks = new Map<Sharer, RateTalk>();

  constructor(config: RateConfig) {
    this.buckets = new RateLimit(config);
  }

  /** Undefined when the keeper has to be heard first: see `wait`. */
  take(key: string, plane: Plane, place: RatePlace): RateVerdict | undefined {
    const nowMs = plane.clock.monotonicMs();
    const { sharing } = plane;
    if (sharing === undefined) return this.buckets.take(key, nowMs);
    const known = this.#of(key, nowMs);
    const keeper = this.keeperOf(known.name, plane);
    if (keeper === undefined) return this.buckets.take(known.name, nowMs);
    const { pace } = this.buckets;
    const word = known.account.take(pace, nowMs, this.#processes(plane));
    if (word.kind === 'allowed') this.#talkTo(keeper, plane, place).tell(known);
    return verdictOf(word);
  }

  /** Calls back when the keeper has said enough, or has been silent for too long. */
  wait(key: string, on: { plane: Plane; place: RatePlace; decided: Then }): void {
    const { plane, place, decided } = on;
    const nowMs = plane.clock.monotonicMs();
    const known = this.#of(key, nowMs);
    const ask = (): void => {
      const keeper = this.keeperOf(known.name, plane);
      if (keeper === undefined) again();
      else if (!this.#talkTo(keeper, plane, place).ask(known, again)) guess();
    };
    const guess = (): void => decided(this.#guess(known, plane));
    const again = (): void => {
      const verdict = this.take(key, plane, place);
      const isLate = plane.clock.monotonicMs() - nowMs >= RATE.holdMs;
      if (verdict !== undefined) decided(verdict);
      else if (isLate) guess();
      else ask();
    };
    ask();
  }

  /** Undefined: this process itself. */
  keeperOf(name: string, { sharing }: Plane): Sharer | undefined {
    if (sharing === undefined) return undefined;
    const { self } = sharing;
    const isNear = ({ node }: Sharer): boolean => node === self.node;
    const isAll = this.buckets.config.scope === 'cluster';
    const { cluster } = ownersOf(name, sharing.members, {
      region: self.region,
      isUsable: (member) => member.isUsable && (isAll || isNear(member)),
    });
    return cluster === self ? undefined : cluster;
  }

  talkEnded(talk: RateTalk): void {
    this.#talks.delete(talk.keeper);
  }

  /** Tells the keepers of now what the one of before has not heard of. */
  settleAnew(due: Iterable<Known>, plane: Plane, place: RatePlace): void {
    const nowMs = plane.clock.monotonicMs();
    for (const known of due) {
      const { name, account } = known;
      const keeper = this.keeperOf(name, plane);
      if (keeper !== undefined) this.#talkTo(keeper, plane, place).tell(known);
      else {
        const fullMs = this.buckets.charge(name, account.report(nowMs), nowMs);
        account.answered(this.buckets.pace, fullMs, this.spread(plane));
      }
    }
  }

  spread(plane: Plane): { nowMs: number; processes: number } {
    return { nowMs: plane.clock.monotonicMs(), processes: this.#processes(plane) };
  }

  /** After what was known was of no use. */
  #guess(known: Known, plane: Plane): RateVerdict {
    const { pace } = this.buckets;
    const on = this.spread(plane);
    known.account.presume(pace, on);
    const verdict = verdictOf(known.account.take(pace, on.nowMs, on.processes));
    return verdict ?? { allowed: false, left: 0, waitMs: HIDDEN_WAIT_MS, fullMs: pace.burstMs };
  }

  #processes({ sharing }: Plane): number {
    if (sharing === undefined) return 1;
    if (this.buckets.config.scope === 'cluster') return sharing.members.length;
    return sharing.members.filter(({ node }) => node === sharing.self.node).length;
  }

  #of(key: string, nowMs: number): Known {
    const found = this.#known.get(key);
    if (found !== undefined) {
      this.#known.delete(key);
      this.#known.set(key, found);
      return found;
    }
    const name = sha256Hex(key).slice(0, NAME_CHARACTERS);
    const account = new RateAccount();
    // It may have kept the bucket itself until now.
    const fullMs = this.buckets.fullMs(name, nowMs);
    if (fullMs > 0) account.answered(this.buckets.pace, fullMs, { nowMs, processes: 1 });
    const made = { name, account };
    if (this.#known.size >= RATE_KEYS_MAX) this.#forgetOne();
    this.#known.set(key, made);
    return made;
  }

  #forgetOne(): void {
    const oldest = this.#known.keys().next();
    if (oldest.done !== true) this.#known.delete(oldest.value);
  }

  #talkTo(keeper: Sharer, plane: Plane, place: RatePlace): RateTalk {
    const found = this.#talks.get(keeper);
    if (found !== undefined) return found;
    const made = new RateTalk(this, { keeper, plane, place });
    this.#talks.set(keeper, made);
    return made;
  }
}

function verdictOf(word: RateWord): RateVerdict | undefined {
  switch (word.kind) {
    case 'allowed':
      return { allowed: true, left: word.left, waitMs: 0, fullMs: word.fullMs };
    case 'denied':
      return { allowed: false, left: 0, waitMs: word.waitMs, fullMs: word.fullMs };
    case 'unknown':
      return undefined;
  }
}

/** With one keeper, for as long as there is something to tell it: one message at a time. */
class RateTalk implements RateHearer {
  readonly keeper: Sharer;
  readonly #rate: SharedRate;
  readonly #plane: Plane;
  readonly #place: RatePlace;
  readonly #due = new Set<Known>();
  /** In the message that is under way. */
  #asked: readonly Known[] = [];
  #waiting: (() => void)[] = [];
  #isUnderWay = false;
  #pause: Disposable | undefined;
  #hold: Disposable | undefined;

  constructor(
    rate: SharedRate,
    on: { readonly keeper: Sharer; readonly plane: Plane; readonly place: RatePlace },
  ) {
    this.#rate = rate;
    this.keeper = on.keeper;
    this.#plane = on.plane;
    this.#place = on.place;
  }

  tell(known: Known): void {
    this.#due.add(known);
    if (!this.#isUnderWay && this.#pause === undefined) this.#next();
  }

  /** `then` is called once, when there is a word, or when it is late; never when false: too many wait. */
  ask(known: Known, then: () => void): boolean {
    if (this.#waiting.length >= RATE.waitingMax) return false;
    this.#waiting.push(then);
    this.#hold ??= this.#plane.clock.after(RATE.holdMs, () => this.#letGo());
    this.#due.add(known);
    if (!this.#isUnderWay) this.#next();
    return true;
  }

  heard(answers: ReadonlyMap<string, number> | undefined): void {
    this.keeper.heard();
    const { pace } = this.#rate.buckets;
    const on = this.#rate.spread(this.#plane);
    for (const { name, account } of this.#asked) {
      const fullMs = answers?.get(name);
      if (fullMs === undefined) account.missed(pace, on);
      else account.answered(pace, fullMs, on);
    }
    this.#goOn();
  }

  /** What it has not heard of, the next one hears. */
  missed(): void {
    this.keeper.missed();
    const on = this.#rate.spread(this.#plane);
    for (const { account } of this.#asked) account.missed(this.#rate.buckets.pace, on);
    for (const known of this.#asked) this.#due.add(known);
    this.#goOn();
  }

  #goOn(): void {
    this.#isUnderWay = false;
    this.#asked = [];
    const isMore = this.#due.size > RATE_BUCKETS_MAX;
    this.#letGo();
    if (this.#isUnderWay) return;
    if (isMore) this.#next();
    else {
      this.#pause = this.#plane.clock.after(RATE.pauseMs, () => {
        this.#pause = undefined;
        if (!this.#isUnderWay) this.#next();
      });
    }
  }

  #letGo(): void {
    this.#hold?.[Symbol.dispose]();
    this.#hold = undefined;
    for (const then of this.#waiting.splice(0)) then();
  }

  #next(): void {
    const { sharing } = this.#plane;
    const isThere = sharing?.members.includes(this.keeper) === true && this.keeper.isUsable;
    if (!isThere) {
      this.#moveOn();
      return;
    }
    const asked = [...this.#due].slice(0, RATE_BUCKETS_MAX);
    if (asked.length === 0) {
      this.#rate.talkEnded(this);
      return;
    }
    for (const known of asked) this.#due.delete(known);
    this.#asked = asked;
    this.#isUnderWay = true;
    const nowMs = this.#plane.clock.monotonicMs();
    const reports = new Map(asked.map(({ name, account }) => [name, account.report(nowMs)]));
    new RateNotice(this.#plane, this).send(this.keeper, this.#place, reports);
  }

  /** To whoever keeps these now; perhaps this process itself. */
  #moveOn(): void {
    this.#rate.talkEnded(this);
    this.#rate.settleAnew(this.#due, this.#plane, this.#place);
    this.#due.clear();
    this.#letGo();
  }
}
