/**
 * A database as its clients reach it, with the very process that a node runs, told by this one what the agent would tell it: single-row inserts and
 * point reads over its port for apps and over its unix socket, with clients in a process of their own. The log is embedded, or in three real etcd members.
 * `--profile FOLDER` keeps CPU profiles of the process.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startEtcd } from '../testing/etcd-kit.ts';
import { serve, type Served } from './database-process.ts';
import type { Load, Measured } from './hrana-load.ts';
import { allowedCores, cpuSeconds } from './tools.ts';

const CLIENT = fileURLToPath(new URL('./hrana-load.ts', import.meta.url));
const CLIENTS = [1, 64, 256] as const;
const ROWS = 1000;

export async function benchDatabaseHttp(options: readonly string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args: [...options],
    allowPositionals: true,
    options: {
      seconds: { type: 'string', default: '3' },
      clients: { type: 'string' },
      profile: { type: 'string' },
    },
  });
  const chosen = (word: string, ...all: readonly string[]): boolean =>
    positionals.includes(word) || !all.some((one) => positionals.includes(one));
  for (const log of ['embedded', 'etcd'] as const) {
    if (!chosen(log, 'embedded', 'etcd')) continue;
    await using etcd = log === 'etcd' ? await startEtcd(3) : undefined;
    await using served = await serve({ etcd, profile: values.profile });
    await fill(served);
    console.log(`\n${log === 'etcd' ? 'three etcd members' : 'embedded log'}, one stripe`);
    for (const where of ['port', 'socket'] as const) {
      if (!chosen(where, 'port', 'socket')) continue;
      for (const clients of values.clients?.split(',').map(Number) ?? CLIENTS) {
        for (const [kind, level] of WORK) {
          if (!chosen(`${kind}${level}`, ...WORK.map((one) => one.join('')))) continue;
          const base = `/db/bench/${level === '' ? '' : `read/${level}/`}`;
          const seconds = Number(values.seconds);
          const { token, ports } = served;
          await report(`${kind} ${level}, ${where}`, served, {
            at: ports[where],
            base,
            token,
            kind,
            clients,
            seconds,
            warmSeconds: 1.5,
            rows: ROWS,
          });
        }
      }
    }
  }
}

const WORK: readonly (readonly ['insert' | 'read', string])[] = [
  ['insert', ''],
  ['read', ''],
  ['read', 'stale'],
];

async function fill({ database }: Served): Promise<void> {
  await database.script('CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, n INTEGER)');
  await database.script(
    `WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < ${ROWS}) INSERT INTO item SELECT i, hex(i), i FROM c`,
  );
}

async function report(what: string, served: Served, load: Load): Promise<void> {
  const client = spawn(process.execPath, [CLIENT, JSON.stringify(load)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: client.stdout })[Symbol.asyncIterator]();
  const ended = once(client, 'exit');
  await lines.next();
  if (client.pid === undefined) throw new Error('The clients have no process');
  const pids = [served.pid, client.pid, ...served.etcdPids];
  const before = pids.map(cpuSeconds);
  const { value } = (await lines.next()) as { value?: string };
  const used = pids.map((pid, at) => cpuSeconds(pid) - (before[at] ?? 0));
  client.stdin.end();
  await ended;
  if (value === undefined) throw new Error(`The clients failed: ${what}`);
  const { statements, seconds, p50Ms, p99Ms } = JSON.parse(value) as Measured;
  const micros = (cpu: number): number => Math.round((cpu / statements) * 1e6);
  const [own = 0, clients = 0, ...etcd] = used;
  const server = own + etcd.reduce((sum, one) => sum + one, 0);
  // What the machine could do if its clients were elsewhere, and nothing but CPU held it back.
  const alone = (statements * allowedCores().length) / server;
  console.log(
    `${what.padEnd(20)} ${String(load.clients).padStart(4)} clients ${String(Math.round(statements / seconds)).padStart(7)}/s   ` +
      `p50 ${p50Ms.toFixed(2)} ms   p99 ${p99Ms.toFixed(2)} ms   CPU each: process ${micros(own)} µs, ` +
      (etcd.length === 0 ? '' : `etcd ${micros(server - own)} µs, `) +
      `clients ${micros(clients)} µs; without clients at most ${Math.round(alone)}/s`,
  );
}
