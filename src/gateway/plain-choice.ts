/** The next upstream of a route that has chosen nothing about them but which are backups, and where they are. */
import { chooseUpstream, standing } from './balance.ts';
import type { Regions } from './balancing/regions.ts';
import type { Route } from './route-table.ts';
import type { Upstream } from './upstream.ts';

/** Undefined when all were `tried`. `nowMs`: monotonic. `random` gives numbers in 0..1. */
export function choosePlain(
  { upstreams, backups, regions }: Pick<Route, 'upstreams' | 'backups' | 'regions'>,
  tried: readonly Upstream[],
  nowMs: number,
  random: () => number,
): Upstream | undefined {
  const all = backups === undefined ? upstreams : standing(upstreams, backups, tried, nowMs);
  const from = regions === undefined ? all : nearest(all, regions);
  return from[chooseUpstream(from, tried, nowMs, random)];

  /** Those of the region whose turn it is; all when none of them may be asked. */
  function nearest(of: readonly Upstream[], by: Regions<Upstream>): readonly Upstream[] {
    const usable = of.filter((one) => one.downUntilMs <= nowMs && !tried.includes(one));
    return usable.length === 0 ? of : by.narrow(usable, nowMs, random());
  }
}
