/** Pages of keys: prefixes, delimiters, versions. The order is that of UTF-8 bytes, which is SQLite's. */
import type { CatalogueLink, Row, Value } from './catalogue-link.ts';
import { LIST_PAGE_MAX } from './limits.ts';
import { LISTED_COLUMNS, versionOf, type VersionRow } from './rows.ts';

/** Where the next page begins: behind `key`, or behind `ord` of it. */
export interface Position {
  readonly key: string;
  /** Versions of `key` older than this one still come. */
  readonly ord?: number | undefined;
}

export interface Entry {
  readonly row: VersionRow;
  readonly isLatest: boolean;
}

export interface Page {
  readonly entries: readonly Entry[];
  readonly prefixes: readonly string[];
  /** The last that was given, if there is more. */
  readonly last: { readonly key: string; readonly version?: string } | undefined;
}

/** The first text behind all that begin with `prefix`; undefined when there is none. */
export function behindPrefix(prefix: string): string | undefined {
  const points = Array.from(prefix, (one) => one.codePointAt(0) ?? 0);
  while (points.length > 0) {
    const last = points.pop() ?? 0;
    if (last === 0x10ffff) continue;
    // Surrogates are no code points of UTF-8.
    points.push(last === 0xd7ff ? 0xe000 : last + 1);
    return String.fromCodePoint(...points);
  }
  return undefined;
}

export function commonPrefix(
  key: string,
  { prefix, delimiter }: { readonly prefix: string; readonly delimiter: string | undefined },
): string | undefined {
  if (delimiter === undefined || delimiter === '') return undefined;
  const at = key.indexOf(delimiter, prefix.length);
  return at < 0 ? undefined : key.slice(0, at + delimiter.length);
}

export interface PageWish {
  readonly prefix: string;
  readonly delimiter: string | undefined;
  readonly after: Position | undefined;
  readonly limit: number;
  readonly versions: boolean;
}

/** Reads as many rows as the page needs; whole folders are skipped. */
export async function readPage(link: CatalogueLink, bucket: string, wish: PageWish): Promise<Page> {
  const { prefix, delimiter, limit, versions } = wish;
  const entries: Entry[] = [];
  const prefixes: string[] = [];
  if (limit <= 0) return { entries, prefixes, last: undefined };
  let from = startOf(wish);
  let last: Page['last'];
  for (;;) {
    const rows = await readRows(link, bucket, { prefix, from, versions, limit: limit + 1 });
    let folder: string | undefined;
    for (const entry of rows) {
      const { key, version } = entry.row;
      if (folder !== undefined && key.startsWith(folder)) continue;
      folder = commonPrefix(key, { prefix, delimiter });
      if (entries.length + prefixes.length >= limit) return { entries, prefixes, last };
      if (folder === undefined) {
        entries.push(entry);
        last = versions ? { key, version } : { key };
      } else {
        prefixes.push(folder);
        last = { key: folder };
      }
    }
    const end = rows.at(-1)?.row;
    if (end === undefined || rows.length < Math.min(limit + 1, LIST_PAGE_MAX))
      return { entries, prefixes, last: undefined };
    if (folder === undefined) from = { key: end.key, ord: versions ? end.ord : undefined };
    else {
      const behind = behindPrefix(folder);
      if (behind === undefined) return { entries, prefixes, last: undefined };
      from = { at: behind };
    }
  }
}

/** Behind a key (or some versions of it), or at a text and behind it. */
type From = Position | { readonly at: string } | undefined;

function startOf({ after, prefix, delimiter }: PageWish): From {
  if (after === undefined) return undefined;
  const folder =
    after.ord === undefined ? commonPrefix(after.key, { prefix, delimiter }) : undefined;
  if (folder === undefined || folder !== after.key) return after;
  const behind = behindPrefix(folder);
  return behind === undefined ? after : { at: behind };
}

async function readRows(
  link: CatalogueLink,
  bucket: string,
  wish: {
    readonly prefix: string;
    readonly from: From;
    readonly versions: boolean;
    readonly limit: number;
  },
): Promise<readonly Entry[]> {
  const limit = Math.min(wish.limit, LIST_PAGE_MAX);
  const { where, args } = whereOf(bucket, wish);
  const current = {
    sql: `SELECT ${LISTED_COLUMNS} FROM object WHERE ${where}${wish.versions ? '' : ' AND marker = 0'} ORDER BY key LIMIT ${limit}`,
    args,
  };
  const behindKey = wish.from !== undefined && 'key' in wish.from ? wish.from : undefined;
  if (!wish.versions) return latest((await link.read([current]))[0] ?? []);
  const older = {
    sql: `SELECT ${LISTED_COLUMNS} FROM older WHERE ${where} ORDER BY key, ord DESC LIMIT ${limit}`,
    args,
  };
  const asked = [current, older];
  if (behindKey?.ord !== undefined)
    asked.push({
      sql: `SELECT ${LISTED_COLUMNS} FROM older WHERE bucket = ? AND key = ? AND ord < ? ORDER BY ord DESC LIMIT ${limit}`,
      args: [bucket, behindKey.key, behindKey.ord],
    });
  const [first = [], second = [], rest = []] = await link.read(asked);
  const all = [...old(rest), ...merged(latest(first), old(second))];
  return all.slice(0, limit);
}

function whereOf(
  bucket: string,
  { prefix, from }: { readonly prefix: string; readonly from: From },
): { readonly where: string; readonly args: readonly Value[] } {
  const where = ['bucket = ?'];
  const args: Value[] = [bucket];
  const behind = prefix === '' ? undefined : behindPrefix(prefix);
  const add = (term: string, value: string): void => {
    where.push(term);
    args.push(value);
  };
  if (prefix !== '') add('key >= ?', prefix);
  if (behind !== undefined) add('key < ?', behind);
  if (from !== undefined)
    add('at' in from ? 'key >= ?' : 'key > ?', 'at' in from ? from.at : from.key);
  return { where: where.join(' AND '), args };
}

function latest(rows: readonly Row[]): readonly Entry[] {
  return rows.map((row) => ({ row: versionOf(row), isLatest: true }));
}

function old(rows: readonly Row[]): readonly Entry[] {
  return rows.map((row) => ({ row: versionOf(row), isLatest: false }));
}

function merged(a: readonly Entry[], b: readonly Entry[]): readonly Entry[] {
  return [...a, ...b].toSorted(
    (x, y) =>
      Buffer.compare(Buffer.from(x.row.key), Buffer.from(y.row.key)) || y.row.ord - x.row.ord,
  );
}
