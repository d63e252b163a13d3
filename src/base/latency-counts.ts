/**
 * How long things took, counted in the buckets of `LATENCY_BUCKETS`: a typed array, so that counting costs a few additions; read out
 * as a sample of a histogram.
 */
import { LATENCY_BUCKETS, type Labels, type MetricSample } from './metrics.ts';

/** As plain data, from process to process. */
export interface LatencyFigures {
  readonly sumMs: number;
  /** Not cumulative; the last one is everything slower than the last bound. */
  readonly counts: readonly number[];
}

export class LatencyCounts {
  sumMs = 0;
  readonly counts: Float64Array = new Float64Array(LATENCY_BUCKETS.length + 1);

  record(ms: number): void {
    this.sumMs += ms;
    const seconds = ms / 1000;
    let bucket = 0;
    while (bucket < LATENCY_BUCKETS.length && seconds > (LATENCY_BUCKETS[bucket] ?? 0)) bucket++;
    this.counts[bucket] = (this.counts[bucket] ?? 0) + 1;
  }

  add(other: LatencyCounts): void {
    this.sumMs += other.sumMs;
    for (const [at, count] of other.counts.entries()) {
      this.counts[at] = (this.counts[at] ?? 0) + count;
    }
  }

  get figures(): LatencyFigures {
    return { sumMs: this.sumMs, counts: [...this.counts] };
  }
}

/** In seconds. */
export function latencySample(
  labels: Labels,
  { sumMs, counts }: { readonly sumMs: number; readonly counts: ArrayLike<number> },
): MetricSample {
  let cumulative = 0;
  const buckets = LATENCY_BUCKETS.map((bound, index): [number, number] => {
    cumulative += counts[index] ?? 0;
    return [bound, cumulative];
  });
  const count = cumulative + (counts[LATENCY_BUCKETS.length] ?? 0);
  return { labels, value: sumMs / 1000, count, buckets };
}
