/** A digest of all that clients have in a file, as of one entry: the same for every copy of a stripe, however it was made. */
import { createHash, type Hash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { readApplied, tableNames } from './applied.ts';
import type { Connection } from './connection.ts';
import { DIGEST_REST_MS, DIGEST_WORK_MS } from './limits.ts';
import type { SqlValue, StripeDigest } from './statement.ts';

const ROWS_BETWEEN_LOOKS = 64;

/**
 * Reads every row, resting half of the time. `onBegun` is told the entry as soon as it is settled: what is written from then on does not
 * count. Nothing else may be asked of the connection meanwhile.
 */
export async function digestOf(
  connection: Connection,
  onBegun: (index: number) => Promise<void>,
  now: () => number,
): Promise<StripeDigest> {
  connection.exec('BEGIN');
  try {
    const { index } = readApplied(connection);
    await onBegun(index);
    let restMs = now() + DIGEST_WORK_MS;
    const tables: Record<string, string> = {};
    for (const table of tableNames(connection)) {
      const hash = createHash('sha256');
      let rows = 0;
      for (const row of connection.ownRows(
        `SELECT * FROM ${quoted(table)}${orderOf(connection, table)}`,
      )) {
        for (const value of row) hashValue(hash, value);
        if (++rows % ROWS_BETWEEN_LOOKS > 0 || now() < restMs) continue;
        await pause(DIGEST_REST_MS);
        restMs = now() + DIGEST_WORK_MS;
      }
      tables[table] = hash.digest('hex');
    }
    return { index, tables };
  } finally {
    connection.exec('ROLLBACK');
  }
}

/** Names of the tables that are not the same in both. */
export function differing(one: StripeDigest, other: StripeDigest): readonly string[] {
  const names = new Set([...Object.keys(one.tables), ...Object.keys(other.tables)]);
  return [...names].filter((name) => one.tables[name] !== other.tables[name]).toSorted();
}

function orderOf(connection: Connection, table: string): string {
  const keys = connection
    .own('SELECT name FROM pragma_table_xinfo(?) WHERE pk > 0 ORDER BY pk', table)
    .map(([key]) => quoted(String(key)));
  return keys.length > 0 ? ` ORDER BY ${keys.join(', ')}` : '';
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Type and length go before the bytes, so that no two rows look alike. */
function hashValue(hash: Hash, value: SqlValue): void {
  if (value === null) return void hash.update('n;');
  if (value instanceof Uint8Array) hash.update(`b${value.byteLength};`).update(value);
  else if (typeof value === 'string') hash.update(`t${value.length};`).update(value);
  else hash.update(`${typeof value === 'bigint' ? 'i' : 'r'}${String(value)};`);
}
