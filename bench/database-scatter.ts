/**
 * Aggregates over all rows of a table on four stripes, through the engine, beside plain SQLite with the same rows in one file. The best that can be
 * possible is what SQLite takes for the stripes' own files, one after the other, shared among the cores.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Database, openDatabase } from '../src/sqlite/sqlite.ts';
import { ask, startSql } from '../testing/sql-kit.ts';
import { allowedCores, median } from './tools.ts';

const STRIPES = 4;
const ROWS = 1_000_000;
/** In one transaction. */
const CHUNK = 100_000;
const RUNS = 7;

const TABLE = 'CREATE TABLE item (id INTEGER PRIMARY KEY, kind INTEGER, amount INTEGER, name TEXT)';
const FILL =
  "INSERT INTO item WITH RECURSIVE c(i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM c WHERE i < ?2) SELECT i, i % 100, i * 7919 % 1000, 'item ' || i FROM c";

const QUERIES: readonly string[] = [
  'SELECT count(*), sum(amount) FROM item',
  'SELECT kind, count(*), sum(amount), avg(amount), max(name) FROM item GROUP BY kind ORDER BY kind',
  "SELECT sum(amount) FROM item WHERE name LIKE '%77%'",
];

export async function benchDatabaseScatter(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'moln-bench-'));
  const fills = Array.from({ length: ROWS / CHUNK }, (_, at) => [
    BigInt(at * CHUNK + 1),
    BigInt((at + 1) * CHUNK),
  ]);
  // One after the other, for SQLite holds this thread, and primaries have leases to renew.
  const alone = await measured(join(folder, 'plain.sqlite'), (db) => {
    db.exec(TABLE);
    for (const values of fills) db.prepare(FILL).run(...values);
  });
  const striped: number[] = [];
  const files: string[] = [];
  {
    await using on = await startSql(STRIPES, { database: { folder } });
    const session = await on.open();
    await ask(session, TABLE);
    for (const values of fills) await ask(session, FILL, ...values);
    for (const sql of QUERIES)
      striped.push(await timed(async () => void (await ask(session, sql))));
    files.push(...on.stripes.map(({ name }) => join(folder, 'n1', `${name}.sqlite`)));
  }
  const parts: (readonly number[])[] = [];
  for (const path of files) parts.push(await measured(path));
  const cores = Math.min(allowedCores().length, STRIPES);
  console.log(
    `\nAggregates over ${ROWS} rows, ms: ${STRIPES} stripes, plain SQLite, best possible on ${cores} cores`,
  );
  for (const [at, sql] of QUERIES.entries()) {
    const best = parts.reduce((sum, part) => sum + (part[at] ?? 0), 0) / cores;
    const [ours = 0, plain = 0] = [striped[at], alone[at]];
    console.log(
      `${ours.toFixed(0).padStart(6)} ${plain.toFixed(0).padStart(6)} ${best.toFixed(0).padStart(6)}   ` +
        `${(ours / best).toFixed(2)} × the best, ${(ours / plain).toFixed(2)} × SQLite   ${sql}`,
    );
  }
  await rm(folder, { recursive: true });
}

/** What each query takes over one file. */
async function measured(
  path: string,
  prepare?: (db: Database) => void,
): Promise<readonly number[]> {
  using db = openDatabase({ path });
  prepare?.(db);
  const times: number[] = [];
  for (const sql of QUERIES) times.push(await timed(() => run(db, sql)));
  return times;
}

function run(db: Database, sql: string): void {
  db.prepare(sql).all();
}

async function timed(work: () => Promise<void> | void): Promise<number> {
  const times: number[] = [];
  for (let n = 0; n < RUNS; n++) {
    const began = performance.now();
    await work();
    times.push(performance.now() - began);
  }
  return median(times);
}
