/**
 * Which upstream gets the next request: power of two choices by what is under way, past those that failed lately. Where some are on this
 * machine and others on other nodes, one here is asked unless one elsewhere has far less to do: the way there costs both machines a
 * gateway's work and TLS, which for a small answer is more than the answer.
 */

/** What choosing needs to know of an upstream. */
export interface Candidate {
  /** Requests and upgraded connections under way. */
  readonly load: number;
  /** Monotonic milliseconds until which it is passed over because connecting failed; 0 when it is fine. */
  readonly downUntilMs: number;
  /** How busy it is or the machine it is on, 0 to 1, as far as it is known. */
  readonly busy?: number;
  /** On another node, by way of its gateway. */
  readonly isFar?: boolean;
}

/** One on another node has to have so many times less under way. Two mean little: each gateway knows of its own requests alone. */
const FAR_COST = 4;
/** From that on more and more go there, and all at this many times more. */
const FAR_SPREAD = 3;

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
  if (from.length === 1) return from[0] ?? -1;
  const near = from.filter((index) => candidates[index]?.isFar !== true);
  if (near.length > 0 && near.length < from.length) {
    const far = from.filter((index) => candidates[index]?.isFar === true);
    const here = better(candidates, near, random);
    const there = better(candidates, far, random);
    return isWorthTheWay(candidates[there], candidates[here], random) ? there : here;
  }
  return better(candidates, from, random);
}

/** The better one of two that are drawn; of one that one. */
function better(
  candidates: readonly Candidate[],
  from: readonly number[],
  random: () => number,
): number {
  const first = Math.floor(random() * from.length);
  if (from.length === 1) return from[0] ?? -1;
  // The second is another one, each with equal chance.
  const second = (first + 1 + Math.floor(random() * (from.length - 1))) % from.length;
  const a = from[first] ?? -1;
  const b = from[second] ?? -1;
  return isBetter(candidates[b], candidates[a], random) ? b : a;
}

/**
 * Those to choose from where some are backups: while one of the others is fine and not excluded, the others; then the backups that are.
 * Where nobody is fine, those that are left of the others come before the backups too.
 */
export function standing<T extends Candidate>(
  candidates: readonly T[],
  backups: ReadonlySet<T>,
  excluded: readonly T[],
  nowMs: number,
): readonly T[] {
  const left = candidates.filter((one) => !excluded.includes(one));
  const fine = left.filter((one) => one.downUntilMs <= nowMs);
  const from = fine.length > 0 ? fine : left;
  const others = from.filter((one) => !backups.has(one));
  return others.length > 0 ? others : from;
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
 * What a busy machine would have to do once more counts for more, so that where all are as busy hardly anything moves: what is under way
 * there for its own gateway is not known here, and is as much as here when all have as little left. The nearer the two come, the fewer go:
 * what is known of other machines is a second old, and all gateways know the same.
 */
function isWorthTheWay(
  far: Candidate | undefined,
  near: Candidate | undefined,
  random: () => number,
): boolean {
  const farCost = (FAR_COST * ((far?.load ?? 0) + 1)) / leftOf(far) ** 3;
  const nearCost = ((near?.load ?? 0) + 1) / leftOf(near);
  return random() < (nearCost / farCost - 1) / FAR_SPREAD;
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
