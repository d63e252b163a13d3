/**
 * The upstreams of one route that has chosen something about them. Says who gets the next request; a new config takes over
 * what is known of those that stay.
 */
import type { Clock } from '../../base/time.ts';
import type { UpstreamConfig } from '../config.ts';
import { DEFAULT_UPSTREAM_WEIGHT } from '../limits.ts';
import type { Upstream } from '../upstream.ts';
import { AgentChecks } from './agent-checks.ts';
import { chooseInTurn, chooseLeast, chooseOfTwo, drawByShare } from './algorithms.ts';
import type { BalanceConfig } from './balance-config.ts';
import { chooseByHash } from './bounded-hash.ts';
import { mayEject } from './ejection.ts';
import { HealthChecks } from './health-checks.ts';
import { Member } from './member.ts';
import { Regions } from './regions.ts';
import { RetryBudget } from './retry-budget.ts';
import { WaitQueue } from './wait-queue.ts';

const HASH_BOUND = 1.25;
/** How many values a hash can have. */
const HASH_VALUES = 0x1_0000_0000;
/** Of a route that hedges and has not said how much. */
const USUAL_BUDGET = { budget: 0.2, perSecond: 10 } as const;

/** What is known of the request that is to be sent. */
export interface Asking {
  readonly tried: readonly Upstream[];
  /** Hashed; 0 when the route does not hash. */
  readonly key: number;
  /** Of its sticky cookie. */
  readonly token: string | undefined;
}

export interface BalancerOptions {
  readonly config: BalanceConfig;
  readonly upstreams: readonly Upstream[];
  readonly configs: readonly UpstreamConfig[];
  /** The gateway's. */
  readonly region: string | undefined;
  /** Of the route's config before. */
  readonly previous: Balancer | undefined;
}

export class Balancer {
  readonly config: BalanceConfig;
  readonly members: readonly Member[];
  readonly budget: RetryBudget;
  /** Second tries at the same time, since the process started. */
  hedges = 0;
  #queue: WaitQueue | undefined;
  readonly regions: Regions<Member> | undefined;
  readonly #hasBackups: boolean;
  readonly #health: HealthChecks | undefined;
  readonly #agents: AgentChecks | undefined;

  constructor({ config, upstreams, configs, region, previous }: BalancerOptions) {
    this.config = config;
    this.members = upstreams.map((upstream, index) => {
      const known = previous?.members.find((one) => one.upstream === upstream);
      const member = known ?? new Member(upstream);
      const { weight = DEFAULT_UPSTREAM_WEIGHT, backup = false } = configs[index] ?? {};
      member.reconfigure({ weight, isBackup: backup }, config);
      return member;
    });
    this.#hasBackups = this.members.some(({ isBackup }) => isBackup);
    this.regions = Regions.of({
      own: region,
      all: this.members,
      configs,
      before: previous === undefined ? undefined : previous.regions,
      useOf: (member, nowMs) =>
        member.isFit(nowMs) && !member.isBackup ? member.use(config) : undefined,
      isProbed: ({ upstream }) => upstream.statesLoad,
    });
    // Who waits is woken by requests of the new config too.
    if (previous !== undefined) this.#queue = previous.#queue;
    this.hedges = previous?.hedges ?? 0;
    if (previous !== undefined && isSame(config, previous.config)) {
      this.budget = previous.budget;
      this.#health = previous.#health;
      this.#agents = previous.#agents;
      return;
    }
    this.budget = new RetryBudget(config.retries ?? USUAL_BUDGET);
    if (config.health !== undefined) this.#health = new HealthChecks(config.health);
    if (config.agent !== undefined) this.#agents = new AgentChecks(config.agent);
  }

