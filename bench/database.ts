/**
 * One stripe of the database, asked in this process: single-row inserts at 1, 64 and 256 clients over the embedded log and over three
 * real etcd members, beside bare appends to that log and beside SQLite itself; point reads at each level.
 */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '../src/base/log.ts';
import { systemClock } from '../src/base/time.ts';
import type { ReadLevel, Stripe } from '../src/database/database.ts';
import { openDatabase } from '../src/sqlite/sqlite.ts';
import { openEtcdRegistry, type Registry } from '../src/registry/registry.ts';
import { type DatabaseUnderTest, run, startDatabase } from '../testing/database-kit.ts';
import { startEtcd } from '../testing/etcd-kit.ts';
import { benchDatabaseLog } from './database-log.ts';
import { benchDatabaseMemory } from './database-memory.ts';
import { benchDatabaseScatter } from './database-scatter.ts';

const SECONDS = 2;
const CLIENTS = [1, 64, 256] as const;
const ROWS = 1000n;
const MOVES = 6;
const LARGE_BYTES = 200_000;
const LARGE_ENTRIES = 500;

/** `options`: `scatter`, `memory`, `log-quota` or `moves` alone, for what those measure; left out: one stripe, and its moves. */
export async function benchDatabase(options: readonly string[]): Promise<void> {
  if (options.includes('scatter')) return await benchDatabaseScatter();
  if (options.includes('memory')) return await benchDatabaseMemory();
  if (options.includes('log-quota')) return await benchDatabaseLog(options);
  const isWhole = !options.includes('moves');
  if (isWhole) {
    await reportSqlite();
    await reportOn('embedded log', undefined);
  }
  await using etcd = await startEtcd(3);
  const open = (prefix: string): Promise<Registry> =>
    openEtcdRegistry({ endpoints: etcd.endpoints, prefix, clock: systemClock, log: silentLogger });
  if (isWhole) await reportOn('three etcd members', await open('/a/'));
  await reportMoves(await open('/b/'));
}

/** What one thread can do without any log: one durable commit for each row. */
async function reportSqlite(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'moln-bench-'));
  const db = openDatabase({ path: join(folder, 'plain.sqlite') });
  db.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); CREATE INDEX i ON t (v)');
  const insert = db.prepare('INSERT INTO t (v) VALUES (?)');
  const end = performance.now() + SECONDS * 1000;
  let count = 0;
  for (; performance.now() < end; count++) insert.run(`value ${count}`);
  say('SQLite alone, synchronous=FULL', 1, count / SECONDS, []);
  db[Symbol.dispose]();
  await rm(folder, { recursive: true });
}

async function reportOn(title: string, registry: Registry | undefined): Promise<void> {
  console.log(`\n${title}`);
  await using on = await startDatabase(registry === undefined ? {} : { registry });
  const stripe = await on.copy('n1');
  await stripe.lead();
  await run(stripe, 'CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)');
  await run(stripe, 'CREATE INDEX i ON t (v)');
  await reportAppends(on);
  for (const clients of CLIENTS) await reportInserts(stripe, clients);
  for (const kind of ['stale', 'strong'] as const) {
    for (const clients of CLIENTS) await reportReads(stripe, { kind }, clients);
  }
}

async function reportAppends(on: DatabaseUnderTest): Promise<void> {
  const value = new Uint8Array(300);
  await measure('bare commit of 300 bytes', 1, async (n) => {
    await on.registry.commit([], [{ kind: 'put', key: `/bare/${n % 100}`, value }]);
  });
}

async function reportInserts(stripe: Stripe, clients: number): Promise<void> {
  const before = stripe.primary?.figures;
  await measure('insert', clients, async (n) => {
    await stripe.execute([{ sql: 'INSERT INTO t (v) VALUES (?)', args: [`value ${n}`] }]);
  });
  const after = stripe.primary?.figures;
  if (before === undefined || after === undefined) return;
  const entries = after.entries - before.entries;
  const group = (after.transactions - before.transactions) / entries;
  console.log(
    `    ${group.toFixed(1)} transactions an entry, ${((after.appendMs - before.appendMs) / entries).toFixed(2)} ms an append`,
  );
}

async function reportReads(stripe: Stripe, level: ReadLevel, clients: number): Promise<void> {
  await measure(`point read, ${level.kind}`, clients, async (n) => {
    const args = [1n + (BigInt(n) % ROWS)];
    await stripe.query({ sql: 'SELECT v FROM t WHERE id = ?', args }, level);
  });
}

async function measure(
  what: string,
  clients: number,
  work: (n: number) => Promise<void>,
): Promise<void> {
  const times: number[] = [];
  let n = 0;
  const end = performance.now() + SECONDS * 1000;
  const began = performance.now();
  await Promise.all(
    Array.from({ length: clients }, async () => {
      for (let at = performance.now(); at < end;) {
        await work(n++);
        const now = performance.now();
        times.push(now - at);
        at = now;
      }
    }),
  );
  say(what, clients, times.length / ((performance.now() - began) / 1000), times);
}

function say(what: string, clients: number, perSecond: number, times: readonly number[]): void {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number): string => (sorted[Math.floor(sorted.length * share)] ?? 0).toFixed(2);
  console.log(
    `${what.padEnd(32)} ${String(clients).padStart(4)} clients ${String(Math.round(perSecond)).padStart(8)}/s   p50 ${at(0.5)} ms   p99 ${at(0.99)} ms`,
  );
}

/** How long writers wait while a stripe is handed over on purpose, and how fast a new copy catches up from a log of large entries. */
async function reportMoves(registry: Registry): Promise<void> {
  console.log('\nMoves and new copies, three etcd members');
  await using on = await startDatabase({ registry });
  const [one, other] = [await on.copy('n1', { name: 'm' }), await on.copy('n2', { name: 'm' })];
  await one.lead();
  await run(one, 'CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB)');
  const pauses: number[] = [];
  let [from, to] = [one, other];
  for (let move = 0; move < MOVES; move++) {
    await to.catchUp();
    const began = performance.now();
    const successor = to;
    await from.release((replaces) => successor.lead({ replaces }));
    await run(to, 'INSERT INTO t (v) VALUES (1)');
    pauses.push(performance.now() - began);
    [from, to] = [to, from];
  }
  console.log(
    `planned move, to the first write: ${pauses.map((ms) => ms.toFixed(0)).join(', ')} ms`,
  );
  const piece = randomBytes(LARGE_BYTES);
  for (let n = 0; n < LARGE_ENTRIES; n++) {
    await run(from, 'INSERT INTO t (v) VALUES (?)', new Uint8Array(piece));
  }
  const began = performance.now();
  await on.copy('n3', { name: 'm' });
  const seconds = (performance.now() - began) / 1000;
  const mb = (LARGE_BYTES * LARGE_ENTRIES) / 1e6;
  console.log(
    `a new copy applied ${mb.toFixed(0)} MB of log in ${seconds.toFixed(2)} s: ${(mb / seconds).toFixed(0)} MB/s`,
  );
}
