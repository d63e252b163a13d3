/** Where an object's blocks lie, and what its policy says about that. */
import { type Clock, isoTime } from '../base/time.ts';
import { formatBytes } from '../base/units.ts';
import { shareCount } from '../erasure/erasure.ts';
import { type BlockMark, type BlockPage, readBlocks } from './blocks.ts';
import type { CatalogueLink } from './catalogue-link.ts';
import { type Contents, isSegmented, writtenAt } from './content.ts';
import { noObject } from './errors.ts';
import { CODED_BYTES_MIN } from './limits.ts';
import { asItCanBe, choose, isHere, judge, type Place } from './placement.ts';
import { codeText, parsePolicy, type Policy } from './policy.ts';
import { judgeShares, type PlacedBlock, sharesPolicy } from './share-plan.ts';
import type { Store } from './store.ts';

export interface BlockWhy {
  readonly cid: string;
  readonly fid: string;
  /** Names of the places. */
  readonly copies: readonly { readonly place: string; readonly state: Place['state'] }[];
  /** `4+2` when it lies as shares. */
  readonly code: string | undefined;
  readonly shares: readonly {
    readonly number: number;
    readonly place: string;
    readonly state: Place['state'];
  }[];
  readonly missing: readonly string[];
  readonly surplus: readonly string[];
  readonly survives: number;
}

export interface Why {
  readonly bucket: string;
  readonly key: string;
  readonly size: number;
  readonly policy: string;
  /** In the catalogue itself, which has copies of its own. */
  readonly isInline: boolean;
  readonly isSatisfied: boolean;
  /** Fewest of any of its blocks that lie as copies; 0 when all lie as shares. */
  readonly copies: number;
  /** Blocks that lie as shares. */
  readonly coded: number;
  readonly survives: number;
  /** One line for people. */
  readonly sentence: string;
  readonly blocks: readonly BlockWhy[];
}

const BLOCKS_MAX = 10_000;

export async function whyObject(
  parts: {
    readonly link: CatalogueLink;
    readonly store: Store;
    readonly contents: Contents;
    readonly places: { all(): readonly Place[] };
    readonly nameOf: (place: string) => string;
    readonly clock: Clock;
  },
  bucket: string,
  key: string,
): Promise<Why> {
  const { link, store, contents, places, nameOf, clock } = parts;
  const info = await store.head(bucket, key);
  const settings = await store.bucket(bucket);
  if (info === undefined || info.isDeleteMarker || settings === undefined)
    throw noObject(bucket, key);
  const sources = new Set<string>();
  if (isSegmented(info.fid))
    for await (const { source } of contents.segments(bucket, info.fid)) sources.add(source);
  else sources.add(info.fid);
  const all = places.all();
  const policy = asItCanBe(parsePolicy(settings.policy), all);
  const blocks: BlockWhy[] = [];
  for (const fid of sources) {
    const found = await blocksOfContent(link, bucket, fid);
    for (const placed of found.slice(0, BLOCKS_MAX - blocks.length))
      blocks.push(whyBlock(placed, { policy, all, nameOf }));
  }
  const isInline = blocks.length === 0;
  const missing = blocks.filter((block) => block.missing.length > 0);
  const asCopies = blocks.filter(({ code }) => code === undefined);
  return {
    bucket,
    key,
    size: info.size,
    policy: policy.text,
    isInline,
    isSatisfied: missing.length === 0,
    copies: asCopies.length === 0 ? 0 : Math.min(...asCopies.map((block) => block.copies.length)),
    coded: blocks.length - asCopies.length,
    survives: isInline ? 0 : Math.min(...blocks.map((block) => block.survives)),
    sentence: sentenceOf({ isInline, missing, blocks, policy, all, now: clock.now() }),
    blocks,
  };
}

