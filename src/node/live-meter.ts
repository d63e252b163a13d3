/** Turns the gateways' growing totals into one sample a second: rates, latency quantiles, the last ten minutes. */
import type { LiveSample } from '../api/model.ts';
import { type MetricFamily, type MetricSample, quantile } from '../base/metrics.ts';
import type { GatewayStats, RouteTotals } from '../gateway/config.ts';
import type { HostFacts } from './host-facts.ts';

/** One a second: ten minutes. */
export const SAMPLES_KEPT = 600;

/** Route ids of apps begin with this. */
const APP_ROUTE = 'app/';

interface Seen {
  readonly routes: Readonly<Record<string, RouteTotals>>;
  readonly latency: MetricSample | undefined;
}

interface Rates {
  requests: number;
  errors: number;
}

export class LiveMeter {
  readonly #latencyFamily: string;
  readonly #samples: LiveSample[] = [];
  #seen = new Map<number, Seen>();
  #at: number | undefined;

  /** `latencyFamily`: the gateways' histogram of seconds. */
  constructor(latencyFamily: string) {
    this.#latencyFamily = latencyFamily;
  }

  history(): readonly LiveSample[] {
    return this.#samples;
  }

  /** Adds one sample; a gateway process seen for the first time counts from its totals of now. */
  add(at: number, gateways: readonly GatewayStats[], facts: HostFacts): LiveSample {
    const seconds = this.#at === undefined ? 1 : Math.max(0.001, (at - this.#at) / 1000);
    const apps = new Map<string, Rates>();
    const all: Rates = { requests: 0, errors: 0 };
    let bytesOut = 0;
    const latencies: MetricSample[] = [];
    const seen = new Map<number, Seen>();
    for (const gateway of gateways) {
      const latency = sumSamples(gateway.metrics, this.#latencyFamily);
      const before = this.#seen.get(gateway.pid);
      seen.set(gateway.pid, { routes: gateway.routes, latency });
      if (before === undefined) continue;
      if (latency !== undefined) latencies.push(difference(latency, before.latency));
      for (const [id, totals] of Object.entries(gateway.routes)) {
        const old = before.routes[id];
        const requests = growth(totals.requests, old?.requests);
        const errors = growth(totals.errors5xx, old?.errors5xx);
        all.requests += requests;
        all.errors += errors;
        bytesOut += growth(totals.bytesOut, old?.bytesOut);
        if (!id.startsWith(APP_ROUTE)) continue;
        const app = id.slice(APP_ROUTE.length);
        const rates = apps.get(app) ?? { requests: 0, errors: 0 };
        rates.requests += requests;
        rates.errors += errors;
        apps.set(app, rates);
      }
    }
    this.#seen = seen;
    this.#at = at;
    const latency = latencies.reduce(addSamples, EMPTY);
    const sample: LiveSample = {
      at,
      requestsPerSecond: all.requests / seconds,
      errorsPerSecond: all.errors / seconds,
      p50Ms: quantile(latency, 0.5) * 1000,
      p95Ms: quantile(latency, 0.95) * 1000,
      bytesOutPerSecond: bytesOut / seconds,
      cpuRatio: facts.cpu.usedRatio,
      memoryBytes: facts.memory.usedBytes,
      connections: gateways.reduce((sum, gateway) => sum + gateway.connections, 0),
      apps: Object.fromEntries(
        [...apps].map(([app, rates]) => [
          app,
          {
            requestsPerSecond: rates.requests / seconds,
            errorsPerSecond: rates.errors / seconds,
          },
        ]),
      ),
    };
    this.#samples.push(sample);
    if (this.#samples.length > SAMPLES_KEPT) this.#samples.shift();
    return sample;
  }
}

/** A total that fell was begun anew: its route was removed and made again. */
function growth(now: number, before = 0): number {
  return now >= before ? now - before : now;
}

const EMPTY: MetricSample = { labels: {}, value: 0, count: 0, buckets: [] };

function sumSamples(families: readonly MetricFamily[], name: string): MetricSample | undefined {
  const family = families.find((candidate) => candidate.name === name);
  return family?.samples.reduce(addSamples, EMPTY);
}

function addSamples(a: MetricSample, b: MetricSample): MetricSample {
  return combine(a, b, 1);
}

function difference(now: MetricSample, before: MetricSample | undefined): MetricSample {
  return before === undefined ? now : combine(now, before, -1);
}

function combine(a: MetricSample, b: MetricSample, sign: 1 | -1): MetricSample {
  const longer = (a.buckets?.length ?? 0) > 0 ? (a.buckets ?? []) : (b.buckets ?? []);
  const countOf = (sample: MetricSample, index: number): number =>
    sample.buckets?.[index]?.[1] ?? 0;
  return {
    labels: {},
    value: a.value + sign * b.value,
    count: (a.count ?? 0) + sign * (b.count ?? 0),
    buckets: longer.map(([bound], index) => [bound, countOf(a, index) + sign * countOf(b, index)]),
  };
}
