/**
 * Pure: which share of a route's requests each region gets. The gateway's own region gets all of them until it is clearly busier
 * than the others; then shares move, a little each second, towards the room that the regions have. Two limits with a gap
 * between them keep them from swinging; tests simulate it.
 */

/** Time constant in which what the upstreams say is smoothed. */
const SMOOTHING_MS = 5000;
/** The own region may be so much busier than the others before requests leave it. */
const LEAVE_ABOVE = 0.1;
/** They come back while it is not so much busier. */
const RETURN_BELOW = 0.05;
/** Share of the requests a second, for each unit of use beyond a limit. More would swing: what the upstreams say is seconds old. */
const GAIN = 0.1;
const RETURN_GAIN = 0.04;
/** Share that comes back a second in any case. */
const RETURN_A_SECOND = 0.01;
/** Share that other regions get in any case, where only an answer can say how busy they are. */
const PROBE_SHARE = 0.03;

/** What is known of one region now. */
export interface RegionState {
  /** Upstreams that may be asked. */
  readonly hosts: number;
  /** Their average use, 0 to 1; undefined when none of them may be asked. */
  readonly use: number | undefined;
  /** Only their answers say how busy they are. */
  readonly isProbed: boolean;
}

export interface RegionShare {
  /** Smoothed. */
  readonly use: number;
  /** Of the requests, 0 to 1; all of them together give 1. */
  readonly share: number;
}

export interface Spill {
  /** Of the requests, 0 to 1, before probes: what is led away from the own region. */
  readonly away: number;
  readonly regions: ReadonlyMap<string, RegionShare>;
}

export const NO_SPILL: Spill = { away: 0, regions: new Map() };

/** The next shares, `elapsedMs` after those before. `own`: the gateway's region, which may have no upstream. */
export function nextSpill(
  before: Spill,
  states: ReadonlyMap<string, RegionState>,
  own: string,
  elapsedMs: number,
): Spill {
  const uses = new Map<string, number>();
  for (const [name, { use }] of states) {
    if (use !== undefined) uses.set(name, smooth(before.regions.get(name)?.use, use, elapsedMs));
  }
  const home = states.get(own);
  const homeUse = uses.get(own);
  const others = [...uses.keys()].filter((name) => name !== own);
  if (home === undefined || homeUse === undefined || others.length === 0) {
    const isHome = homeUse !== undefined;
    return { away: 0, regions: divide(states, uses, isHome ? [own] : others, 1) };
  }
  const away = nextAway(before.away, homeUse, roomAway(states, uses, own), elapsedMs);
  const probed = others.some((name) => states.get(name)?.isProbed === true) ? PROBE_SHARE : 0;
  const led = Math.max(away, probed);
  const regions = divide(states, uses, others, led);
  regions.set(own, { use: homeUse, share: 1 - led });
  return { away, regions };
}

/** Exponential, with the first value as it is. */
function smooth(before: number | undefined, use: number, elapsedMs: number): number {
  if (before === undefined) return use;
  return before + (use - before) * (1 - Math.exp(-elapsedMs / SMOOTHING_MS));
}

interface Away {
  /** Average use of the other regions, by hosts. */
  readonly use: number;
  /** Their share of all the room that there is; by hosts when nobody has any. */
  readonly share: number;
}

function roomAway(
  states: ReadonlyMap<string, RegionState>,
  uses: ReadonlyMap<string, number>,
  own: string,
): Away {
  const sum = { hosts: 0, used: 0, room: 0 };
  for (const [name, use] of uses) {
    const hosts = states.get(name)?.hosts ?? 0;
    if (name === own) continue;
    sum.hosts += hosts;
    sum.used += hosts * use;
    sum.room += hosts * (1 - use);
  }
  const homeHosts = states.get(own)?.hosts ?? 0;
  const homeRoom = homeHosts * (1 - (uses.get(own) ?? 1));
  const room = sum.room + homeRoom;
  return {
    use: sum.used / sum.hosts,
    share: room > 0 ? sum.room / room : sum.hosts / (sum.hosts + homeHosts),
  };
}

/** Towards the others while the own region is too busy, back while it is not, and as it is between. */
function nextAway(before: number, homeUse: number, others: Away, elapsedMs: number): number {
  const over = homeUse - others.use;
  const seconds = elapsedMs / 1000;
  if (over > LEAVE_ABOVE) {
    const more = before + GAIN * (over - LEAVE_ABOVE) * seconds;
    return Math.max(before, Math.min(others.share, more));
  }
  // With so little to do it could not be too busy.
  if (over >= RETURN_BELOW && homeUse >= LEAVE_ABOVE) return before;
  const back = RETURN_A_SECOND + RETURN_GAIN * Math.max(0, RETURN_BELOW - over);
  return Math.max(0, before - back * seconds);
}

/** `total` over `names` by the room that each has; by hosts when none has any. */
function divide(
  states: ReadonlyMap<string, RegionState>,
  uses: ReadonlyMap<string, number>,
  names: readonly string[],
  total: number,
): Map<string, RegionShare> {
  const roomOf = (name: string): number =>
    (states.get(name)?.hosts ?? 0) * (1 - (uses.get(name) ?? 1));
  const rooms = names.reduce((sum, name) => sum + roomOf(name), 0);
  const hosts = names.reduce((sum, name) => sum + (states.get(name)?.hosts ?? 0), 0);
  const shares = new Map<string, RegionShare>();
  for (const [name, use] of uses) shares.set(name, { use, share: 0 });
  for (const name of names) {
    const part = rooms > 0 ? roomOf(name) / rooms : (states.get(name)?.hosts ?? 0) / hosts;
    shares.set(name, { use: uses.get(name) ?? 1, share: total * part });
  }
  return shares;
}
