/**
 * A database as its clients see it, all in this process: single-row inserts and point reads through the engine, and through the wire
 * over HTTP, with the log embedded and on three real etcd members. CPU time is that of all threads, the clients' included.
 */
import { Agent, request } from 'node:http';
import { silentLogger } from '../src/base/log.ts';
import { systemClock } from '../src/base/time.ts';
import { openEtcdRegistry, type Registry } from '../src/registry/registry.ts';
import { startEtcd } from '../testing/etcd-kit.ts';
import { ask, bound, ROOM, serveSql, startSql, type SqlUnderTest } from '../testing/sql-kit.ts';

const SECONDS = 4;
const WARM_SECONDS = 2;
const CLIENTS = [1, 64, 256] as const;
const STRIPES = [1, 4] as const;
const ROWS = 1000;
const INSERT = 'INSERT INTO item (name, n) VALUES (?, ?)';
const READ = 'SELECT name, n FROM item WHERE id = ?';

type Work = (client: number, n: number) => Promise<void>;

export async function benchSql(): Promise<void> {
  for (const stripes of STRIPES) await reportOn('embedded log', stripes, undefined);
  await using etcd = await startEtcd(3);
  for (const stripes of STRIPES) {
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
