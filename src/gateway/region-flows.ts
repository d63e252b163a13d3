/** Where requests went that could go to several regions: from the gateway's region to the one that answered. */
import type { RegionFlow } from './gateway-question.ts';

/** What a route's `Regions` counted. */
interface Chosen {
  readonly own: string;
  readonly chosen: ReadonlyMap<string, number>;
}

interface ChosenOfRoute {
  readonly regions: Chosen | undefined;
  readonly balancer: { readonly regions: Chosen | undefined } | undefined;
}

/** Since the routes are known, of this process. */
export function regionFlows(routes: Iterable<ChosenOfRoute>): readonly RegionFlow[] {
  return merged(
    [...routes].flatMap(({ balancer, regions: plain }) => {
      const regions = balancer?.regions ?? plain;
      if (regions === undefined) return [];
      const { own, chosen } = regions;
      return [...chosen].map(([to, requests]) => ({ from: own, to, requests }));
    }),
  );
}

/** What came since `before`. A route that went takes its requests along. */
export function flowsSince(
  before: readonly RegionFlow[],
  now: readonly RegionFlow[],
): readonly RegionFlow[] {
  const taken = before.map((flow) => ({ ...flow, requests: -flow.requests }));
  return merged([...now, ...taken]).filter(({ requests }) => requests > 0);
}

/** One flow for each two regions, by name. */
export function merged(flows: readonly RegionFlow[]): readonly RegionFlow[] {
  const byRegions = new Map<string, RegionFlow>();
  for (const { from, to, requests } of flows) {
    const key = `${from} ${to}`;
    byRegions.set(key, { from, to, requests: requests + (byRegions.get(key)?.requests ?? 0) });
  }
  return [...byRegions].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, flow]) => flow);
}