  queue(clock: Clock): WaitQueue {
    return (this.#queue ??= new WaitQueue(clock));
  }

  /** `full`: there are some, and none has room. Undefined: nobody is left. */
  choose(asking: Asking, nowMs: number, random: () => number): Member | 'full' | undefined {
    const { config } = this;
    const fit: Member[] = [];
    const unfit: Member[] = [];
    let isFull = false;
    let probe: Member | undefined;
    const sparesBackups = this.#sparesBackups(asking.tried, nowMs);
    for (const member of this.members) {
      if (member.isWithdrawn || asking.tried.includes(member.upstream)) continue;
      const isSpared = sparesBackups && member.isBackup;
      if (!member.hasRoom(config)) {
        isFull ||= !isSpared && member.isFit(nowMs);
        continue;
      }
      if (asking.token === member.token && member.isFit(nowMs)) return member;
      if (member.isDraining || isSpared) continue;
      if (member.wantsProbe(nowMs)) probe = member;
      member.weigh(nowMs, config.slowStartMs);
      (member.isFit(nowMs) ? fit : unfit).push(member);
    }
    if (probe !== undefined) return probe;
    if (fit.length > 0)
      return this.#pick(this.#near(fit, asking, nowMs, random), asking, nowMs, random);
    if (isFull) return 'full';
    // A wrong suspicion must not starve a route.
    const others = unfit.filter(({ isBackup }) => !isBackup);
    return this.#pick(others.length > 0 ? others : unfit, asking, nowMs, random);
  }

  /** Whether one that was not tried is well, and takes a request at once. */
  hasFit(tried: readonly Upstream[], nowMs: number): boolean {
    if (this.waiting > 0) return false;
    const sparesBackups = this.#sparesBackups(tried, nowMs);
    return this.members.some(
      (member) =>
        !(sparesBackups && member.isBackup) &&
        !tried.includes(member.upstream) &&
        !member.isWithdrawn &&
        !member.isDraining &&
        member.isFit(nowMs) &&
        member.hasRoom(this.config),
    );
  }

  /** Whether one that is no backup may be asked, at once or when it has room. */
  #sparesBackups(tried: readonly Upstream[], nowMs: number): boolean {
    return (
      this.#hasBackups &&
      this.members.some(
        (member) =>
          !member.isBackup &&
          !tried.includes(member.upstream) &&
          !member.isWithdrawn &&
          !member.isDraining &&
          member.isFit(nowMs),
      )
    );
  }

  /** A key stays in its region as it stays at its upstream. */
  #near(
    fit: readonly Member[],
    { key }: Asking,
    nowMs: number,
    random: () => number,
  ): readonly Member[] {
    if (this.regions === undefined) return fit;
    const draw = this.config.hash === undefined ? random() : key / HASH_VALUES;
    return this.regions.narrow(fit, nowMs, draw);
  }

  #pick(
    from: readonly Member[],
    { key }: Asking,
    nowMs: number,
    random: () => number,
  ): Member | undefined {
    switch (this.config.algorithm ?? 'p2c') {
      case 'p2c':
        return from[chooseOfTwo(from, random)];
      case 'least':
        return from[chooseLeast(from, random)];
      case 'round-robin':
        return from[chooseInTurn(from, (member) => member.share / member.weight)];
      case 'weighted':
        return from[chooseInTurn(from, (member) => member.share)];
      case 'random':
        return from[drawByShare(from, random)];
      case 'ewma': {
        const cost = (_choice: unknown, index: number): number => {
          const member = from[index];
          return member?.latency.cost(member.load, member.share, nowMs) ?? Infinity;
        };
        return from[chooseOfTwo(from, random, cost)];
      }
      case 'hash':
        return from[chooseByHash(from, key, this.config.hash?.bound ?? HASH_BOUND)];
    }
  }

  /** A request to `member` has failed; `latencyMs`: of an answer that is no sign of too much load. */
  failed(member: Member, nowMs: number, latencyMs?: number): void {
    const { eject } = this.config;
    // A backup whose time is over is not asked until it is needed: it must not keep the others in.
    const isOut = ({ isBackup, ejection }: Member): boolean =>
      ejection.untilMs > (isBackup ? nowMs : 0);
    const out = this.members.filter(isOut).length;
    const allowed = eject !== undefined && mayEject(out, this.members.length, eject.shareMax);
    member.failed({ nowMs, allowed, latencyMs }, this.config);
  }

  succeeded(member: Member, latencyMs: number, nowMs: number): void {
    member.succeeded(latencyMs, nowMs, this.config);
  }

  /** Room may have been made. */
  freed(): void {
    this.#queue?.wake();
  }

  get waiting(): number {
    return this.#queue?.length ?? 0;
  }

  /** Begins the checks that are due. Limits of agents and other routes' requests make room too. */
  sweep(clock: Clock): void {
    this.#health?.sweep(this.members, clock);
    this.#agents?.sweep(this.members, clock);
    this.freed();
  }
}

function isSame(one: BalanceConfig, other: BalanceConfig): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
