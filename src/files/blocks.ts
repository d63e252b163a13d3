/** All blocks of a bucket with the places that have them, page by page. */
import type { CatalogueLink, Row } from './catalogue-link.ts';
import { REPAIR_PAGE } from './limits.ts';
import type { Block } from './repair-plan.ts';
import { number, text } from './rows.ts';

export interface PlacedBlock {
  readonly block: Block;
  /** Ids. */
  readonly places: readonly string[];
}

/** Where a page begins: behind this content and number. */
export type BlockMark = readonly [fid: string, index: number];

export interface BlockPage {
  readonly blocks: readonly PlacedBlock[];
  /** Undefined at the end. */
  readonly next: BlockMark | undefined;
}

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
  const copies = await link.all(
    'SELECT cid, place FROM copy WHERE bucket = ? AND cid >= ? AND cid <= ?',
    [bucket, first.cid, last.cid],
  );
  const placesOf = Map.groupBy(copies, ([cid]) => text(cid));
  return {
    blocks: found.map((block) => ({
      block,
      places: (placesOf.get(block.cid) ?? []).map(([, place]) => text(place)),
    })),
    next: rows.length < REPAIR_PAGE ? undefined : [last.fid, last.index],
  };
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
