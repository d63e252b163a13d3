/**
 * A database as its clients see it, all in this process: single-row inserts and point reads through the engine, and through the wire
 * over HTTP, with the log embedded and on three real etcd members. CPU time is that of all threads, the clients' included.
 */
import { Agent, request } from 'node:http';
import { silentLogger } from '../src/base/log.ts';
import { systemClock } from '../src/base/time.ts';
import type { Stripe } from '../src/database/database.ts';
import { openEtcdRegistry, type Registry } from '../src/registry/registry.ts';
import { startEtcd } from '../testing/etcd-kit.ts';
import { ask, bound, ROOM, serveSql, startSql, type SqlUnderTest } from '../testing/sql-kit.ts';

const SECONDS = 4;
const WARM_SECONDS = 2;
const CLIENTS = [1, 64, 256] as const;
const STRIPES = [1, 4] as const;
const ROWS = 1000;
const SPLIT_ROWS = 200_000;
const SPLIT_CLIENTS = 8;
const INSERT = 'INSERT INTO item (name, n) VALUES (?, ?)';
const READ = 'SELECT name, n FROM item WHERE id = ?';

type Work = (client: number, n: number) => Promise<void>;

/** `options`: `embedded`, `etcd` or `split` alone, and a number of stripes alone; left out: all but the split. */
export async function benchSql(options: readonly string[]): Promise<void> {
  if (options.includes('split')) return await reportSplit();
  const chosen = STRIPES.filter((stripes) => options.includes(String(stripes)));
  const counts = chosen.length > 0 ? chosen : STRIPES;
  if (!options.includes('etcd'))
    for (const stripes of counts) await reportOn('embedded log', stripes, undefined);
  if (options.includes('embedded')) return;
  await using etcd = await startEtcd(3);
  for (const stripes of counts) {
    const registry = await openEtcdRegistry({
      endpoints: etcd.endpoints,
      prefix: `/bench${stripes}/`,
      clock: systemClock,
      log: silentLogger,
    });
    await reportOn('three etcd members', stripes, registry);
  }
}

async function reportOn(
  log: string,
  stripes: number,
  registry: Registry | undefined,
): Promise<void> {
  console.log(`\n${log}, ${stripes} stripes`);
  await using on = await startSql(
    stripes,
    registry === undefined ? {} : { database: { registry } },
  );
  const admin = await on.open();
  await ask(admin, 'CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, n INTEGER)');
  await ask(
    admin,
    `WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < ${ROWS}) INSERT INTO item SELECT i, hex(i), i FROM c`,
  );
  for (const clients of CLIENTS) {
    const engine = await throughEngine(on, clients);
    await measure('insert, engine', clients, engine.insert);
    await measure('point read, engine', clients, engine.read);
  }
  await using served = await serveSql(on.engine);
  for (const clients of CLIENTS) {
    const http = throughHttp(served.url, clients);
    await measure('insert, HTTP', clients, http.insert);
    await measure('point read, HTTP', clients, http.read);
    http.agent.destroy();
  }
}

/** A stripe of many rows is split while clients insert and read: how long it takes, and how long a client waits at most. */
async function reportSplit(): Promise<void> {
  const joined: Stripe[] = [];
  await using on = await startSql(1, {
    more: (number) => {
      const stripe = joined[number - 1];
      if (stripe === undefined) throw new Error(`There is no stripe ${number}`);
      return stripe;
    },
  });
  const fresh = await on.on.copy('n1', { name: 's1' });
  await fresh.lead();
  joined.push(fresh);
  const admin = await on.open();
  await ask(admin, 'CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, n INTEGER)');
  for (let from = 0; from < SPLIT_ROWS; from += SPLIT_ROWS / 10) {
    await ask(
      admin,
      `INSERT INTO item WITH RECURSIVE c(i) AS (SELECT ${from + 1} UNION ALL SELECT i + 1 FROM c WHERE i < ${from + SPLIT_ROWS / 10}) SELECT i, 'the name of item ' || i, i FROM c`,
    );
  }
  const { insert, read } = await throughEngine(on, SPLIT_CLIENTS);
  const work: Work = (client, n) => (client % 2 === 0 ? insert(client, n) : read(client, n));
  const quiet = await drive(SPLIT_CLIENTS, SECONDS, work);
  const splitter = on.engine.splitter();
  const began = performance.now();
  let isOver = false;
  const split = splitter.run({ from: 0, into: 1 }, AbortSignal.timeout(600_000)).finally(() => {
    isOver = true;
  });
  const times: number[] = [];
  while (!isOver) for (const ms of (await drive(SPLIT_CLIENTS, 1, work)).times) times.push(ms);
  await split;
  const seconds = (performance.now() - began) / 1000;
  const { rows, pauseMsMax } = splitter.figures;
  const p99 = (all: readonly number[]): string =>
    (all.toSorted((a, b) => a - b)[Math.floor(all.length * 0.99)] ?? 0).toFixed(1);
  console.log(`Split of a stripe of ${SPLIT_ROWS} rows, ${SPLIT_CLIENTS} clients, embedded log`);
  console.log(
    `${rows} rows moved in ${seconds.toFixed(1)} s, ${Math.round(rows / seconds)}/s; all stripes held for ${pauseMsMax.toFixed(0)} ms at most`,
  );
  console.log(
    `clients: ${Math.round(times.length / seconds)}/s, p99 ${p99(times)} ms, at most ${Math.max(...times).toFixed(0)} ms; before: ${Math.round(quiet.times.length / quiet.seconds)}/s, p99 ${p99(quiet.times)} ms, at most ${Math.max(...quiet.times).toFixed(0)} ms`,
  );
}

