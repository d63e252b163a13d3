/** A content that is made of pieces of others. Pure. */
import type { Statement } from './catalogue-link.ts';
import type { Insert } from './changes.ts';
import type { Segment } from './content.ts';

/** Each piece is used once more, but for what is `fresh`: it was made for this one. */
export function segmentRows(
  bucket: string,
  fid: string,
  options: {
    readonly segments: readonly Segment[];
    readonly size: number;
    readonly policy: string;
    readonly fresh: ReadonlySet<string>;
  },
): { readonly inserts: readonly Insert[]; readonly statements: readonly Statement[] } {
  const { segments, size, policy, fresh } = options;
  const sources = new Set(segments.map(({ source }) => source).filter((one) => !fresh.has(one)));
  return {
    inserts: [
      {
        table: 'content',
        columns: 'fid, refs, size, kind, policy',
        rows: [[fid, 1, size, 'segments', policy]],
      },
      {
        table: 'segment',
        columns: 'fid, idx, part, source, start, length',
        rows: segments.map(({ part, source, start, length }, index) => [
          fid,
          index,
          part,
          source,
          start,
          length,
        ]),
      },
    ],
    statements: [...sources].map((source) => ({
      sql: 'UPDATE content SET refs = refs + 1 WHERE bucket = ? AND fid = ?',
      args: [bucket, source],
    })),
  };
}
