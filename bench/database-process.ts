/** The very process that a node runs for its databases, told by this one what the agent would tell it: one database, all its stripes here. */
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { codeCacheEnvironment, fillCodeCache } from '../src/base/code-cache.ts';
import { CONTROL, type DatabasesConfig, type LogPlace } from '../src/databases/control.ts';
import { ControlClient } from '../src/databases/control-client.ts';
import { processPaths } from '../src/databases/process-record.ts';
import { makeToken, newTokenKey } from '../src/databases/tokens.ts';
import { HranaDatabase } from '../src/web/hrana-database.ts';
import type { EtcdUnderTest } from '../testing/etcd-kit.ts';
import { until } from '../testing/until.ts';
import { stop } from './tools.ts';

const MAIN = fileURLToPath(new URL('../src/databases/database-main.ts', import.meta.url));
const NODE = 'n1';

export interface Served extends AsyncDisposable {
  readonly pid: number;
  readonly etcdPids: readonly number[];
  readonly ports: {
    readonly port: { readonly port: number };
    readonly socket: { readonly path: string };
  };
  readonly token: string;
  readonly database: HranaDatabase;
}

export interface ServeOptions {
  /** Left out: the log is embedded. */
  readonly etcd?: EtcdUnderTest | undefined;
  /** A folder for CPU profiles of the process. */
  readonly profile?: string | undefined;
  readonly stripes?: number;
}

/** The database is called `bench`. */
export async function serve({ etcd, profile, stripes = 1 }: ServeOptions): Promise<Served> {
  const root = await mkdtemp(join(tmpdir(), 'moln-bench-'));
  const folders = { folder: join(root, 'data'), runFolder: join(root, 'run'), logFolder: root };
  for (const folder of [folders.folder, folders.runFolder]) await mkdir(folder);
  const flags = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`];
  const { runFolder } = folders;
  const words = (code: string): string[] => [MAIN, folders.folder, runFolder, root, code];
  await fillCodeCache('databases', 'bench', { runFolder, words: words('warm-up') });
  const child = spawn(process.execPath, [...flags, ...words('bench')], {
    env: codeCacheEnvironment(runFolder),
    stdio: ['ignore', 'inherit', 'inherit'],
  });
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
        stripes,
        splits: [],
        places: Array.from({ length: stripes }, () => [NODE]),
        copies: 1,
        regions: [],
        tokenKey: Buffer.from(tokenKey).toString('base64'),
      },
    ],
    dropped: [],
    tokens: [],
  };
  await until('the process answers', async () => {
    try {
      return await control.ask(CONTROL.config, config, AbortSignal.timeout(1000));
    } catch {
      return undefined;
    }
  });
  const { port } = (await control.ask(CONTROL.state, {}, AbortSignal.timeout(5000))) as {
    port: number;
  };
  const token = makeToken(tokenKey, { name: 'bench', readOnly: false, expiresAt: undefined });
  const database = new HranaDatabase(`http://127.0.0.1:${port}/db/bench/?authToken=${token}`);
  return {
    pid,
    token,
    database,
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
