/** Which upstreams of each route get no requests just now: failed checks, failures in a row, or no connection lately. */
import type { Route } from './route-table.ts';

/** Upstream ids by route id; routes whose upstreams are all well are left out. */
export function unfitUpstreams(
  routes: Iterable<Route>,
  nowMs: number,
): Readonly<Record<string, readonly string[]>> {
  const unfit: Record<string, readonly string[]> = {};
  for (const { id, balancer, upstreams } of routes) {
    const out =
      balancer === undefined
        ? upstreams.filter((upstream) => upstream.downUntilMs > nowMs)
        : balancer.members.filter((one) => !one.isFit(nowMs)).map(({ upstream }) => upstream);
    if (out.length > 0) unfit[id] = out.map((upstream) => upstream.id);
  }
  return unfit;
}
