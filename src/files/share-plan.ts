/**
 * What a block needs to lie as its policy wants: as copies, or, once it is cold, as shares. Whatever is made is made before anything goes. Pure.
 */
import { type Code, shareCount } from '../erasure/erasure.ts';
import { writtenAt } from './content.ts';
import { CODED_BYTES_MIN } from './limits.ts';
import { choose, isHere, judge, type Place, type Verdict } from './placement.ts';
import { codeText, type CodePolicy, type Domain, type Policy } from './policy.ts';
import { type Block, type CopyTask, type Move, planOf } from './repair-plan.ts';
import { type Coded, INDEX_MAX, isSameCode, shareBlock } from './shares.ts';

/** Where something of a block lies. */
export interface PlacedBlock {
  readonly block: Block;
  /** Ids of the places that have all of it. */
  readonly places: readonly string[];
  /** Undefined while it is copies only. */
  readonly coded: Coded | undefined;
}

/** Shares to be made of the block: all of them, or those that were lost. */
export interface ShareTask {
  readonly block: Block;
  readonly code: Code;
  readonly shares: readonly { readonly number: number; readonly to: string }[];
  /** As of a copy that is to be made: the least first. */
  readonly valid: number;
}

/** A copy to be made of shares. */
export interface WholeTask {
  readonly block: Block;
  readonly whole: string;
  readonly valid: number;
}

export type RepairTask = CopyTask | ShareTask | WholeTask;

/** A copy of a block or of a share, at a place. */
export interface Held {
  readonly block: Block;
  readonly place: string;
}

export interface FormPlan {
  readonly tasks: readonly RepairTask[];
  /** When they are done, a look at the block takes away what it was before. */
  readonly isChanging: boolean;
  /** The policy does not want them any more. */
  readonly surplus: readonly Held[];
  /** Their places are lost, and others have what they had. */
  readonly forgotten: readonly Held[];
  /** Of a block whose shares are all there: places whose copies go. */
  readonly copiesGo: readonly string[];
  /** Of a block whose copies are all there: its shares go. */
  readonly sharesGo: boolean;
  /** Copies or shares for which there is no place now. */
  readonly lacking: number;
  readonly isLost: boolean;
}

export interface PlanGiven {
  readonly policy: Policy;
  readonly all: readonly Place[];
  readonly move: Move | undefined;
  readonly nowMs: number;
}

const NOTHING: FormPlan = {
  tasks: [],
  isChanging: false,
  surplus: [],
  forgotten: [],
  copiesGo: [],
  sharesGo: false,
  lacking: 0,
  isLost: false,
};

/** All that lies anywhere of a block. */
export function heldOf({ block, places, coded }: PlacedBlock): readonly Held[] {
  const copies = places.map((place) => ({ block, place }));
  if (coded === undefined) return copies;
  const shares = coded.places.flatMap((ids, number) =>
    ids.map((place) => ({ block: shareBlock(block, coded, number), place })),
  );
  return [...copies, ...shares];
}

export function planBlock(placed: PlacedBlock, given: PlanGiven): FormPlan {
  const { coded } = placed;
  const wish = given.policy.coded;
  if (coded === undefined) return planCopies(placed, given);
  if (wish !== undefined && isSameCode(wish.code, coded.code))
    return planShares({ ...placed, coded }, wish, given);
  return planWhole({ ...placed, coded }, given);
}

/** Shares as slots of a policy: they differ only in where they lie. */
export function sharesPolicy({ code, across }: Pick<CodePolicy, 'code' | 'across'>): Policy {
  return {
    text: `ec ${codeText(code)}`,
    slots: Array.from({ length: shareCount(code) }, () => []),
    across,
    min: shareCount(code),
    isMust: true,
    coded: undefined,
  };
}

/** Whether a block is to be shares by now; where they are is another question. */
export function isCold({ fid, index, length }: Block, wish: CodePolicy, nowMs: number): boolean {
  if (length < CODED_BYTES_MIN || index > INDEX_MAX) return false;
  return nowMs - (writtenAt(fid) ?? 0) >= wish.afterMs;
}

