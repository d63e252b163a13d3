/** Where an object's blocks lie, and what its policy says about that. */
import type { CatalogueLink } from './catalogue-link.ts';
import type { Contents } from './content.ts';
import { isSegmented } from './content.ts';
import { noObject } from './errors.ts';
import { asItCanBe, judge, type Place } from './placement.ts';
import { parsePolicy } from './policy.ts';
import { text } from './rows.ts';
import type { Store } from './store.ts';

export interface BlockWhy {
  readonly cid: string;
  /** Names of the places. */
  readonly copies: readonly { readonly place: string; readonly state: Place['state'] }[];
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
  /** Fewest of any of its blocks. */
  readonly copies: number;
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
  },
  bucket: string,
  key: string,
): Promise<Why> {
  const { link, store, contents, places, nameOf } = parts;
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
    const rows = await link.all(
      `SELECT c.cid, p.place FROM chunk c JOIN copy p ON p.bucket = c.bucket AND p.cid = c.cid
       WHERE c.bucket = ? AND p.bucket = ? AND c.fid = ? ORDER BY c.idx LIMIT ${BLOCKS_MAX}`,
      [bucket, bucket, fid],
    );
    for (const [cid, copies] of Map.groupBy(rows, ([one]) => text(one))) {
      const having = copies.flatMap(([, place]) => all.find(({ id }) => id === place) ?? []);
      const verdict = judge(policy, having);
      blocks.push({
        cid,
        copies: having.map(({ id, state }) => ({ place: nameOf(id), state })),
        missing: verdict.missing,
        surplus: verdict.surplus.map(({ id }) => nameOf(id)),
        survives: verdict.survives,
      });
    }
  }
  const isInline = blocks.length === 0;
  const missing = blocks.filter((block) => block.missing.length > 0);
  const copies = Math.min(...blocks.map((block) => block.copies.length));
  return {
    bucket,
    key,
    size: info.size,
    policy: policy.text,
    isInline,
    isSatisfied: missing.length === 0,
    copies: isInline ? 0 : copies,
    survives: isInline ? 0 : Math.min(...blocks.map((block) => block.survives)),
    sentence: sentenceOf({ isInline, missing, blocks, usable: all.filter(isUsable).length }),
    blocks,
  };
}

function isUsable({ state }: Place): boolean {
  return state === 'good' || state === 'full';
}

function sentenceOf({
  isInline,
  missing,
  blocks,
  usable,
}: {
  readonly isInline: boolean;
  readonly missing: readonly BlockWhy[];
  readonly blocks: readonly BlockWhy[];
  readonly usable: number;
}): string {
  if (isInline) return 'It is small and lies in the catalogue, with as many copies as that has';
  if (missing.length === 0) return 'Its policy is met';
  const [first] = missing;
  const lacks = first?.missing.join(', ') ?? '';
  const need = `${missing.length} of ${blocks.length} blocks lack a copy (${lacks})`;
  return usable < 2
    ? `${need}: there is one storage only. The other copies are made as soon as there is another one`
    : `${need}: it is made as soon as a storage can take it`;
}