async function throughEngine(
  on: SqlUnderTest,
  clients: number,
): Promise<{ readonly insert: Work; readonly read: Work }> {
  const sessions = await Promise.all(Array.from({ length: clients }, () => on.open()));
  const execute = async (client: number, sql: string, values: readonly (bigint | string)[]) => {
    await sessions[client]?.execute(bound(sql, values), ROOM);
  };
  return {
    insert: (client, n) => execute(client, INSERT, [`name ${n}`, BigInt(n)]),
    read: (client, n) => execute(client, READ, [BigInt(1 + (n % ROWS))]),
  };
}

function throughHttp(
  url: string,
  clients: number,
): { readonly insert: Work; readonly read: Work; readonly agent: Agent } {
  const agent = new Agent({ keepAlive: true, maxSockets: clients });
  const execute = async (sql: string, args: readonly unknown[]): Promise<void> => {
    const requests = [{ type: 'execute', stmt: { sql, args, want_rows: true } }, { type: 'close' }];
    const answer = await post(`${url}/v2/pipeline`, JSON.stringify({ requests }), agent);
    if (answer.includes('"error"')) throw new Error(answer);
  };
  const integer = (n: number): unknown => ({ type: 'integer', value: String(n) });
  return {
    agent,
    insert: (_client, n) => execute(INSERT, [{ type: 'text', value: `name ${n}` }, integer(n)]),
    read: (_client, n) => execute(READ, [integer(1 + (n % ROWS))]),
  };
}

function post(url: string, body: string, agent: Agent): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': body.length };
    const asked = request(url, { method: 'POST', agent, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (piece: string) => (text += piece));
      response.on('error', reject);
      response.on('end', () => resolve(text));
    });
    asked.on('error', reject);
    asked.end(body);
  });
}

async function measure(what: string, clients: number, work: Work): Promise<void> {
  await drive(clients, WARM_SECONDS, work);
  const cpu = process.cpuUsage();
  const { times, seconds } = await drive(clients, SECONDS, work);
  const { user, system } = process.cpuUsage(cpu);
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number): string => (sorted[Math.floor(sorted.length * share)] ?? 0).toFixed(2);
  console.log(
    `${what.padEnd(20)} ${String(clients).padStart(4)} clients ${String(Math.round(times.length / seconds)).padStart(7)}/s   p50 ${at(0.5)} ms   p99 ${at(0.99)} ms   ${((user + system) / times.length).toFixed(0)} µs of CPU each`,
  );
}

async function drive(
  clients: number,
  forSeconds: number,
  work: Work,
): Promise<{ readonly times: number[]; readonly seconds: number }> {
  const times: number[] = [];
  const began = performance.now();
  const end = began + forSeconds * 1000;
  let n = 0;
  await Promise.all(
    Array.from({ length: clients }, async (_, client) => {
      for (let at = performance.now(); at < end;) {
        await work(client, n++);
        const now = performance.now();
        times.push(now - at);
        at = now;
      }
    }),
  );
  return { times, seconds: (performance.now() - began) / 1000 };
}
