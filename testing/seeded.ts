/** Randomness that a failed test can repeat. */

export interface Seeded {
  /** In [0, 1). */
  next(): number;
  /** Whole, in [0, below). */
  below(below: number): number;
  pick<T>(of: readonly T[]): T;
  chance(probability: number): boolean;
}

/** mulberry32. */
export function seeded(seed: number): Seeded {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  const below = (count: number): number => Math.floor(next() * count);
  return {
    next,
    below,
    pick: (of) => {
      const found = of[below(of.length)];
      if (found === undefined) throw new Error('There is nothing to pick from');
      return found;
    },
    chance: (probability) => next() < probability,
  };
}

/** A seed that nobody chose, to be printed. */
export function randomSeed(): number {
  return 1 + Math.floor(Math.random() * 1_000_000_000);
}
