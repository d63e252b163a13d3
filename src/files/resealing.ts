/**
 * Objects that a lost cluster encrypted, made readable here: their data keys, which are kept sealed with them, are opened by the recovery key
 * and sealed anew. Their bytes stay as they are. Safe to repeat, and while objects are used.
 */
import type { CatalogueLink, Row } from './catalogue-link.ts';
import { behind } from './checkpoint.ts';
import type { Keyring } from './encryption.ts';
import { RECOVER_PAGE } from './limits.ts';
import type { Encryption } from './model.ts';
import { text } from './rows.ts';

/** What keeps a data key, and the columns by which its rows are told apart within a bucket. */
const TABLES: readonly (readonly [table: string, key: readonly string[]])[] = [
  ['object', ['key']],
  ['older', ['key', 'ord']],
  ['trash', ['id']],
  ['upload', ['id']],
];

/** How many are left that nobody can read; those whose key is a client's are not counted. */
export async function resealAll(
  link: CatalogueLink,
  options: {
    readonly bucket: string;
    readonly own: Keyring;
    /** Undefined: they are only counted. */
    readonly old: Keyring | undefined;
    readonly signal: AbortSignal;
  },
): Promise<number> {
  const { bucket, own, old, signal } = options;
  let left = 0;
  for (const [table, key] of TABLES) {
    const columns = key.join(', ');
    const same = key.map((column) => `${column} = ?`).join(' AND ');
    for (let last: Row | undefined; ;) {
      signal.throwIfAborted();
      const after = last === undefined ? undefined : behind(key, last);
      const rows = await link.all(
        `SELECT info, ${columns} FROM ${table} WHERE bucket = ? AND info LIKE '%"encryption"%'
          ${after === undefined ? '' : `AND (${after.sql})`}
          ORDER BY ${columns} LIMIT ${RECOVER_PAGE}`,
        [bucket, ...(after?.args ?? [])],
      );
      for (const [kept, ...id] of rows) {
        const info = resealed(bucket, text(kept), { own, old });
        if (info === 'sealed') left += 1;
        if (info === 'sealed' || info === 'open') continue;
        await link.run([
          {
            sql: `UPDATE ${table} SET info = ? WHERE bucket = ? AND ${same} AND info = ?`,
            args: [info, bucket, ...id, kept ?? ''],
          },
        ]);
      }
      last = rows.at(-1)?.slice(1);
      if (rows.length < RECOVER_PAGE) break;
    }
  }
  return left;
}

/** The row's JSON as it shall be; `open`: it is readable here as it is. */
function resealed(
  bucket: string,
  kept: string,
  { own, old }: { readonly own: Keyring; readonly old: Keyring | undefined },
): string {
  const info = JSON.parse(kept) as Kept;
  // An upload's fields are a part of what is kept of it.
  const { encryption } = info.fields ?? info;
  if (encryption === undefined || encryption.by === 'client') return 'open';
  if (own.canOpen(bucket, encryption)) return 'open';
  if (old?.canOpen(bucket, encryption) !== true) return 'sealed';
  const anew = own.keptHere(bucket, old.open(bucket, encryption));
  return JSON.stringify(
    info.fields === undefined
      ? { ...info, encryption: anew }
      : { ...info, fields: { ...info.fields, encryption: anew } },
  );
}

interface Kept {
  readonly encryption?: Encryption;
  readonly fields?: { readonly encryption?: Encryption };
}
