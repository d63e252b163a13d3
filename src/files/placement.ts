/**
 * Which places fill the slots of a policy: maximum bipartite matching, so that one place never fills two. Weighted rendezvous hashing only
 * proposes an order; the catalogue's `copy` rows say where something is. Pure.
 */
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
  /** On a machine of somebody else: read last. */
  readonly isRented?: boolean;
  /** away: its copies are believed in; lost: they count no more; drain: they are sources, and no more than that. */
  readonly state: 'good' | 'full' | 'drain' | 'away' | 'lost';
}

export interface Verdict {
  readonly isSatisfied: boolean;
  /** By slot of the policy; undefined: missing. */
  readonly filled: readonly (Place | undefined)[];
  readonly missing: readonly string[];
  readonly surplus: readonly Place[];
  /** Machines that may be lost before it is lost. */
  readonly survives: number;
}

/** What it has can be read now; of one that is away that is only believed. */
export function isHere({ state }: Pick<Place, 'state'>): boolean {
  return state === 'good' || state === 'full';
}

/** Candidates that are weighed at first: a policy seldom needs to look further. */
const BEST = 32;

/** The best first; what cannot be written to is left out. `most`: only so many. */
export function ranked(
  cid: string,
  places: readonly Place[],
  most: number = Infinity,
): readonly Place[] {
  const usable = places.filter(({ state, freeBytes }) => state === 'good' && freeBytes > 0);
  const block = hashOf(cid);
  const scores = Float64Array.from(usable, (place) => score(block, place));
  const least = usable.length > most ? (scores.toSorted().at(-most) ?? 0) : 0;
  return usable
    .map((place, at) => ({ place, score: scores[at] ?? 0 }))
    .filter((one) => one.score >= least)
    .toSorted((one, other) => other.score - one.score)
    .map(({ place }) => place);
}

/** 64 bits, in halves. */
type Hash = readonly [high: number, low: number];

/** Of places, which are few and asked for again and again. */
const placeHashes = new Map<string, Hash>();

/** −w / ln(h), h in (0, 1). Schindelhauer and Schomaker, Weighted Distributed Hash Tables, 2005. */
function score(block: Hash, { id, freeBytes }: Place): number {
  const place = placeHashes.get(id) ?? hashOf(id);
  placeHashes.set(id, place);
  const high = mix(block[0] ^ place[1]) ^ place[0];
  const low = mix(block[1] ^ place[0] ^ high);
  // 53 bits, never 0 nor 1.
  const hash = ((mix(high ^ low) >>> 0) * 2 ** 21 + (low >>> 11) + 0.5) / 2 ** 53;
  return -freeBytes / Math.log(hash);
}

/** cyrb53, of bryc (public domain), with both halves kept. */
function hashOf(text: string): Hash {
  let high = 0xdeadbeef;
  let low = 0x41c6ce57;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    high = Math.imul(high ^ code, 2_654_435_761);
    low = Math.imul(low ^ code, 1_597_334_677);
  }
  return [mix(high ^ low), mix(low ^ Math.imul(high, 31))];
}

/** The finalizer of MurmurHash3 (public domain). */
function mix(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}

/** Copies are on different machines as soon as there are so many that could have them; until then on different disks. */
export function asItCanBe(policy: Policy, places: readonly Place[]): Policy {
  if (policy.across !== undefined) return policy;
  const isPossible = match(policy.slots, [places.filter(isHere)], 'host').every(
    (place) => place !== undefined,
  );
  return isPossible ? { ...policy, across: 'host' } : policy;
}

/**
 * False when so many bytes cannot have room, however their blocks are spread: told before they are sent. A sum of disks, so true is no promise.
 * One that is away counts with what it had: often it is back at the next look.
 */
export function mayFit(policy: Policy, places: readonly Place[], bytes: number): boolean {
  const usable = places.filter(
    ({ state, freeBytes }) => (state === 'good' || state === 'away') && freeBytes > 0,
  );
  const room = usable.reduce((sum, { freeBytes }) => sum + Math.min(freeBytes, bytes), 0);
  return room >= bytes * (policy.isMust ? Math.min(policy.slots.length, usable.length) : 1);
}

/** How the copies that there are meet the policy. */
export function judge(policy: Policy, copies: readonly Place[]): Verdict {
  const holding = copies.filter(({ state }) => state !== 'lost');
  const counted = holding.filter(({ state }) => state !== 'drain');
  const filled = fill(policy, [counted]);
  const used = new Set(filled);
  const missing = policy.slots
    .filter((_, at) => filled[at] === undefined)
    .map((slot) => slotText(slot, policy.across));
  return {
    isSatisfied: missing.length === 0,
    filled,
    missing,
    surplus: holding.filter((place) => !used.has(place)),
    survives: Math.max(0, new Set(holding.map(({ node }) => node)).size - 1),
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
  const others = options.places.filter(({ id }) => !known.has(id));
  let filled = fill(policy, [counted, ranked(options.cid, others, BEST)]);
  if (others.length > BEST && filled.includes(undefined))
    filled = fill(policy, [counted, ranked(options.cid, others)]);
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
