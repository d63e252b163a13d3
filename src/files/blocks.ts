/** All blocks of a bucket with the places that have them, or their shares, page by page. */
import type { CatalogueLink, Row } from './catalogue-link.ts';
import { READS_TOGETHER_MAX, REPAIR_PAGE } from './limits.ts';
import type { Block } from './repair-plan.ts';
import { number, text } from './rows.ts';
import type { PlacedBlock } from './share-plan.ts';
import { codedOf, codedReads } from './shares.ts';

/** Where a page begins: behind this content and number. */
export type BlockMark = readonly [fid: string, index: number];

export interface BlockPage {
  readonly blocks: readonly PlacedBlock[];
  /** Undefined at the end. */
  readonly next: BlockMark | undefined;
}

/** Of a block's name, behind its content's. */
const INDEX_DIGITS = 8;

export const FIRST_MARK: BlockMark = ['', -1];

export async function readBlocks(
  link: CatalogueLink,
  bucket: string,
  after: BlockMark,
): Promise<BlockPage> {
  const rows = await link.all(
    `SELECT fid, idx, cid, length, sha256 FROM chunk
     WHERE bucket = ? AND (fid > ? OR (fid = ? AND idx > ?)) ORDER BY fid, idx LIMIT ${REPAIR_PAGE}`,
    [bucket, after[0], after[0], after[1]],
  );
  const found = rows.map((row) => blockOf(bucket, row));
  const [first, last] = [found[0], found.at(-1)];
  if (first === undefined || last === undefined) return { blocks: [], next: undefined };
  const range = [bucket, first.cid, last.cid];
  const [copies = [], coded = []] = await link.read([
    { sql: 'SELECT cid, place FROM copy WHERE bucket = ? AND cid >= ? AND cid <= ?', args: range },
    codedReads(bucket, first.cid, last.cid)[0],
  ]);
  const placesOf = Map.groupBy(copies, ([cid]) => text(cid));
  const shares = codedOf(coded, await shareCopies(link, bucket, coded));
  return {
    blocks: found.map((block) => ({
      block,
      places: (placesOf.get(block.cid) ?? []).map(([, place]) => text(place)),
      coded: shares.get(block.cid),
    })),
    next: rows.length < REPAIR_PAGE ? undefined : [last.fid, last.index],
  };
}

/** Rows of `copy` for the shares of these blocks, content by content: those of one lie side by side. */
async function shareCopies(
  link: CatalogueLink,
  bucket: string,
  coded: readonly Row[],
): Promise<readonly Row[]> {
  const cids = coded.map(([cid]) => text(cid)).toSorted();
  const contents = Map.groupBy(cids, (cid) => cid.slice(0, -INDEX_DIGITS));
  const reads = [...contents.values()].map(
    (own) => codedReads(bucket, own[0] ?? '', own.at(-1))[1],
  );
  const rows: Row[] = [];
  while (reads.length > 0)
    rows.push(...(await link.read(reads.splice(0, READS_TOGETHER_MAX))).flat());
  return rows;
}

function blockOf(bucket: string, [fid, idx, cid, length, sha256]: Row): Block {
  return {
    bucket,
    fid: text(fid),
    index: number(idx),
    cid: text(cid),
    length: number(length),
    sha256: text(sha256),
  };
}
