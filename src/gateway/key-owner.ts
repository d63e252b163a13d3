/**
 * Who asks the origin for a key. Of all caches one owns it: the best of its region among those near, and the best of all above
 * these. Rendezvous hashing: each pair of key and member has a number, and the largest wins, so that only the keys of a
 * member that goes move. Pure.
 */
import { pairHash, textHash } from './text-hash.ts';

/** A process with a cache. */
export interface KeyMember {
  /** `textHash` of its id; equal at all who know it. */
  readonly hash: number;
  readonly id: string;
  readonly region: string;
}

export interface Owners<Member extends KeyMember> {
  /** The best of the region that was named. */
  readonly region: Member | undefined;
  /** The best of all; it is its own region's best too. */
  readonly cluster: Member | undefined;
}

/** As what somebody is asked: the owner of his region, or of the cluster. */
export type Tier = 'region' | 'cluster';

export interface Step<Member extends KeyMember> {
  readonly member: Member;
  readonly tier: Tier;
}

/** Members for which `isUsable` is false are passed over: their keys are the next best's meanwhile. */
export function ownersOf<Member extends KeyMember>(
  key: string,
  members: readonly Member[],
  options: { readonly region: string; readonly isUsable: (member: Member) => boolean },
): Owners<Member> {
  const hash = textHash(key);
  let region: Member | undefined;
  let cluster: Member | undefined;
  let regionScore = -1;
  let clusterScore = -1;
  for (const member of members) {
    if (!options.isUsable(member)) continue;
    const score = pairHash(hash, member.hash);
    if (isBetter(score, member, clusterScore, cluster)) {
      clusterScore = score;
      cluster = member;
    }
    if (member.region !== options.region) continue;
    if (!isBetter(score, member, regionScore, region)) continue;
    regionScore = score;
    region = member;
  }
  return { region, cluster };
}

/** Of equal ones the first by id: all must agree. */
function isBetter(
  score: number,
  member: KeyMember,
  best: number,
  than: KeyMember | undefined,
): boolean {
  return score > best || (score === best && than !== undefined && member.id < than.id);
}

/**
 * Whom `self` asks; undefined: the origin. `asked` is as what it was asked itself, undefined for a client's request. Whatever
 * anybody believes of the others, a question is passed on twice at most: from a client's process to its region's owner, from there
 * to the cluster's.
 */
export function nextStep<Member extends KeyMember>(
  { region, cluster }: Owners<Member>,
  self: KeyMember,
  asked: Tier | undefined,
): Step<Member> | undefined {
  if (asked === 'cluster' || cluster === undefined || cluster.id === self.id) return undefined;
  const isTheirs = asked === undefined && region !== undefined && region.id !== self.id;
  if (isTheirs && region.id !== cluster.id) return { member: region, tier: 'region' };
  return { member: cluster, tier: 'cluster' };
}
