/** Requests as caches get them: few things that everybody wants, many that hardly anybody does, and now and then a crawler. */
import { seeded } from './seeded.ts';

/** Object numbers from 0 on, drawn by Zipf's law: the n-th is asked for 1/n^skew as often as the first. */
export function zipfTrace(options: {
  readonly objects: number;
  readonly requests: number;
  readonly skew: number;
  readonly seed: number;
}): Uint32Array {
  const { objects, requests, skew, seed } = options;
  const sums = new Float64Array(objects);
  let sum = 0;
  for (let index = 0; index < objects; index++) {
    sum += 1 / (index + 1) ** skew;
    sums[index] = sum;
  }
  const random = seeded(seed);
  return Uint32Array.from({ length: requests }, () => firstAbove(sums, random.next() * sum));
}

function firstAbove(sums: Float64Array, value: number): number {
  let low = 0;
  let high = sums.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sums[middle] ?? 0) > value) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** The trace with a scan over `length` objects that nobody asks for again, every `every` requests. */
export function withScans(
  trace: Uint32Array,
  { every, length }: { readonly every: number; readonly length: number },
): Uint32Array {
  const mixed: number[] = [];
  let unseen = 1_000_000_000;
  trace.forEach((object, index) => {
    mixed.push(object);
    if (index % every !== every - 1) return;
    for (let count = 0; count < length; count++) mixed.push(unseen++);
  });
  return Uint32Array.from(mixed);
}

/** Hits among those requests of the trace that are no scan, with the least recently used going first. */
export function lruHitRatio(trace: Uint32Array, objectsMax: number): number {
  const kept = new Set<number>();
  return hitRatio(trace, (object) => {
    const hit = kept.delete(object);
    kept.add(object);
    if (kept.size > objectsMax) {
      const [oldest = -1] = kept;
      kept.delete(oldest);
    }
    return hit;
  });
}

export function hitRatio(trace: Uint32Array, ask: (object: number) => boolean): number {
  let hits = 0;
  let asked = 0;
  for (const object of trace) {
    const hit = ask(object);
    if (object >= 1_000_000_000) continue;
    asked++;
    if (hit) hits++;
  }
  return hits / asked;
}
