/**
 * What one route has done since the process started. Plain number fields and one typed array, so that counting a
 * request costs a few additions; read out as `RouteTotals` and as metric families.
 */
import { LatencyCounts, latencySample } from '../base/latency-counts.ts';
import type { MetricFamily, MetricSample } from '../base/metrics.ts';
import { CACHE_RESULTS } from './cache-result.ts';
import type { RouteTotals } from './config.ts';

const CLASSES = ['1xx', '2xx', '3xx', '4xx', '5xx'] as const;

export class RouteMeter {
  requests = 0;
  errors5xx = 0;
  errors4xx = 0;
  bytesIn = 0;
  bytesOut = 0;
  /** Asked of a further upstream, after one that took no connection or died. */
  retries = 0;
  /** By `CacheResult`; `none` is not counted. */
  readonly byCache: Float64Array = new Float64Array(CACHE_RESULTS.length);
  /** By status class, 1xx first. */
  readonly byClass: Float64Array = new Float64Array(CLASSES.length);
  readonly latency: LatencyCounts = new LatencyCounts();

  /** Counts one finished request; `latencyMs` from the end of its head to the end of the answer. */
  record(status: number, latencyMs: number, bytesIn: number, bytesOut: number): void {
    this.requests++;
    this.bytesIn += bytesIn;
    this.bytesOut += bytesOut;
    this.latency.record(latencyMs);
    if (status >= 500) this.errors5xx++;
    else if (status >= 400) this.errors4xx++;
    const group = Math.min(4, Math.max(0, Math.floor(status / 100) - 1));
    this.byClass[group] = (this.byClass[group] ?? 0) + 1;
  }

  /** What another one has counted. */
  add(other: RouteMeter): void {
    this.requests += other.requests;
    this.bytesIn += other.bytesIn;
    this.bytesOut += other.bytesOut;
    this.latency.add(other.latency);
    for (const [at, count] of other.byClass.entries()) {
      this.byClass[at] = (this.byClass[at] ?? 0) + count;
    }
  }

  totals(): RouteTotals {
    const { requests, errors5xx, errors4xx, bytesIn, bytesOut } = this;
    const latencySumMs = this.latency.sumMs;
    const cache: Record<string, number> = {};
    for (const [index, name] of CACHE_RESULTS.entries()) {
      const count = this.byCache[index] ?? 0;
      if (count > 0) cache[name] = count;
    }
    const base = { requests, errors5xx, errors4xx, bytesIn, bytesOut, latencySumMs };
    return Object.keys(cache).length === 0 ? base : { ...base, cache };
  }

  requestSamples(route: string): MetricSample[] {
    return CLASSES.flatMap((name, index) => {
      const value = this.byClass[index] ?? 0;
      return value === 0 ? [] : [{ labels: { route, status: name }, value }];
    });
  }
}

/** Routes with labels of their own in one process, those with the most requests; the others are one, `(other)`. */
export const LABELLED_ROUTES_MAX = 500;

/** Bounds what a scrape costs: 15 lines a route for the histogram alone. */
function labelled(
  pairs: Iterable<readonly [id: string, meter: RouteMeter]>,
): readonly (readonly [id: string, meter: RouteMeter])[] {
  const all = [...pairs];
  if (all.length <= LABELLED_ROUTES_MAX) return all;
  const sorted = all.toSorted(([, a], [, b]) => b.requests - a.requests);
  const other = new RouteMeter();
  for (const [, meter] of sorted.slice(LABELLED_ROUTES_MAX)) other.add(meter);
  return [...sorted.slice(0, LABELLED_ROUTES_MAX), ['(other)', other]];
}

/** Families of many routes; `pairs` are route ids and their meters. */
export function routeFamilies(
  pairs: Iterable<readonly [id: string, meter: RouteMeter]>,
): MetricFamily[] {
  const all = labelled(pairs);
  const bytes = (pick: (meter: RouteMeter) => number): MetricSample[] =>
    all.map(([route, meter]) => ({ labels: { route }, value: pick(meter) }));
  return [
    {
      name: 'moln_gateway_requests_total',
      help: 'Finished requests by route and status class',
      type: 'counter',
      samples: all.flatMap(([route, meter]) => meter.requestSamples(route)),
    },
    {
      name: 'moln_gateway_request_seconds',
      help: 'From the end of the request head to the end of the answer',
      type: 'histogram',
      samples: all.map(([route, meter]) => latencySample({ route: route }, meter.latency)),
    },
    {
      name: 'moln_gateway_received_bytes_total',
      help: 'Bytes of request heads and bodies',
      type: 'counter',
      samples: bytes((meter) => meter.bytesIn),
    },
    {
      name: 'moln_gateway_sent_bytes_total',
      help: 'Bytes of answer heads and bodies',
      type: 'counter',
      samples: bytes((meter) => meter.bytesOut),
    },
  ];
}
