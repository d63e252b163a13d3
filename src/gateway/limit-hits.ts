/** How often a request met a limit, by the limit's name: as the file of a gateway calls it, where it has a key. */
import type { MetricFamily } from '../base/metrics.ts';

const BY_STATUS: Readonly<Record<number, string>> = {
  408: 'requestTimeout',
  413: 'requestBody',
  414: 'target',
  429: 'rate',
  431: 'requestHead',
  503: 'upstreams',
  504: 'upstreamTimeout',
};

export class LimitHits {
  readonly #counts = new Map<string, number>();

  /** The gateway itself, not an upstream, has answered with that status. */
  failed(status: number): void {
    const name = BY_STATUS[status];
    if (name !== undefined) this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }

  family(): MetricFamily {
    const samples = [...this.#counts].map(([limit, value]) => ({ labels: { limit }, value }));
    return {
      name: 'moln_gateway_limit_hits_total',
      help: 'Requests that the gateway refused or gave up at a limit',
      type: 'counter',
      samples,
    };
  }
}
