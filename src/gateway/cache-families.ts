/** Metric families of the cache of one process. */
import type { MetricFamily, MetricType } from '../base/metrics.ts';
import { CACHE_RESULTS } from './cache-result.ts';
import type { CacheTierStats } from './gateway-question.ts';
import type { RouteMeter } from './route-meter.ts';
import type { SharingCounts } from './sharing.ts';

export function cacheFamilies(
  tiers: readonly CacheTierStats[],
  routes: readonly (readonly [id: string, meter: RouteMeter])[],
): MetricFamily[] {
  if (tiers.length === 0) return [];
  const ofTiers = (
    name: string,
    help: string,
    type: MetricType,
    pick: (tier: CacheTierStats) => number,
  ): MetricFamily => {
    const samples = tiers.map((tier) => ({ labels: { tier: tier.name }, value: pick(tier) }));
    return { name, help, type, samples };
  };
  return [
    {
      name: 'moln_gateway_cache_requests_total',
      help: 'Finished requests on routes with a cache, by what came of it',
      type: 'counter',
      samples: routes.flatMap(([route, { byCache }]) =>
        CACHE_RESULTS.flatMap((result, index) => {
          const value = byCache[index] ?? 0;
          return value === 0 ? [] : [{ labels: { route, result }, value }];
        }),
      ),
    },
    ofTiers('moln_gateway_cache_entries', 'Keys stored', 'gauge', ({ keys }) => keys),
    ofTiers('moln_gateway_cache_bytes', 'Bytes stored', 'gauge', ({ bytes }) => bytes),
    ofTiers(
      'moln_gateway_cache_bytes_max',
      'Bytes that may be stored',
      'gauge',
      ({ bytesMax }) => bytesMax,
    ),
    ofTiers(
      'moln_gateway_cache_evictions_total',
      'Keys given up to make room',
      'counter',
      ({ evicted }) => evicted,
    ),
    ofTiers(
      'moln_gateway_cache_failures_total',
      'What the tier could not write, read or trust',
      'counter',
      ({ failures }) => failures,
    ),
  ];
}

/** Questions to other gateway processes about keys that they own. */
export function sharingFamilies(counts: SharingCounts | undefined): MetricFamily[] {
  if (counts === undefined) return [];
  const { asked, answered, refused, missed } = counts;
  const results = { asked, answered, refused, missed };
  return [
    {
      name: 'moln_gateway_cache_questions_total',
      help: 'Questions to the gateway processes that own keys, by what came of them; what was not answered was asked of the origin',
      type: 'counter',
      samples: Object.entries(results).map(([result, value]) => ({ labels: { result }, value })),
    },
  ];
}
