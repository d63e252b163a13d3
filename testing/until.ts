/** Waiting without sleeping: for a condition, with a deadline and words for when it does not come. */
import { setTimeout as pause } from 'node:timers/promises';

const WITHIN_MS = 15_000;
const FIRST_PAUSE_MS = 10;
const PAUSE_MS_MAX = 150;

/**
 * Polls until `condition` returns something truthy, and returns that. A throw counts as "not yet" and is the cause
 * of the final error: `Waited 15 s in vain for two healthy instances`.
 */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
  options: { readonly withinMs?: number; readonly pauseMsMax?: number } = {},
): Promise<Exclude<T, false | 0 | '' | null | undefined>> {
  const { withinMs = WITHIN_MS, pauseMsMax = PAUSE_MS_MAX } = options;
  const deadline = performance.now() + withinMs;
  let last: unknown;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 1.5, pauseMsMax)) {
    try {
      const value = await condition();
      if (value) return value as Exclude<T, false | 0 | '' | null | undefined>;
      last = value;
    } catch (error) {
      last = error;
    }
    if (performance.now() >= deadline) break;
    await pause(pauseMs);
  }
  const seen = last instanceof Error ? last.message : JSON.stringify(last);
  throw new Error(`Waited ${withinMs / 1000} s in vain for ${what}; last seen: ${seen}`, {
    cause: last,
  });
}