function whyBlock(
  { block, places: ids, coded }: PlacedBlock,
  {
    policy,
    all,
    nameOf,
  }: {
    readonly policy: Policy;
    readonly all: readonly Place[];
    readonly nameOf: (place: string) => string;
  },
): BlockWhy {
  const having = all.filter(({ id }) => ids.includes(id));
  const copies = having.map(({ id, state }) => ({ place: nameOf(id), state }));
  const verdict = judge(policy, having);
  const { cid, fid } = block;
  if (coded === undefined)
    return {
      cid,
      fid,
      code: undefined,
      copies,
      shares: [],
      missing: verdict.missing,
      surplus: verdict.surplus.map(({ id }) => nameOf(id)),
      survives: verdict.survives,
    };
  const { missing, survives } = judgeShares(coded, policy.coded?.across ?? 'place', all);
  return {
    cid,
    fid,
    code: codeText(coded.code),
    copies,
    shares: coded.places.flatMap((places, number) =>
      all
        .filter(({ id }) => places.includes(id))
        .map(({ id, state }) => ({ number, place: nameOf(id), state })),
    ),
    missing: missing.map((number) => `share ${number}`),
    surplus: [],
    survives: having.length > 0 ? Math.max(survives, verdict.survives) : survives,
  };
}

function sentenceOf({
  isInline,
  missing,
  blocks,
  policy,
  all,
  now,
}: {
  readonly isInline: boolean;
  readonly missing: readonly BlockWhy[];
  readonly blocks: readonly BlockWhy[];
  readonly policy: Policy;
  readonly all: readonly Place[];
  readonly now: number;
}): string {
  if (isInline) return 'It is small and lies in the catalogue, with as many copies as that has';
  const [first] = missing;
  if (first === undefined) return `Its policy is met${codedWords(blocks, policy, all, now)}`;
  const lacks = first.missing.join(', ');
  const what = first.code === undefined ? 'a copy' : 'a share';
  const need = `${missing.length} of ${blocks.length} blocks lack ${what} (${lacks})`;
  return all.filter(isHere).length < 2
    ? `${need}: there is one storage only. The other copies are made as soon as there is another one`
    : `${need}: it is made as soon as a storage can take it`;
}

/** What is to become of its copies. */
function codedWords(
  blocks: readonly BlockWhy[],
  policy: Policy,
  all: readonly Place[],
  now: number,
): string {
  const wish = policy.coded;
  const coded = blocks.filter(({ code }) => code !== undefined);
  if (wish === undefined) return coded.length === 0 ? '' : '; its shares become copies';
  if (coded.length > 0)
    return `; ${coded.length} of ${blocks.length} blocks lie as ${codeText(wish.code)} shares`;
  const code = `ec ${codeText(wish.code)}`;
  const chosen = choose(sharesPolicy(wish), { cid: '', places: all, have: [] });
  const wanted = shareCount(wish.code);
  if (chosen.length < wanted) {
    const kind = wish.across === 'place' ? 'storage' : wish.across;
    return `; it stays copies, for ${code} needs ${wanted} of ${kind}, and there are ${chosen.length}`;
  }
  const at = Math.max(...blocks.map(({ fid }) => writtenAt(fid) ?? 0)) + wish.afterMs;
  if (at > now) return `; it becomes ${code} shares after ${isoTime(at)}`;
  return `; blocks of ${formatBytes(CODED_BYTES_MIN)} and more become ${code} shares when all is looked at next`;
}

/** All blocks of one content. */
async function blocksOfContent(
  link: CatalogueLink,
  bucket: string,
  fid: string,
): Promise<readonly PlacedBlock[]> {
  const found: PlacedBlock[] = [];
  for (let after: BlockMark | undefined = [fid, -1]; after !== undefined;) {
    const { blocks, next }: BlockPage = await readBlocks(link, bucket, after);
    const own = blocks.filter(({ block }) => block.fid === fid);
    found.push(...own);
    after = own.length === blocks.length && found.length < BLOCKS_MAX ? next : undefined;
  }
  return found;
}