/** Numbers of the shares that lie where the policy wants them, with their places; and what may be lost. */
export function judgeShares(
  coded: Coded,
  across: Domain,
  all: readonly Place[],
): {
  readonly kept: ReadonlyMap<number, Place>;
  readonly missing: readonly number[];
  /** Shares that can be read. */
  readonly there: number;
  /** Machines that may be lost before it is lost. */
  readonly survives: number;
} {
  const { code } = coded;
  const placesOf = coded.places.map((ids) =>
    all.filter(({ id, state }) => state !== 'lost' && ids.includes(id)),
  );
  const holding = [...new Set(placesOf.flat())];
  const { filled }: Verdict = judge(sharesPolicy({ code, across }), holding);
  const free = new Set(filled);
  const kept = new Map<number, Place>();
  for (const [number, places] of placesOf.entries()) {
    const place = places.find((one) => free.has(one));
    if (place === undefined) continue;
    free.delete(place);
    kept.set(number, place);
  }
  const numbers = placesOf.map((_, number) => number);
  const there = numbers.filter((number) => placesOf[number]?.length !== 0);
  const nodes = there.map((number) => placesOf[number]?.[0]?.node ?? '');
  return {
    kept,
    missing: numbers.filter((number) => !kept.has(number)),
    there: there.length,
    survives: survivalOf(nodes, code.data),
  };
}

/** When the machines with the most of its shares go first. */
function survivalOf(nodes: readonly string[], needed: number): number {
  const counts = [...Map.groupBy(nodes, (node) => node).values()]
    .map(({ length }) => length)
    .toSorted((one, other) => other - one);
  let left = nodes.length;
  let survives = 0;
  for (const count of counts) {
    left -= count;
    if (left < needed) break;
    survives += 1;
  }
  return survives;
}

function planCopies({ block, places: ids }: PlacedBlock, given: PlanGiven): FormPlan {
  const { policy, all, nowMs } = given;
  const wish = policy.coded;
  const shares =
    wish !== undefined && isCold(block, wish, nowMs) ? newShares(block, wish, all) : undefined;
  const move = shares === undefined ? given.move : undefined;
  const plan = planOf(block, { policy, ids, all, move });
  // First it has its copies: should it not become shares after all, nothing is worse than without.
  const isWhole = plan.copies.length === 0 && plan.lacking === 0 && !plan.isLost;
  const made = isWhole && shares !== undefined ? [{ ...shares, valid: Infinity }] : [];
  return {
    ...NOTHING,
    tasks: [...plan.copies, ...made],
    isChanging: made.length > 0,
    surplus: plan.surplus.map((place) => ({ block, place })),
    forgotten: plan.forgotten.map((place) => ({ block, place })),
    lacking: plan.lacking,
    isLost: plan.isLost,
  };
}

/** Undefined while there are not places for all of them: a block with fewer would be worse off than it is. */
function newShares(
  block: Block,
  wish: CodePolicy,
  all: readonly Place[],
): Omit<ShareTask, 'valid'> | undefined {
  const chosen = choose(sharesPolicy(wish), { cid: block.cid, places: all, have: [] });
  if (chosen.length < shareCount(wish.code)) return undefined;
  const shares = chosen.map(({ id }, number) => ({ number, to: id }));
  return { block, code: wish.code, shares };
}

function planShares(
  placed: PlacedBlock & { readonly coded: Coded },
  wish: CodePolicy,
  { all, move }: PlanGiven,
): FormPlan {
  const { block, places: ids, coded } = placed;
  const { code } = coded;
  const { kept, missing, there } = judgeShares(coded, wish.across, all);
  const hasCopy = all.some(({ id, state }) => state !== 'lost' && ids.includes(id));
  const valid = Math.max(0, there - code.data + 1) + (hasCopy ? 1 : 0);
  if (missing.length === 0) return wholeShares(placed, { wish, kept, all, move });
  const chosen = choose(sharesPolicy(wish), {
    cid: block.cid,
    places: all,
    have: [...kept.values()],
  });
  const tasks: RepairTask[] = [];
  const rebuilt: { number: number; to: string }[] = [];
  for (const [at, number] of missing.entries()) {
    const to = chosen[at]?.id;
    if (to === undefined) break;
    const from = (coded.places[number] ?? []).filter((id) =>
      all.some((place) => place.id === id && place.state !== 'lost'),
    );
    if (from.length === 0) rebuilt.push({ number, to });
    else
      tasks.push({ block: shareBlock(block, coded, number), to, from, instead: undefined, valid });
  }
  const isLost = there < code.data && !hasCopy;
  if (rebuilt.length > 0 && !isLost) tasks.push({ block, code, shares: rebuilt, valid });
  const lacking = Math.max(0, missing.length - chosen.length);
  return { ...NOTHING, tasks, lacking, isLost };
}

