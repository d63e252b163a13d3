/**
 * A database as its clients reach it, with the very process that a node runs, told by this one what the agent would tell it: single-row inserts and
 * point reads over its port for apps and over its unix socket, with clients in a process of their own. The log is embedded, or in three real etcd members.
 * `--profile FOLDER` keeps CPU profiles of the process.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { CONTROL, type DatabasesConfig, type LogPlace } from '../src/databases/control.ts';
import { ControlClient } from '../src/databases/control-client.ts';
import { processPaths } from '../src/databases/process-record.ts';
import { makeToken, newTokenKey } from '../src/databases/tokens.ts';
import { HranaDatabase } from '../src/web/hrana-database.ts';
import { type EtcdUnderTest, startEtcd } from '../testing/etcd-kit.ts';
import { until } from '../testing/until.ts';
import type { Load, Measured } from './hrana-load.ts';
import { cpuSeconds, stop } from './tools.ts';

const MAIN = fileURLToPath(new URL('../src/databases/database-main.ts', import.meta.url));
const CLIENT = fileURLToPath(new URL('./hrana-load.ts', import.meta.url));
const CLIENTS = [1, 64, 256] as const;
const ROWS = 1000;
const NODE = 'n1';

interface Served extends AsyncDisposable {
  readonly pid: number;
  readonly etcdPids: readonly number[];
  readonly ports: Readonly<Record<'port' | 'socket', Load['at']>>;
  readonly token: string;
}

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
    await using served = await serve(etcd, values.profile);
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

async function serve(
  etcd: EtcdUnderTest | undefined,
  profile: string | undefined,
): Promise<Served> {
  const root = await mkdtemp(join(tmpdir(), 'moln-bench-'));
  const folders = { folder: join(root, 'data'), runFolder: join(root, 'run'), logFolder: root };
  for (const folder of [folders.folder, folders.runFolder]) await mkdir(folder);
  const flags = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`];
  const words = [...flags, MAIN, folders.folder, folders.runFolder, root, 'bench'];
  const child = spawn(process.execPath, words, { stdio: ['ignore', 'inherit', 'inherit'] });
  const { pid } = child;
  if (pid === undefined) throw new Error('The database process has no id');
  const { socket, appSocket } = processPaths(folders);
  const control = new ControlClient({ path: socket, away: (why) => new Error(why) as never });
  const tokenKey = newTokenKey();
  const config: DatabasesConfig = {
    node: NODE,
    log: etcd === undefined ? { kind: 'embedded' } : placeOf(etcd.endpoints),
    peers: undefined,
    databases: [
      {
        name: 'bench',
        id: 'bench0000000',
        stripes: 1,
        splits: [],
        places: [[NODE]],
        tokenKey: Buffer.from(tokenKey).toString('base64'),
      },
    ],
    dropped: [],
    tokens: [],
  };
  await until('the process answers', async () => {
    try {
      return await control.ask(CONTROL.config, config, { timeoutMs: 1000 });
    } catch {
      return undefined;
    }
  });
  const { port } = (await control.ask(CONTROL.state, {}, { timeoutMs: 5000 })) as { port: number };
  const token = makeToken(tokenKey, { name: 'bench', readOnly: false, expiresAt: undefined });
  const database = new HranaDatabase(`http://127.0.0.1:${port}/db/bench/?authToken=${token}`);
  await database.script('CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, n INTEGER)');
  await database.script(
    `WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < ${ROWS}) INSERT INTO item SELECT i, hex(i), i FROM c`,
  );
  return {
    pid,
    token,
    etcdPids: etcd?.members.flatMap((member) => member.pid ?? []) ?? [],
    ports: { port: { port }, socket: { path: appSocket } },
    async [Symbol.asyncDispose]() {
      control[Symbol.dispose]();
      await stop(child);
      await rm(root, { recursive: true });
    },
  };
}

function placeOf(endpoints: readonly string[]): LogPlace {
  return {
    kind: 'etcd',
    endpoints,
    prefix: '/bench/',
    client: NODE,
    epoch: 1,
    tls: undefined,
    isFounder: true,
    node: NODE,
    isHolder: false,
    standbyPrefix: undefined,
  };
}

async function report(what: string, served: Served, load: Load): Promise<void> {
  const client = spawn(process.execPath, [CLIENT, JSON.stringify(load)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: client.stdout })[Symbol.asyncIterator]();
  const ended = once(client, 'exit');
  await lines.next();
  const pids = [served.pid, ...served.etcdPids];
  const before = pids.map(cpuSeconds);
  const { value } = (await lines.next()) as { value?: string };
  const used = pids.map((pid, at) => cpuSeconds(pid) - (before[at] ?? 0));
  await ended;
  if (value === undefined) throw new Error(`The clients failed: ${what}`);
  const { statements, seconds, p50Ms, p99Ms } = JSON.parse(value) as Measured;
  const micros = (cpu: number): string => ((cpu / statements) * 1e6).toFixed(0);
  const [own = 0, ...etcd] = used;
  console.log(
    `${what.padEnd(20)} ${String(load.clients).padStart(4)} clients ${String(Math.round(statements / seconds)).padStart(7)}/s   ` +
      `p50 ${p50Ms.toFixed(2)} ms   p99 ${p99Ms.toFixed(2)} ms   CPU each: process ${micros(own)} µs` +
      (etcd.length === 0 ? '' : `, etcd ${micros(etcd.reduce((sum, one) => sum + one, 0))} µs`),
  );
}
