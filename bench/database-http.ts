/**
 * A database as its clients reach it, with the very process that a node runs, told by this one what the agent would tell it: single-row inserts and
 * point reads over its port for apps and over its unix socket, with clients in a process of their own. The log is embedded, or in three real etcd members.
 * `--disk` has etcd's files where temporary files are, instead of in memory; `--profile FOLDER` keeps CPU profiles of the process.
 */
import { tmpdir } from 'node:os';
import { parseArgs } from 'node:util';
import { startEtcd } from '../testing/etcd-kit.ts';
import { serve, type Served } from './database-process.ts';
import { runClients } from './hrana-clients.ts';
import type { Load } from './hrana-load.ts';
import { oneAppend } from './one-append.ts';
import { allowedCores } from './tools.ts';

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
      disk: { type: 'boolean', default: false },
    },
  });
  const within = values.disk ? { within: tmpdir() } : {};
  const chosen = (word: string, ...all: readonly string[]): boolean =>
    positionals.includes(word) || !all.some((one) => positionals.includes(one));
  for (const log of ['embedded', 'etcd'] as const) {
    if (!chosen(log, 'embedded', 'etcd')) continue;
    await using etcd = log === 'etcd' ? await startEtcd(3, within) : undefined;
    await using served = await serve({ etcd, profile: values.profile });
    await fill(served);
    console.log(`\n${log === 'etcd' ? 'three etcd members' : 'embedded log'}, one stripe`);
    if (etcd !== undefined) {
      const { p50Ms, p99Ms } = await oneAppend(etcd.endpoints, Number(values.seconds));
      console.log(`one append, alone    p50 ${p50Ms.toFixed(2)} ms   p99 ${p99Ms.toFixed(2)} ms`);
    }
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
  const servers = [served.pid, ...served.etcdPids];
  const { measured, cpu } = await runClients(load, servers);
  const { statements, seconds, p50Ms, p99Ms } = measured;
  const micros = (used: number): number => Math.round((used / statements) * 1e6);
  const [own = 0] = cpu.servers;
  const server = cpu.servers.reduce((sum, one) => sum + one, 0);
  // What the machine could do if its clients were elsewhere, and nothing but CPU held it back.
  const alone = (statements * allowedCores().length) / server;
  console.log(
    `${what.padEnd(20)} ${String(load.clients).padStart(4)} clients ${String(Math.round(statements / seconds)).padStart(7)}/s   ` +
      `p50 ${p50Ms.toFixed(2)} ms   p99 ${p99Ms.toFixed(2)} ms   CPU each: process ${micros(own)} µs, ` +
      (servers.length === 1 ? '' : `etcd ${micros(server - own)} µs, `) +
      `clients ${micros(cpu.clients)} µs; without clients at most ${Math.round(alone)}/s`,
  );
}
