/**
 * The tables of the catalogue, format 1. All but the few of `''` are distributed by bucket, so that a change of one bucket is a transaction
 * of one stripe.
 */
import { MemoryDatabase } from '../sqlite/sqlite.ts';
import type { CatalogueLink } from './catalogue-link.ts';

const BY_BUCKET = '/* moln: distribute by bucket */';
/** Rows lie in the order of their keys: one tree for a table in place of two, and no id to be found for each row. Older catalogues have it not. */
const BY_KEY = 'WITHOUT ROWID';

/** Columns of `object` and `older`, which follow bucket and key. */
const VERSION = `
  ord INTEGER NOT NULL, version TEXT NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL, mtime INTEGER NOT NULL,
  marker INTEGER NOT NULL, fid TEXT, data BLOB, info TEXT NOT NULL`;

const TABLES: readonly string[] = [
  `bucket(bucket TEXT PRIMARY KEY, owner TEXT NOT NULL, created INTEGER NOT NULL, versioning TEXT NOT NULL,
    policy TEXT NOT NULL, quota INTEGER, settings TEXT NOT NULL)`,
  // ord: of the newest version; fence: what was written by sessions before it is refused.
  `usage(bucket TEXT PRIMARY KEY, bytes INTEGER NOT NULL, objects INTEGER NOT NULL, ord INTEGER NOT NULL,
    fence INTEGER NOT NULL)`,
  // The newest version of each key; what came before is in \`older\`.
  `object(bucket TEXT NOT NULL, key TEXT NOT NULL, ${VERSION}, PRIMARY KEY (bucket, key))`,
  `older(bucket TEXT NOT NULL, key TEXT NOT NULL, ${VERSION}, PRIMARY KEY (bucket, key, ord))`,
  // Bytes of an object or a part. kind: chunks, or segments of others.
  `content(bucket TEXT NOT NULL, fid TEXT NOT NULL, refs INTEGER NOT NULL, size INTEGER NOT NULL, kind TEXT NOT NULL,
    policy TEXT NOT NULL, PRIMARY KEY (bucket, fid))`,
  `segment(bucket TEXT NOT NULL, fid TEXT NOT NULL, idx INTEGER NOT NULL, part INTEGER NOT NULL, source TEXT NOT NULL,
    start INTEGER NOT NULL, length INTEGER NOT NULL, PRIMARY KEY (bucket, fid, idx))`,
  `chunk(bucket TEXT NOT NULL, fid TEXT NOT NULL, idx INTEGER NOT NULL, cid TEXT NOT NULL, length INTEGER NOT NULL,
    sha256 TEXT NOT NULL, PRIMARY KEY (bucket, fid, idx))`,
  `copy(bucket TEXT NOT NULL, cid TEXT NOT NULL, place TEXT NOT NULL, PRIMARY KEY (bucket, cid, place))`,
  // Blocks that lie as shares. code: K+M; sums: SHA-256 of all shares, in order. Which places have them is in \`copy\`.
  `coded(bucket TEXT NOT NULL, cid TEXT NOT NULL, code TEXT NOT NULL, sums BLOB NOT NULL, PRIMARY KEY (bucket, cid))`,
  `upload(bucket TEXT NOT NULL, id TEXT NOT NULL, key TEXT NOT NULL, created INTEGER NOT NULL, info TEXT NOT NULL,
    done TEXT, PRIMARY KEY (bucket, id))`,
  `part(bucket TEXT NOT NULL, upload TEXT NOT NULL, number INTEGER NOT NULL, fid TEXT NOT NULL, size INTEGER NOT NULL,
    etag TEXT NOT NULL, mtime INTEGER NOT NULL, checksums TEXT NOT NULL, PRIMARY KEY (bucket, upload, number))`,
  `trash(bucket TEXT NOT NULL, id TEXT NOT NULL, key TEXT NOT NULL, until INTEGER NOT NULL, ${VERSION},
    PRIMARY KEY (bucket, id))`,
  // kind: release (a content is used once less), drop (a place is to remove a block), copy (a block needs another copy).
  `todo(bucket TEXT NOT NULL, kind TEXT NOT NULL, ref TEXT NOT NULL, place TEXT NOT NULL, prio INTEGER NOT NULL,
    due INTEGER NOT NULL, fails INTEGER NOT NULL, PRIMARY KEY (bucket, kind, ref, place))`,
  // A copy that is being made of what is there already.
  `alloc(bucket TEXT NOT NULL, cid TEXT NOT NULL, place TEXT NOT NULL, session INTEGER NOT NULL,
    PRIMARY KEY (bucket, cid, place))`,
  `property(bucket TEXT NOT NULL, path TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (bucket, path, name))`,
  `lock(bucket TEXT NOT NULL, token TEXT NOT NULL, path TEXT NOT NULL, info TEXT NOT NULL, expires INTEGER NOT NULL,
    PRIMARY KEY (bucket, token))`,
  // What the process of a node changed last: by it a change whose end is unknown is found to be made.
  `lastchange(bucket TEXT NOT NULL, node TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (bucket, node))`,
  // Processes that write. bucket is '' for all: sessions have one order.
  `session(bucket TEXT NOT NULL, seq INTEGER NOT NULL, node TEXT NOT NULL, expires INTEGER NOT NULL, open INTEGER NOT NULL,
    PRIMARY KEY (bucket, seq))`,
  // The secret is sealed. bucket is '' for keys and places.
  `accesskey(bucket TEXT NOT NULL, id TEXT NOT NULL, secret BLOB NOT NULL, owner TEXT NOT NULL, may TEXT NOT NULL,
    created INTEGER NOT NULL, PRIMARY KEY (bucket, id))`,
  `place(bucket TEXT NOT NULL, id TEXT NOT NULL, node TEXT NOT NULL, name TEXT NOT NULL, path TEXT NOT NULL,
    backend TEXT, bytes INTEGER, keep TEXT NOT NULL, state TEXT NOT NULL, PRIMARY KEY (bucket, id))`,
];

