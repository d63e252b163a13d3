/** One upstream as a route's balancer sees it: what checks, answers and its agent have said, and what follows from it. */
import { createHash } from 'node:crypto';
import { DEFAULT_UPSTREAM_WEIGHT } from '../limits.ts';
import type { Upstream } from '../upstream.ts';
import { type AdaptiveLimit, afterAnswer, firstLimit } from './adaptive-limit.ts';
import { type AgentWord, NOTHING_SAID } from './agent-line.ts';
import type { Choice, Turn } from './algorithms.ts';
import type { BalanceConfig, HealthConfig } from './balance-config.ts';
import { textHash } from '../text-hash.ts';
import { afterFailure, afterSuccess, type Ejection, NEVER_EJECTED } from './ejection.ts';
import { afterCheck, type Health, UNCHECKED } from './health.ts';
import { PeakEwma } from './peak-ewma.ts';
import { slowStartShare } from './slow-start.ts';

/** Of an adaptive limit for which none was said. */
const ADAPTIVE_MOST = 1000;
const TOKEN_CHARACTERS = 16;

export class Member implements Choice, Turn {
  readonly upstream: Upstream;
  /** Of its id: the same in all processes and on all nodes. */
  readonly hash: number;
  /** What the sticky cookie says; nobody learns an address from it. */
  readonly token: string;
  readonly latency: PeakEwma = new PeakEwma();
  /** Configured. */
  weight: number = DEFAULT_UPSTREAM_WEIGHT;
  /** Configured: asked in place of the others alone. */
  isBackup = false;
  /** As of the last `weigh`. */
  share = 1;
  turn = 0;
  ejection: Ejection = NEVER_EJECTED;
  health: Health = UNCHECKED;
  agent: AgentWord = NOTHING_SAID;
  /** Under a forced request. */
  isProbed = false;
  #inSinceMs: number | undefined;
  #adaptive: AdaptiveLimit | undefined;

  constructor(upstream: Upstream) {
    this.upstream = upstream;
    this.hash = textHash(upstream.id);
    this.token = createHash('sha256').update(upstream.id).digest('hex').slice(0, TOKEN_CHARACTERS);
  }

  get load(): number {
    return this.upstream.load;
  }

  /** It has said itself that it wants no requests, or has no weight. Not even in need is it asked. */
  get isWithdrawn(): boolean {
    return this.agent.admin === 'maint' || this.baseWeight <= 0;
  }

  /** Only those that stick to it. */
  get isDraining(): boolean {
    return this.agent.admin === 'drain';
  }

  private get baseWeight(): number {
    return (this.agent.weight ?? this.weight) * this.agent.share;
  }

  /** Nothing speaks against it. */
  isFit(nowMs: number): boolean {
    return (
      this.health.isUp &&
      this.agent.isUp &&
      this.ejection.untilMs === 0 &&
      this.upstream.downUntilMs <= nowMs
    );
  }

  /** For the operator: everything that keeps requests from it now. */
  whyOut(nowMs: number): readonly string[] {
    const { agent, health, ejection, upstream } = this;
    return [
      ...(health.isUp ? [] : ['check']),
      ...(agent.isUp ? [] : ['agent']),
      ...(agent.admin === 'ready' ? [] : [agent.admin]),
      ...(ejection.untilMs > 0 ? ['ejected'] : []),
      ...(upstream.downUntilMs > nowMs ? ['connect'] : []),
    ];
  }

  /** Its time out is over and nobody has tried it yet. */
  wantsProbe(nowMs: number): boolean {
    const { untilMs } = this.ejection;
    const isOver = untilMs > 0 && untilMs <= nowMs && this.upstream.downUntilMs <= nowMs;
    return isOver && !this.isProbed && this.health.isUp && this.agent.isUp;
  }

  hasRoom({ limits }: BalanceConfig): boolean {
    const { maxConnections = Infinity } = this.agent;
    const most = limits === undefined ? Infinity : this.limitOf(limits);
    return this.load < Math.min(most, maxConnections);
  }

  private limitOf({ perUpstream, adaptive }: NonNullable<BalanceConfig['limits']>): number {
    if (adaptive !== true) return perUpstream ?? Infinity;
    this.#adaptive ??= firstLimit(perUpstream ?? ADAPTIVE_MOST);
    return Math.min(this.#adaptive.limit, perUpstream ?? ADAPTIVE_MOST);
  }

  /** How much of what it can do is in use, 0 to 1: by its own word, its agent's, or what may be under way. */
  use({ limits }: BalanceConfig): number {
    const most = limits === undefined ? Infinity : this.limitOf(limits);
    const filled = this.load / Math.min(most, this.agent.maxConnections ?? Infinity);
    return Math.min(1, Math.max(this.upstream.busy, 1 - this.agent.share, filled));
  }

  /** Works out its share. */
  weigh(nowMs: number, slowStartMs: number | undefined): void {
    this.#inSinceMs ??= nowMs;
    const started = slowStartShare(nowMs - this.#inSinceMs, slowStartMs);
    this.share = this.baseWeight * started * (1 - 0.8 * this.upstream.busy);
  }

  succeeded(latencyMs: number, nowMs: number, config: BalanceConfig): void {
    this.latency.observe(latencyMs, nowMs);
    this.#adapt(latencyMs, false, config);
    const before = this.ejection;
    this.ejection = afterSuccess(before, nowMs);
    if (before.untilMs > 0 && this.ejection.untilMs === 0) this.#inSinceMs = nowMs;
  }

  /** `allowed`: it may be taken out. `latencyMs`: of an answer that is no sign of too much load. */
  failed(
    failure: {
      readonly nowMs: number;
      readonly allowed: boolean;
      readonly latencyMs: number | undefined;
    },
    config: BalanceConfig,
  ): void {
    const { latencyMs } = failure;
    this.#adapt(latencyMs ?? 0, latencyMs === undefined, config);
    if (config.eject === undefined) return;
    this.ejection = afterFailure(this.ejection, config.eject, failure);
  }

  #adapt(latencyMs: number, isFailure: boolean, { limits }: BalanceConfig): void {
    if (this.#adaptive === undefined || limits?.adaptive !== true) return;
    const answer = { latencyMs, load: this.load, isFailure };
    this.#adaptive = afterAnswer(this.#adaptive, answer, limits.perUpstream ?? ADAPTIVE_MOST);
  }

  checked(isGood: boolean, nowMs: number, health: HealthConfig): void {
    const before = this.health;
    this.health = afterCheck(before, isGood, health);
    if (this.health.isUp && !before.isUp) this.#inSinceMs = nowMs;
  }

  told(word: AgentWord, nowMs: number): void {
    const isBack = word.isUp && word.admin === 'ready';
    const wasBack = this.agent.isUp && this.agent.admin === 'ready';
    this.agent = word;
    if (isBack && !wasBack) this.#inSinceMs = nowMs;
  }

  /** What is no longer configured must not count. */
  reconfigure(
    { weight, isBackup }: { readonly weight: number; readonly isBackup: boolean },
    config: BalanceConfig,
  ): void {
    this.weight = weight;
    this.isBackup = isBackup;
    if (config.health === undefined) this.health = UNCHECKED;
    if (config.agent === undefined) this.agent = NOTHING_SAID;
    if (config.eject === undefined) this.ejection = NEVER_EJECTED;
    if (config.limits?.adaptive !== true) this.#adaptive = undefined;
  }
}
