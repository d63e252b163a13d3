/**
 * What a copy keeps for itself in the stripe's file: where it is in the log, and the triggers that it holds back while it is a mirror.
 * These tables have no primary key on purpose: the session extension does not see them, so they never get into an entry.
 */
import type { Connection } from './connection.ts';
import { sha256 } from './entry.ts';
import { corrupt, sqlError } from './errors.ts';
import { isOwnTable } from './guard.ts';

/** The last entry that the file contains. */
export interface Applied {
  readonly index: number;
  readonly hash: Uint8Array;
  readonly schemaVersion: number;
  /** Of that entry; the log's epochs only grow. */
  readonly epoch: number;
}

const FORMAT = 1;

/** Makes the tables in a new file. Throws `DATABASE_CORRUPT` for a file of another format. */
export function prepareFile(connection: Connection): void {
  const version = Number(connection.ownValue('PRAGMA user_version'));
  if (version > FORMAT) throw corrupt(`The file has format ${version}, this Moln knows ${FORMAT}`);
  if (version === FORMAT) return;
  connection.exec(`
    BEGIN IMMEDIATE;
    CREATE TABLE IF NOT EXISTS _moln_applied (
      idx INTEGER NOT NULL, hash BLOB NOT NULL, schema_version INTEGER NOT NULL, epoch INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS _moln_triggers (name TEXT NOT NULL, sql TEXT NOT NULL) STRICT;
    INSERT INTO _moln_applied SELECT 0, zeroblob(32), 0, 0 WHERE NOT EXISTS (SELECT 1 FROM _moln_applied);
    PRAGMA user_version = ${FORMAT};
    COMMIT;
  `);
}

export function readApplied(connection: Connection): Applied {
  const [row] = connection.own('SELECT idx, hash, schema_version, epoch FROM _moln_applied');
  if (row === undefined) throw corrupt('The file does not say where it is in the log');
  return {
    index: Number(row[0]),
    hash: row[1] as Uint8Array,
    schemaVersion: Number(row[2]),
    epoch: Number(row[3]),
  };
}

/** Inside the transaction that applies the entry. */
export function writeApplied(connection: Connection, next: Applied): void {
  connection.own(
    'UPDATE _moln_applied SET idx = ?, hash = ?, schema_version = ?, epoch = ?',
    BigInt(next.index),
    next.hash,
    BigInt(next.schemaVersion),
    BigInt(next.epoch),
  );
}

/** Takes all triggers out of the schema and notes them, so that they do not fire for what they did already. */
export function holdTriggers(connection: Connection): void {
  const triggers = connection.own(
    "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' ORDER BY name",
  );
  for (const [name, sql] of triggers) {
    connection.own(
      'INSERT INTO _moln_triggers (name, sql) VALUES (?, ?)',
      name ?? null,
      sql ?? null,
    );
    connection.exec(`DROP TRIGGER ${quoted(String(name))}`);
  }
}

/** The way back. */
export function releaseTriggers(connection: Connection): void {
  for (const [sql] of connection.own('SELECT sql FROM _moln_triggers ORDER BY name')) {
    connection.exec(String(sql));
  }
  connection.exec('DELETE FROM _moln_triggers');
}

/** SHA-256 of the schema, the same on primary and mirror. */
export function schemaDigest(connection: Connection): Uint8Array {
  const rows = connection.own(`
    SELECT type, name, sql FROM sqlite_schema
      WHERE name NOT LIKE '\\_moln\\_%' ESCAPE '\\' AND sql IS NOT NULL
    UNION ALL SELECT 'trigger', name, sql FROM _moln_triggers
    ORDER BY 1, 2
  `);
  return sha256(Buffer.from(JSON.stringify(rows)));
}

/** Tables whose rows are kept in the file itself, with those of virtual tables, without our own. */
export function tableNames(connection: Connection): readonly string[] {
  return connection
    .own(
      "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'shadow') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
    )
    .map(([name]) => String(name))
    .filter((name) => !isOwnTable(name));
}

/**
 * Every table needs a primary key that is never NULL: rows without one would silently be missing on every mirror.
 * Throws `DATABASE_SQL`.
 */
export function checkKeys(connection: Connection): void {
  // A key that is the rowid itself has no index of its own and is never NULL, nor are those of WITHOUT ROWID.
  const rows = connection.own(`
    SELECT l.name, sum(c.pk > 0),
           l.wr = 0 AND sum(c.pk > 0 AND c."notnull" = 0) > 0
             AND EXISTS (SELECT 1 FROM pragma_index_list(l.name) i WHERE i.origin = 'pk')
      FROM pragma_table_list l JOIN pragma_table_xinfo(l.name) c
     WHERE l.schema = 'main' AND l.type = 'table' AND l.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
     GROUP BY l.name
  `);
  for (const [name, keys, nullable] of rows) {
    if (isOwnTable(String(name))) continue;
    if (keys === 0n) {
      throw sqlError(
        `Table "${String(name)}" has no PRIMARY KEY, which every table needs here: add one, such as "id INTEGER PRIMARY KEY", or create the table first and then INSERT … SELECT`,
        1,
      );
    }
    if (nullable === 1n) {
      throw sqlError(
        `The PRIMARY KEY of table "${String(name)}" may be NULL: declare its columns NOT NULL`,
        1,
      );
    }
  }
}

/** Whether a foreign key of the schema is looked at only when a transaction commits. */
export function hasDeferredKeys(connection: Connection): boolean {
  const found = connection.ownValue(
    "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND sql LIKE '%INITIALLY%DEFERRED%'",
  );
  return found !== 0n;
}

/** Whether a table was ever declared AUTOINCREMENT. */
export function hasSequences(connection: Connection): boolean {
  return (
    connection.ownValue("SELECT count(*) FROM sqlite_schema WHERE name = 'sqlite_sequence'") !== 0n
  );
}

/** What `sqlite_sequence` holds: the highest ids that AUTOINCREMENT ever gave. */
export function readSequences(connection: Connection): ReadonlyMap<string, bigint> {
  if (!hasSequences(connection)) return new Map();
  const rows = connection.own('SELECT name, seq FROM sqlite_sequence');
  return new Map(rows.map(([name, value]) => [String(name), value as bigint]));
}

export function writeSequences(
  connection: Connection,
  values: readonly (readonly [string, bigint])[],
): void {
  for (const [table, value] of values) {
    connection.own('DELETE FROM sqlite_sequence WHERE name = ?', table);
    connection.own('INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)', table, value);
  }
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
