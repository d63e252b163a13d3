/**
 * Counts requests by route and by URL while somebody wants to know, so that it costs nothing otherwise. Of URLs only the most frequent
 * are kept: from time to time the lesser half is forgotten, and what comes again starts from zero ("lossy counting").
 */
import type { Clock } from '../base/time.ts';
import { CACHE_HITS, CACHE_RESULTS, type CacheResult } from './cache-result.ts';
import type { RegionFlow, TopReport, TopRow } from './gateway-question.ts';
import { flowsSince, merged } from './region-flows.ts';

/** URLs counted at once. */
export const TOP_COUNTED_MAX = 4096;
/** Nobody needs to count for longer. */
export const TOP_DURATION_MS_MAX = 30_000;
/** Rows of an answer. */
export const TOP_ROWS_MAX = 100;
/** A longer URL is cut off. */
const URL_CHARACTERS_MAX = 300;

export interface TopRequest {
  readonly route: string;
  readonly authority: string;
  readonly target: string;
  readonly status: number;
  readonly cache: CacheResult;
  readonly durationMs: number;
  readonly bytesOut: number;
}

type Counts = { -readonly [K in keyof TopRow]: TopRow[K] };

export class TopMeter {
  readonly #routes = new Map<string, Counts>();
  readonly #urls = new Map<string, Counts>();
  /** Counts the same requests for somebody who asked before. */
  readonly #next: TopMeter | undefined;
  #isClosed = false;

  constructor(next?: TopMeter) {
    this.#next = next;
  }

  /** The first that still counts: this one, or one that was asked for before. */
  get open(): TopMeter | undefined {
    return this.#isClosed ? this.#next?.open : this;
  }

  close(): void {
    this.#isClosed = true;
  }

  record(request: TopRequest): void {
    this.#next?.record(request);
    if (this.#isClosed) return;
    const { route, authority, target } = request;
    count(this.#routes, route, request);
    const at = target.indexOf('?');
    const path = at === -1 ? target : target.slice(0, at);
    // A string of its own: a slice would keep the head of a request in memory.
    const url = Buffer.from(`${authority}${path}`.slice(0, URL_CHARACTERS_MAX), 'latin1');
    count(this.#urls, url.toString('latin1'), request);
    if (this.#urls.size > TOP_COUNTED_MAX) forgetHalf(this.#urls);
  }

  report(seconds: number): TopReport {
    return { seconds, routes: most(this.#routes.values()), urls: most(this.#urls.values()) };
  }
}

/** What is shared by those who count at the same time. */
export interface TopPlane {
  readonly clock: Clock;
  top: TopMeter | undefined;
}

/** Counts what comes from now on. Who asks while somebody else counts gets an account of their own. `flows`: as of now, by region. */
export async function measureTop(
  plane: TopPlane,
  durationMs: number,
  flows: () => readonly RegionFlow[],
): Promise<TopReport> {
  const { clock } = plane;
  const sinceMs = clock.monotonicMs();
  const before = flows();
  const meter = new TopMeter(plane.top);
  plane.top = meter;
  await clock.sleep(Math.min(durationMs, TOP_DURATION_MS_MAX));
  meter.close();
  if (plane.top === meter) plane.top = meter.open;
  const regions = flowsSince(before, flows());
  const report = meter.report((clock.monotonicMs() - sinceMs) / 1000);
  return regions.length === 0 ? report : { ...report, regions };
}

/** One report out of those of several processes that counted at the same time. */
export function mergeTop(reports: readonly TopReport[]): TopReport {
  const merge = (lists: readonly (readonly TopRow[])[]): readonly TopRow[] => {
    const rows = new Map<string, Counts>();
    for (const row of lists.flat()) {
      const known = rows.get(row.name);
      if (known === undefined) rows.set(row.name, { ...row });
      else add(known, row);
    }
    return most(rows.values());
  };
  const regions = merged(reports.flatMap(({ regions: flows = [] }) => flows));
  return {
    ...(regions.length === 0 ? {} : { regions }),
    seconds: reports.reduce((longest, { seconds }) => Math.max(longest, seconds), 0),
    routes: merge(reports.map(({ routes }) => routes)),
    urls: merge(reports.map(({ urls }) => urls)),
  };
}

function count(rows: Map<string, Counts>, name: string, request: TopRequest): void {
  let row = rows.get(name);
  if (row === undefined) {
    row = {
      name,
      requests: 0,
      errors5xx: 0,
      hits: 0,
      bytesOut: 0,
      latencySumMs: 0,
      latencyMaxMs: 0,
    };
    rows.set(name, row);
  }
  const { durationMs, bytesOut, status, cache } = request;
  add(row, {
    name,
    requests: 1,
    errors5xx: status >= 500 ? 1 : 0,
    hits: CACHE_HITS.includes(CACHE_RESULTS[cache] ?? '') ? 1 : 0,
    bytesOut,
    latencySumMs: durationMs,
    latencyMaxMs: durationMs,
  });
}

function add(to: Counts, row: TopRow): void {
  to.requests += row.requests;
  to.errors5xx += row.errors5xx;
  to.hits += row.hits;
  to.bytesOut += row.bytesOut;
  to.latencySumMs += row.latencySumMs;
  to.latencyMaxMs = Math.max(to.latencyMaxMs, row.latencyMaxMs);
}

function forgetHalf(rows: Map<string, Counts>): void {
  const sorted = [...rows.values()].toSorted((a, b) => b.requests - a.requests);
  for (const { name } of sorted.slice(TOP_COUNTED_MAX / 2)) rows.delete(name);
}

function most(rows: Iterable<TopRow>): readonly TopRow[] {
  const sorted = [...rows].toSorted((a, b) => b.requests - a.requests);
  return sorted.slice(0, TOP_ROWS_MAX);
}
