/**
 * Aggregates over all rows of a table on four stripes, through the engine, beside plain SQLite with the same rows in one file. The best that can be
 * possible is what SQLite takes for the stripes' own files, one after the other, shared among the cores.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
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
  using plain = openDatabase({ path: join(folder, 'plain.sqlite') });
  await using on = await startSql(STRIPES);
  const session = await on.open();
  await ask(session, TABLE);
  plain.exec(TABLE);
  for (let from = 1; from <= ROWS; from += CHUNK) {
    const values = [BigInt(from), BigInt(from + CHUNK - 1)];
    await ask(session, FILL, ...values);
    plain.prepare(FILL).run(...values);
  }
  const files = on.stripes.map(({ name }) => join(on.on.folder, 'n1', `${name}.sqlite`));
  const cores = Math.min(allowedCores().length, STRIPES);
  console.log(
    `\nAggregates over ${ROWS} rows, ms: ${STRIPES} stripes, plain SQLite, best possible on ${cores} cores`,
  );
  for (const sql of QUERIES) {
    const striped = await timed(async () => void (await ask(session, sql)));
    const alone = await timed(() => run(plain, sql));
    const parts: number[] = [];
    for (const path of files) {
      using part = openDatabase({ path });
      parts.push(await timed(() => run(part, sql)));
    }
    const best = parts.reduce((sum, ms) => sum + ms, 0) / cores;
    console.log(
      `${striped.toFixed(0).padStart(6)} ${alone.toFixed(0).padStart(6)} ${best.toFixed(0).padStart(6)}   ` +
        `${(striped / best).toFixed(2)} × the best, ${(striped / alone).toFixed(2)} × SQLite   ${sql}`,
    );
  }
  await rm(folder, { recursive: true });
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
    // SQLite holds this thread, and primaries have leases to renew.
    await pause(20);
  }
  return median(times);
}
