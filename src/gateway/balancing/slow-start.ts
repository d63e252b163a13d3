/** One that joins or comes back starts with a tenth of its weight and gets all of it over a time: caches are cold, code is not compiled yet. */

const FIRST_SHARE = 0.1;

/** 0.1 to 1. `sinceMs`: how long it has been in. */
export function slowStartShare(sinceMs: number, slowStartMs: number | undefined): number {
  if (slowStartMs === undefined || sinceMs >= slowStartMs) return 1;
  return Math.max(FIRST_SHARE, sinceMs / slowStartMs);
}
