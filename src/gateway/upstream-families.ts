/** Metric families of what balancers know of upstreams, and of what routes did to reach them. */
import type { MetricFamily, MetricSample, MetricType } from '../base/metrics.ts';
import type { Route } from './route-table.ts';

/** Of one family and process; what is beyond is left out, those of the first routes of the config stay. */
const SAMPLES_MAX = 2000;

/** `nowMs`: monotonic. */
export function upstreamFamilies(routes: readonly Route[], nowMs: number): MetricFamily[] {
  const family = (
    name: string,
    type: MetricType,
    help: string,
    samples: readonly MetricSample[],
  ): MetricFamily => ({
    name: `moln_gateway_${name}`,
    type,
    help,
    samples: samples.slice(0, SAMPLES_MAX),
  });
  const inFlight = new Map<string, number>();
  for (const { upstreams } of routes) {
    for (const { id, requests, upgrades } of upstreams) inFlight.set(id, requests + upgrades);
  }
  const balanced = routes.flatMap(({ id, balancer, totals }) =>
    balancer === undefined ? [] : [{ route: id, balancer, totals }],
  );
  const members = balanced.flatMap(({ route, balancer }) =>
    balancer.members.map((member) => ({
      member,
      labels: { route, upstream: member.upstream.id },
    })),
  );
  const chosen = routes.flatMap(({ id, balancer, regions }) =>
    [...((balancer?.regions ?? regions)?.chosen ?? [])].map(([region, value]) => ({
      labels: { route: id, region },
      value,
    })),
  );
  return [
    family(
      'region_chosen_total',
      'counter',
      'Times that a region was chosen to answer a request, for routes with upstreams in several',
      chosen,
    ),
    family(
      'upstream_in_flight',
      'gauge',
      'Requests and upgraded connections under way at an upstream',
      [...inFlight].map(([upstream, value]) => ({ labels: { upstream }, value })),
    ),
    family(
      'upstream_out',
      'gauge',
      'Processes for which an upstream gets no requests, by why',
      members.flatMap(({ member, labels }) =>
        member.whyOut(nowMs).map((why) => ({ labels: { ...labels, why }, value: 1 })),
      ),
    ),
    family(
      'upstream_weight',
      'gauge',
      'Weight of an upstream now, in each process; sum over the processes',
      members.map(({ member, labels }) => ({ labels, value: member.weight })),
    ),
    family(
      'retries_total',
      'counter',
      'Requests that were asked of another upstream after the first',
      routes.flatMap(({ id, totals }) =>
        totals.retries === 0 ? [] : [{ labels: { route: id }, value: totals.retries }],
      ),
    ),
    family(
      'hedges_total',
      'counter',
      'Requests that were asked of a second upstream before the first had answered',
      balanced.map(({ route, balancer }) => ({ labels: { route }, value: balancer.hedges })),
    ),
    family(
      'queue_length',
      'gauge',
      'Requests that wait for room at an upstream',
      balanced.map(({ route, balancer }) => ({ labels: { route }, value: balancer.waiting })),
    ),
  ];
}