const INDEXES: readonly string[] = [
  'copy_place ON copy (place, cid)',
  'trash_key ON trash (bucket, key)',
  'trash_until ON trash (until)',
  'todo_due ON todo (kind, due)',
  'lock_path ON lock (bucket, path)',
  'upload_key ON upload (bucket, key, id)',
];

/** Makes what is not there yet. Safe to repeat, and for several nodes at once. */
export async function createCatalogue(link: CatalogueLink): Promise<void> {
  const known = await link.all(
    "SELECT name FROM sqlite_schema WHERE type IN ('table', 'index')",
    [],
  );
  const names = new Set(known.map(([name]) => name));
  const missing = [
    ...TABLES.filter((text) => !names.has(nameOf(text))).map(
      (text) => `CREATE TABLE IF NOT EXISTS ${text} ${BY_KEY} ${BY_BUCKET}`,
    ),
    ...INDEXES.filter((text) => !names.has(nameOf(text))).map(
      (text) => `CREATE INDEX IF NOT EXISTS ${text}`,
    ),
  ];
  if (missing.length > 0) await link.run(missing.map((sql) => ({ sql })));
  // Counts sessions; no bucket has this name.
  await link.transaction([{ sql: "SELECT 1 FROM usage WHERE bucket = ''" }], ([rows]) => ({
    writes:
      (rows ?? []).length > 0
        ? []
        : [
            {
              sql: "INSERT INTO usage (bucket, bytes, objects, ord, fence) VALUES ('', 0, 0, 0, 0)",
            },
          ],
    result: undefined,
  }));
}

export interface TableShape {
  readonly name: string;
  readonly columns: readonly string[];
  /** The columns of its primary key behind `bucket`, which is the first. */
  readonly key: readonly string[];
}

/** The tables as SQLite understands them. */
export function catalogueShape(): readonly TableShape[] {
  using database = new MemoryDatabase();
  return TABLES.map((text) => {
    database.exec(`CREATE TABLE ${text}`);
    const name = nameOf(text);
    const info = database.prepare(`SELECT name, pk FROM pragma_table_info('${name}')`).all();
    const columns = info.map(([column]) => String(column));
    const key = info
      .filter(([, at]) => Number(at) > 1)
      .toSorted((one, other) => Number(one[1]) - Number(other[1]))
      .map(([column]) => String(column));
    return { name, columns, key };
  });
}

/** As `createCatalogue`, in a file. */
export function catalogueTables(): readonly string[] {
  return TABLES.map((text) => `CREATE TABLE IF NOT EXISTS ${text} ${BY_KEY}`);
}

function nameOf(text: string): string {
  return /^\w+/.exec(text)?.[0] ?? '';
}
