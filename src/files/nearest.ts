/** In which order copies are tried for reading. Pure. */
import type { Place } from './placement.ts';

/** This node first, then its zone, then its region, then what is rented; what was heard of lately before what is away. */
export function nearest(
  places: { readonly self: string; all(): readonly Place[] },
  ids: readonly string[],
): readonly Place[] {
  const all = places.all();
  const own = all.find(({ node }) => node === places.self);
  const rank = (place: Place): number => {
    const isAway = place.state === 'away' || place.state === 'lost';
    const away = (isAway ? 10 : 0) + (place.isRented === true ? 5 : 0);
    if (place.node === places.self) return away;
    if (own === undefined || place.region !== own.region) return away + 3;
    return away + (place.zone === own.zone ? 1 : 2);
  };
  return all.filter(({ id }) => ids.includes(id)).toSorted((a, b) => rank(a) - rank(b));
}

/** The ids of so many at most, of all. */
export function nearestIds(places: Parameters<typeof nearest>[0], most: number): readonly string[] {
  const ids = places.all().map(({ id }) => id);
  return nearest(places, ids)
    .slice(0, most)
    .map(({ id }) => id);
}