/** All shares are where they belong: whatever else there is of the block goes. */
function wholeShares(
  { block, places: ids, coded }: PlacedBlock & { readonly coded: Coded },
  {
    wish,
    kept,
    all,
    move,
  }: {
    readonly wish: CodePolicy;
    readonly kept: ReadonlyMap<number, Place>;
    readonly all: readonly Place[];
    readonly move: Move | undefined;
  },
): FormPlan {
  const stateOf = (id: string): Place['state'] =>
    all.find((place) => place.id === id)?.state ?? 'lost';
  const others = coded.places.flatMap((places, number) =>
    places
      .filter((id) => kept.get(number)?.id !== id)
      .map((place) => ({ block: shareBlock(block, coded, number), place })),
  );
  const isThere = (id: string): boolean => !['away', 'lost'].includes(stateOf(id));
  const surplus = others.filter(({ place }) => isThere(place));
  const copiesGo = [...kept.values()].every(isHere) ? ids.filter(isThere) : [];
  const copies = ids.map((place) => ({ block, place }));
  const isQuiet = surplus.length + copiesGo.length === 0;
  return {
    ...NOTHING,
    tasks: isQuiet && move !== undefined ? movedShare({ block, coded, kept, wish, all, move }) : [],
    surplus,
    forgotten: [...others, ...copies].filter(({ place }) => stateOf(place) === 'lost'),
    copiesGo,
  };
}

function movedShare({
  block,
  coded,
  kept,
  wish,
  all,
  move,
}: {
  readonly block: Block;
  readonly coded: Coded;
  readonly kept: ReadonlyMap<number, Place>;
  readonly wish: CodePolicy;
  readonly all: readonly Place[];
  readonly move: Move;
}): readonly CopyTask[] {
  const [number] = [...kept].find(([, { id }]) => id === move.from) ?? [];
  const target = all.find(({ id }) => id === move.to);
  if (number === undefined || target === undefined) return [];
  const share = shareBlock(block, coded, number);
  const places = [...kept.values()].map((place) => (place.id === move.from ? target : place));
  const fits =
    target.freeBytes >= share.length &&
    new Set(places).size === places.length &&
    judge(sharesPolicy(wish), places).isSatisfied;
  if (!fits) return [];
  return [{ block: share, to: move.to, from: [move.from], instead: move.from, valid: Infinity }];
}

/** The policy wants copies now, or another code: first there are copies, then the shares go. */
function planWhole(
  { block, places: ids, coded }: PlacedBlock & { readonly coded: Coded },
  { policy, all }: PlanGiven,
): FormPlan {
  const { there } = judgeShares(coded, 'place', all);
  const plan = planOf(block, { policy, ids, all, move: undefined });
  const isReadable = there >= coded.code.data;
  const hasCopy = all.some(({ id, state }) => state !== 'lost' && ids.includes(id));
  // One that is away is believed in as long as nothing goes for it.
  const staying = ids.filter((id) => !plan.surplus.includes(id));
  const here = all.filter((place) => staying.includes(place.id) && isHere(place));
  const ofShares = plan.copies.map(({ to, valid }): WholeTask => ({
    block,
    whole: to,
    valid: valid + there - coded.code.data + 1,
  }));
  return {
    ...NOTHING,
    tasks: hasCopy ? plan.copies : isReadable ? ofShares : [],
    isChanging: true,
    surplus: plan.surplus.map((place) => ({ block, place })),
    forgotten: plan.forgotten.map((place) => ({ block, place })),
    sharesGo: judge(policy, here).isSatisfied,
    lacking: plan.lacking,
    isLost: !hasCopy && !isReadable,
  };
}
