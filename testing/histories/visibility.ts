/** Rules about what a read may show of independent writes, each of its own row. Pure; each gives a sentence for every breach. */

export interface Write {
  readonly id: number;
  readonly process: number;
  readonly began: number;
  readonly ended: number;
}

export interface Sight {
  readonly began: number;
  readonly seen: ReadonlySet<number>;
}

/** A write that began after another one had ended is never seen without it. Only acknowledged writes count. */
export function checkComments(
  writes: readonly Write[],
  sights: readonly Sight[],
): readonly string[] {
  return breaches(writes, sights, (earlier, later) => earlier.ended < later.began);
}

/** The writes of one process appear in its order. */
export function checkSequential(
  writes: readonly Write[],
  sights: readonly Sight[],
): readonly string[] {
  const processes = new Set(writes.map(({ process }) => process));
  return [...processes].flatMap((one) =>
    breaches(
      writes.filter(({ process }) => process === one),
      sights,
      (earlier, later) => earlier.began < later.began,
    ),
  );
}

/** What was acknowledged before a read began is in it: the promise of `strong` alone. */
export function checkFresh(writes: readonly Write[], sights: readonly Sight[]): readonly string[] {
  return sights.flatMap(({ began, seen }) =>
    writes
      .filter(({ id, ended }) => ended < began && !seen.has(id))
      .map(({ id }) => `A read that began at ${began} misses write ${id}, which had ended`),
  );
}

/** Counters that only grow, read together: of any two reads one is nowhere behind the other. */
export function checkLongFork(reads: readonly (readonly number[])[]): readonly string[] {
  const sorted = reads.toSorted((a, b) => sum(a) - sum(b));
  return sorted.flatMap((later, at) => {
    const earlier = sorted[at - 1];
    if (earlier === undefined || later.every((value, key) => value >= (earlier[key] ?? 0)))
      return [];
    return [`One read shows ${earlier.join(' ')}, another ${later.join(' ')}`];
  });
}

/** Transfers never change the sum, and no account is counted twice or not at all. */
export function checkBank(reads: readonly (readonly number[])[], total: number): readonly string[] {
  return reads
    .filter((read) => sum(read) !== total)
    .map((read) => `The accounts hold ${read.join(' + ')} = ${sum(read)}, want ${total}`);
}

function breaches(
  writes: readonly Write[],
  sights: readonly Sight[],
  isBefore: (earlier: Write, later: Write) => boolean,
): readonly string[] {
  return sights.flatMap(({ seen }) => {
    // If any write is proof that another one is missing, the one that began last is.
    let later: Write | undefined;
    for (const one of writes) {
      if (seen.has(one.id) && one.began > (later?.began ?? -Infinity)) later = one;
    }
    return writes.flatMap((earlier) => {
      if (later === undefined || seen.has(earlier.id) || !isBefore(earlier, later)) return [];
      return [`A read shows write ${later.id} and not write ${earlier.id}, which came before it`];
    });
  });
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
