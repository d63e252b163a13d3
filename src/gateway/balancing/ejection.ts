/**
 * Taking an upstream out that fails again and again while others answer. It comes back by one forced request: when that is
 * answered it is in again, and when it fails it is out for twice as long. Being asked by force, it can never be forgotten.
 */
import type { EjectConfig } from './balance-config.ts';

export interface Ejection {
  /** Failures in a row. */
  readonly failures: number;
  /** Ejections that followed one another. */
  readonly times: number;
  /** Monotonic; 0 while it is in. */
  readonly untilMs: number;
  /** When it came back; what happened long before is forgotten. */
  readonly backMs: number;
}

export const NEVER_EJECTED: Ejection = { failures: 0, times: 0, untilMs: 0, backMs: 0 };

/** May one more of so many be taken out? */
export function mayEject(out: number, all: number, shareMax: number): boolean {
  return all > 1 && out < Math.max(1, Math.floor(all * shareMax));
}

/** `allowed`: see `mayEject`. One that is out, and was asked by force, needs no permission to stay out. */
export function afterFailure(
  state: Ejection,
  config: EjectConfig,
  { nowMs, allowed }: { readonly nowMs: number; readonly allowed: boolean },
): Ejection {
  const failures = state.failures + 1;
  // What was under way when it was taken out fails too and says nothing new.
  if (state.untilMs > nowMs) return { ...state, failures };
  const isOut = state.untilMs > 0;
  if (!isOut && (failures < config.failures || !allowed)) return { ...state, failures };
  const isForgotten = !isOut && nowMs - state.backMs > config.timeMsMax;
  const times = isForgotten ? 1 : state.times + 1;
  const timeMs = Math.min(config.timeMsMax, config.timeMs * 2 ** Math.min(30, times - 1));
  return { failures, times, untilMs: nowMs + timeMs, backMs: state.backMs };
}

/** An answer below 500. While the time runs it is one that was under way before, and changes nothing. */
export function afterSuccess(state: Ejection, nowMs: number): Ejection {
  if (state.untilMs > nowMs) return state;
  if (state.untilMs > 0) return { ...state, failures: 0, untilMs: 0, backMs: nowMs };
  return state.failures === 0 ? state : { ...state, failures: 0 };
}
