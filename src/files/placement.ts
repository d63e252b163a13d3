/**
 * Which places fill the slots of a policy: maximum bipartite matching, so that one place never fills two. Weighted rendezvous hashing only
 * proposes an order; the catalogue's `copy` rows say where something is. Pure.
 */
import { sha256Hex } from '../base/ids.ts';
import { type Domain, type Policy, type Slot, slotText } from './policy.ts';

/** One back end of one node. */
export interface Place {
  /** `NODE/BACKEND`, ids. */
  readonly id: string;
  readonly node: string;
  /** For people. */
  readonly name: string;
  readonly zone: string;
  readonly region: string;
  readonly labels: ReadonlySet<string>;
  readonly freeBytes: number;
  /** away: its copies are believed in; lost: they count no more; drain: they are sources, and no more than that. */
  readonly state: 'good' | 'full' | 'drain' | 'away' | 'lost';
}

export interface Verdict {
  readonly isSatisfied: boolean;
  /** By slot of the policy; undefined: missing. */
  readonly filled: readonly (Place | undefined)[];
  readonly missing: readonly string[];
  readonly surplus: readonly Place[];
  /** Copies that may be lost before it is lost. */
  readonly survives: number;
}

/** The best first; what cannot be written to is left out. */
export function ranked(cid: string, places: readonly Place[]): readonly Place[] {
  return places
    .filter(({ state, freeBytes }) => state === 'good' && freeBytes > 0)
    .map((place) => ({ place, score: score(cid, place) }))
    .toSorted((a, b) => b.score - a.score)
    .map(({ place }) => place);
}

/** −w / ln(h), h in (0, 1). Schindelhauer and Schomaker, Weighted Distributed Hash Tables, 2005. */
function score(cid: string, { id, freeBytes }: Place): number {
  const bits = Number.parseInt(sha256Hex(`${cid} ${id}`).slice(0, 13), 16);
  const hash = (bits + 0.5) / 2 ** 52;
  return -freeBytes / Math.log(hash);
}

/** How the copies that there are meet the policy. */
export function judge(policy: Policy, copies: readonly Place[]): Verdict {
  const holding = copies.filter(({ state }) => state !== 'lost');
  const counted = holding.filter(({ state }) => state !== 'drain');
  const filled = fill(policy, [counted]);
  const used = new Set(filled);
  const missing = policy.slots.filter((_, at) => filled[at] === undefined).map(slotText);
  return {
    isSatisfied: missing.length === 0,
    filled,
    missing,
    surplus: holding.filter((place) => !used.has(place)),
    survives: Math.max(0, holding.length - 1),
  };
}

/** Places that are to get a copy so that the policy is met as far as it can be; `have` stay what they are. */
export function choose(
  policy: Policy,
  options: {
    readonly cid: string;
    readonly places: readonly Place[];
    readonly have: readonly Place[];
  },
): readonly Place[] {
  const counted = options.have.filter(({ state }) => state !== 'drain' && state !== 'lost');
  const known = new Set(options.have.map(({ id }) => id));
  const fresh = ranked(options.cid, options.places).filter(({ id }) => !known.has(id));
  const filled = fill(policy, [counted, fresh]);
  const had = new Set(counted);
  return filled.flatMap((place) => (place === undefined || had.has(place) ? [] : [place]));
}

/** By slot. Candidates of an earlier group keep their slots when those of a later one join. */
function fill(
  policy: Policy,
  groups: readonly (readonly Place[])[],
): readonly (Place | undefined)[] {
  if (policy.across !== undefined) return match(policy.slots, groups, policy.across);
  const overHosts = match(policy.slots, groups, 'host');
  if (overHosts.every((place) => place !== undefined)) return overHosts;
  return match(policy.slots, groups, 'place');
}

/** Kuhn's algorithm over slots and domains: a domain that is taken stays taken, so what there is is kept. */
function match(
  slots: readonly Slot[],
  groups: readonly (readonly Place[])[],
  across: Domain,
): readonly (Place | undefined)[] {
  const slotOf = new Map<string, number>();
  const placeOf: (Place | undefined)[] = slots.map(() => undefined);
  const candidates: Place[] = [];
  const claim = (at: number, tried: Set<string>): boolean => {
    for (const place of candidates) {
      const domain = domainOf(place, across);
      if (tried.has(domain) || !fits(slots[at] ?? [], place)) continue;
      tried.add(domain);
      const other = slotOf.get(domain);
      if (other !== undefined && !claim(other, tried)) continue;
      slotOf.set(domain, at);
      placeOf[at] = place;
      return true;
    }
    return false;
  };
  for (const group of groups) {
    candidates.push(...group);
    for (const at of slots.keys()) if (placeOf[at] === undefined) claim(at, new Set());
  }
  return placeOf;
}

function fits(slot: Slot, place: Place): boolean {
  return slot.every(({ word, isNot }) => isNot !== has(place, word));
}

function has({ name, node, zone, region, labels }: Place, word: string): boolean {
  return [name, node, zone, region].includes(word) || labels.has(word);
}

function domainOf({ id, node, zone, region }: Place, across: Domain): string {
  switch (across) {
    case 'place':
      return id;
    case 'host':
      return node;
    case 'zone':
      return `${region}/${zone}`;
    case 'region':
      return region;
  }
}
