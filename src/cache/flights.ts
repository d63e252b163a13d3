/**
 * Coalescing: who goes to the upstream, and who waits for the one that went. Holds no answer: when a flight has landed,
 * those who waited decide anew, with what is on its way into the store among the candidates. Nobody waits for an answer's end, only for
 * its head, and nobody waits long: after two flights a request goes on its own.
 */
import { listOf } from './freshen.ts';
import type { Candidates, Decision, HasEntry } from './decide.ts';
import { REQUEST, type CacheRequest } from './request.ts';
import { varyValues } from './vary.ts';

/** Flights that a request waits for: the second one when the first has shown what the answer depends on. */
export const WAITS_MAX = 2;
/** Requests that wait for one flight; more go on their own. */
export const WAITERS_MAX = 10_000;
/** After an answer that nobody else could use, requests go on their own for so long. */
export const ALONE_MS = 5000;
const ALONE_KEYS_MAX = 10_000;

/**
 * `lead`: go, and say `landed` when the answer's head was settled or there will be none. `wait`: `wake` will be called.
 * `alone`: go, and say nothing.
 */
export type Turn = 'lead' | 'wait' | 'alone';

/** `settled`: decide anew. `failed`: the upstream gave no answer, and asking again at once would not help it. */
export type Landing = 'settled' | 'failed';

export interface Waiter {
  /** Flights that this request has waited for. */
  waits: number;
  /** Others wait for it in their turn: it is woken before those for whom nobody waits. */
  readonly passesOn?: boolean;
  wake(landing: Landing): void;
}

/** What requests must have in common to wait for one flight; undefined for one that nobody can share. */
export function flightOf<S extends HasEntry>(
  request: CacheRequest,
  decision: Decision<S>,
  candidates: Candidates<S>,
): string | undefined {
  const { kind } = decision;
  if (kind !== 'miss' && kind !== 'revalidate') return undefined;
  // These ask for an answer of their own, or will hardly be content with another's.
  const own = REQUEST.noStore | REQUEST.authorization;
  if (request.method !== 'GET' || (request.bits & own) !== 0) return undefined;
  if (decision.why === 'request') return undefined;
  const known = decision.stored?.entry ?? listOf(candidates).at(-1)?.entry;
  const names = known?.varyNames ?? [];
  const ranged = (request.bits & REQUEST.range) !== 0 && kind === 'miss';
  const range = ranged ? `${request.fields.get('range')}\n${request.fields.get('if-range')}` : '';
  return `${request.key}\n${kind}\n${range}\n${varyValues(names, request.fields)}`;
}

export class Flights {
  readonly #waiting = new Map<string, Set<Waiter>>();
  /** Of flights that have landed: those who are woken in a moment. */
  readonly #waking = new Map<string, Set<Waiter>>();
  /** Keys whose last answer was of use to its own request only, and until when that is believed. */
  readonly #alone = new Map<string, number>();

  get size(): number {
    return this.#waiting.size;
  }

  enter(flight: string, key: string, waiter: Waiter, nowMs: number): Turn {
    if (this.isAlone(key, nowMs)) return 'alone';
    const waiting = this.#waiting.get(flight);
    if (waiting === undefined) {
      this.#waiting.set(flight, new Set());
      return 'lead';
    }
    if (waiter.waits >= WAITS_MAX || waiting.size >= WAITERS_MAX) return 'alone';
    waiter.waits++;
    waiting.add(waiter);
    return 'wait';
  }

  /** The last answer for the key was of use to its own request only, a moment ago. */
  isAlone(key: string, nowMs: number): boolean {
    const untilMs = this.#alone.get(key);
    if (untilMs === undefined) return false;
    // A clock that was set back must not make this last.
    if (nowMs < untilMs && untilMs - nowMs <= ALONE_MS) return true;
    this.#alone.delete(key);
    return false;
  }

  /** Somebody waits for it, or was not woken yet. */
  isAwaited(flight: string): boolean {
    return sizeOf(this.#waiting.get(flight)) + sizeOf(this.#waking.get(flight)) > 0;
  }

  /** The request is gone, or waits no longer. */
  leave(flight: string, waiter: Waiter): void {
    this.#waiting.get(flight)?.delete(waiter);
    this.#waking.get(flight)?.delete(waiter);
  }

  /**
   * Wakes all that wait; or only those for whom others wait, so that what these have to say is not held up behind a crowd: what is answered
   * wakes the crowd, and is to be called in a moment. `isPassedOn`: the one who led has somebody who waits for it too.
   */
  landed(flight: string, landing: Landing, isPassedOn = false): (() => void) | undefined {
    const crowd = this.#waiting.get(flight) ?? new Set();
    this.#waiting.delete(flight);
    const first = [...crowd].filter((waiter) => waiter.passesOn === true);
    for (const waiter of first) {
      crowd.delete(waiter);
      waiter.wake(landing);
    }
    const isLate = isPassedOn || first.length > 0;
    if (isLate && crowd.size > 0 && !this.#waking.has(flight)) {
      this.#waking.set(flight, crowd);
      return () => this.#wake(flight, crowd, landing);
    }
    this.#wake(flight, crowd, landing);
    return undefined;
  }

  #wake(flight: string, crowd: Set<Waiter>, landing: Landing): void {
    if (this.#waking.get(flight) === crowd) this.#waking.delete(flight);
    for (const waiter of crowd) waiter.wake(landing);
  }

  /** The answer was not to be stored: the next ones need not wait for one another. Call before `landed`. */
  unshared(key: string, nowMs: number): void {
    this.#alone.delete(key);
    this.#alone.set(key, nowMs + ALONE_MS);
    const [oldest] = this.#alone.keys();
    if (this.#alone.size > ALONE_KEYS_MAX && oldest !== undefined) this.#alone.delete(oldest);
  }

  /** The answer is being stored after all. */
  shared(key: string): void {
    this.#alone.delete(key);
  }
}

function sizeOf(waiters: ReadonlySet<Waiter> | undefined): number {
  return waiters?.size ?? 0;
}
