/** Which upstream gets the next request: power of two choices by what is under way, past those that failed lately. */

/** What choosing needs to know of an upstream. */
export interface Candidate {
  /** Requests and upgraded connections under way. */
  readonly load: number;
  /** Monotonic milliseconds until which it is passed over because connecting failed; 0 when it is fine. */
  readonly downUntilMs: number;
  /** How busy it is or the machine it is on, 0 to 1, as far as it is known. */
  readonly busy?: number;
}

/**
 * Index of the chosen one, or -1 when all are excluded. `random` gives numbers in 0..1. When every candidate is
 * down, they are tried all the same: a wrong suspicion must not starve a route.
 */
export function chooseUpstream(
  candidates: readonly Candidate[],
  excluded: readonly Candidate[],
  nowMs: number,
  random: () => number,
): number {
  if (candidates.length === 1) {
    const only = candidates[0];
    return only === undefined || excluded.includes(only) ? -1 : 0;
  }
  const usable = indexes(candidates, (one) => !excluded.includes(one));
  const healthy = usable.filter((index) => (candidates[index]?.downUntilMs ?? 0) <= nowMs);
  const from = healthy.length > 0 ? healthy : usable;
  if (from.length === 0) return -1;
  const first = Math.floor(random() * from.length);
  if (from.length === 1) return from[0] ?? -1;
  // The second is another one, each with equal chance.
  const second = (first + 1 + Math.floor(random() * (from.length - 1))) % from.length;
  const a = from[first] ?? -1;
  const b = from[second] ?? -1;
  return isBetter(candidates[b], candidates[a], random) ? b : a;
}

/** Whether one that is not excluded is fine. */
export function hasFit(
  candidates: readonly Candidate[],
  excluded: readonly Candidate[],
  nowMs: number,
): boolean {
  return candidates.some((one) => one.downUntilMs <= nowMs && !excluded.includes(one));
}

/**
 * By what is under way, as long as the machines are as busy; else an instance counts for what its machine has left. Of two
 * with as much under way both get their share: a machine that was quieter a second ago is not to get everything.
 */
function isBetter(
  one: Candidate | undefined,
  other: Candidate | undefined,
  random: () => number,
): boolean {
  const [load, otherLoad] = [one?.load ?? 0, other?.load ?? 0];
  const [left, otherLeft] = [leftOf(one), leftOf(other)];
  if (left === otherLeft) return load < otherLoad;
  if (load === otherLoad) return random() * (left + otherLeft) < left;
  return (load + 1) / left < (otherLoad + 1) / otherLeft;
}

/** Never nothing: what is known of other machines is a second old. */
function leftOf(one: Candidate | undefined): number {
  return 1 - 0.8 * (one?.busy ?? 0);
}

function indexes(candidates: readonly Candidate[], accepts: (one: Candidate) => boolean): number[] {
  const found: number[] = [];
  candidates.forEach((one, index) => {
    if (accepts(one)) found.push(index);
  });
  return found;
}

/** A small generator (xorshift32) for choosing; not for secrets. `seed` is any number but 0. */
export function createRandom(seed: number): () => number {
  let state = seed | 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 0x1_0000_0000;
  };
}
