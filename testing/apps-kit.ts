/**
 * The run side of apps without a gateway: a real registry, real processes, and a router that is a small reverse proxy,
 * so that tests can send requests through published routes.
 */
import { mkdtempSync, realpathSync, rmSync, chmodSync, mkdirSync, readdirSync } from 'node:fs';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import {
  type AppRoute,
  AppRoutes,
  Apps,
  findTools,
  packFolder,
  type Progress,
  type Router,
  type UpstreamLoad,
  type Vault,
} from '../src/apps/apps.ts';
import { createLogger, formatPlain, type Logger } from '../src/base/log.ts';
import { systemClock } from '../src/base/time.ts';
import { WorkerRunner } from '../src/base/worker.ts';
import { alonePeers, type Peers } from '../src/cluster/cluster.ts';
import { openSqliteRegistry, type Registry, type Revision } from '../src/registry/registry.ts';
import { appFolder } from './app-folder.ts';
import { nothingKept } from './kept-kit.ts';
import { until } from './until.ts';

const NODE_ID = 'n1';

export type { Progress };

/** The gateways of these tests: one plain proxy, one fresh upstream connection per request. */
export class ProxyRouter implements Router {
  readonly routes: Map<string, AppRoute> = new Map();
  readonly #load = new Map<string, { requests: number; upgrades: number }>();
  readonly #server: Server;
  #turn = 0;
  readonly #stop = new AbortController();
  #following: Promise<void> = Promise.resolve();
  #seen: Revision = 0;
  #refuses = false;

  constructor() {
    this.#server = createServer((incoming, outgoing) => {
      const host = (incoming.headers.host ?? '').split(':')[0] ?? '';
      const target = [...this.routes.values()].find((route) => route.hosts.includes(host))?.target;
      if (target?.kind !== 'upstreams') {
        outgoing.writeHead(target?.kind === 'respond' ? target.status : 404);
        outgoing.end(target?.kind === 'respond' ? target.message : '');
        return;
      }
      const upstream = target.upstreams[this.#turn++ % target.upstreams.length];
      if (upstream === undefined) throw new Error('A route without upstreams');
      const done = this.#begin(upstream.id);
      const { address } = upstream;
      const forward = request(
        {
          ...(address.kind === 'socket'
            ? { socketPath: address.path }
            : { host: address.host, port: address.port }),
          path: incoming.url,
          method: incoming.method,
          headers: incoming.headers,
          agent: false,
        },
        (answer) => {
          outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
          answer.pipe(outgoing);
          answer.on('close', done);
          // A client that has all it was promised closes, perhaps before the upstream's end is seen here.
          outgoing.on('close', () => answer.destroy());
        },
      );
      forward.on('error', (error) => {
        done();
        outgoing.writeHead(502).end(error.message);
      });
      incoming.pipe(forward);
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#following;
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** The next change is not taken over in time. */
  refuse(): void {
    this.#refuses = true;
  }

  /** Follows the registry as a node's gateways do. */
  follow(registry: Registry, dataFolder: string, log: Logger, self: string): void {
    const own = new AppRoutes({ self, registry, dataFolder, log });
    this.#following = this.#follow(registry, own);
  }

  /** As `GatewaysSettled` of a node that is alone. */
  async settled(revision: Revision): Promise<void> {
    if (this.#refuses) {
      this.#refuses = false;
      throw new Error('The gateway refuses');
    }
    await until(`the routes of revision ${revision}`, () => this.#seen >= revision, {
      pauseMsMax: 5,
    });
  }

  async #follow(registry: Registry, own: AppRoutes): Promise<void> {
    const { signal } = this.#stop;
    const { entries, revision } = await registry.list('/');
    own.reset(entries);
    this.#take(own, revision);
    for await (const batch of registry.watch('/', revision + 1, signal)) {
      own.take(batch.changes);
      this.#take(own, batch.revision);
    }
  }

  #take(own: AppRoutes, revision: Revision): void {
    this.routes.clear();
    for (const route of own.compose().routes) this.routes.set(route.id.slice('app/'.length), route);
    this.#seen = revision;
  }

  async load(ids: readonly string[]): Promise<Readonly<Record<string, UpstreamLoad>>> {
    return Object.fromEntries(
      ids.flatMap((id) => {
        const load = this.#load.get(id);
        return load === undefined ? [] : [[id, { ...load }]];
      }),
    );
  }

  /** As if so many WebSockets were open on the instance. */
  holdUpgrades(id: string, upgrades: number): void {
    this.#load.set(id, { requests: this.#load.get(id)?.requests ?? 0, upgrades });
  }

  #begin(id: string): () => void {
    const load = this.#load.get(id) ?? { requests: 0, upgrades: 0 };
    this.#load.set(id, load);
    load.requests++;
    let open = true;
    return () => {
      if (open) load.requests--;
      open = false;
    };
  }

  /** Status and body of one GET, through the published routes. */
  get(host: string, path = '/'): Promise<{ readonly status: number; readonly body: string }> {
    return new Promise((resolve, reject) => {
      const outgoing = request(
        { host: '127.0.0.1', port: this.port, path, headers: { host }, agent: false },
        (answer) => {
          let body = '';
          answer.setEncoding('utf8');
          answer.on('data', (text: string) => (body += text));
          answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body }));
          answer.on('error', reject);
        },
      );
      outgoing.on('error', reject);
      outgoing.end();
    });
  }
}

export interface RunningApps extends AsyncDisposable {
  readonly apps: Apps;
  readonly router: ProxyRouter;
  readonly registry: Registry;
  readonly data: string;
}

const ROOT = join(import.meta.dirname, '..');

/** A data folder; removed after the test. Its parent is closed to other users like `/root`, if wished. */
export function dataFolder(t: TestContext, name = 'data', parentMode = 0o711): string {
  const base = realpathSync(mkdtempSync(join(tmpdir(), 'moln-run-')));
  chmodSync(base, parentMode);
  t.after(() => {
    makeWritable(base);
    rmSync(base, { recursive: true, force: true });
  });
  const data = join(base, name);
  mkdirSync(data, { mode: 0o711 });
  return data;
}

/** What an agent does about apps. Disposing leaves the instances running, as a killed agent would. */
export async function openApps(
  data: string,
  driver?: 'plain',
  among?: { readonly peers: Peers; readonly registry: Registry; readonly vault: Vault },
): Promise<RunningApps> {
  const clock = systemClock;
  const log = testLog();
  const path = join(data, 'registry.sqlite');
  const registry = among?.registry ?? (await openSqliteRegistry({ path, clock, log }));
  const peers = among?.peers ?? alonePeers({ id: NODE_ID, name: 'one' });
  const router = new ProxyRouter();
  await router.listen();
  router.follow(registry, data, log, peers.self);
  const workers = new WorkerRunner({ clock, log });
  const apps = new Apps({
    dataFolder: data,
    registry,
    sealer: {
      seal: (plain, context) => Buffer.from(`${context}=${Buffer.from(plain).toString('hex')}`),
      open: (sealed, context) => {
        const text = Buffer.from(sealed).toString();
        if (!text.startsWith(`${context}=`)) throw new Error('Sealed for something else');
        return Buffer.from(text.slice(context.length + 1), 'hex').toString();
      },
    },
    router,
    peers,
    gateways: router,
    fence: { isFenced: () => false, remainingMs: () => Infinity },
    workers,
    clock,
    log,
    node: realpathSync(process.execPath),
    runners: join(ROOT, 'src', 'apps', 'runners'),
    tools: findTools,
    environment: {},
    services: {
      environmentOf: () => Promise.resolve({}),
      folderOf: () => Promise.reject(new Error('There are no files here')),
    },
    vault: among?.vault ?? nothingKept,
    urlOf: (host) => `http://${host}:${router.port}/`,
    ...(driver === undefined ? {} : { driver }),
  });
  await apps.open();
  return {
    apps,
    router,
    registry,
    data,
    async [Symbol.asyncDispose]() {
      await workers[Symbol.asyncDispose]();
      await apps[Symbol.asyncDispose]();
      await router.close();
      if (among === undefined) await registry[Symbol.asyncDispose]();
    },
  };
}

/** One for a test: its instances end with it. With a data folder: in place of an agent that was killed. */
export async function testApps(
  t: TestContext,
  driver?: 'plain',
  data?: string,
): Promise<RunningApps> {
  // Hooks run in the order in which they were set: the folder must go last.
  let running: RunningApps | undefined;
  t.after(async () => {
    await running?.apps.stopAll();
    await running?.[Symbol.asyncDispose]();
  });
  running = await openApps(data ?? dataFolder(t), driver);
  return running;
}

/** Without root, read-only folders (sealed releases) cannot be emptied. */
function makeWritable(folder: string): void {
  chmodSync(folder, 0o711);
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) makeWritable(join(folder, entry.name));
  }
}

export function testLog(): Logger {
  const sinks =
    process.env['MOLN_TEST_LOG'] === undefined
      ? []
      : [
          (record: Parameters<typeof formatPlain>[0]) =>
            void process.stderr.write(formatPlain(record)),
        ];
  return createLogger({ part: 'test', level: 'debug', sinks, now: () => systemClock.now() });
}

/** Deploys files; returns all progress. */
export async function deployFiles(
  t: TestContext,
  { apps }: RunningApps,
  app: string,
  files: Readonly<Record<string, string>>,
): Promise<Progress[]> {
  const tar = packFolder(appFolder(t, files));
  return collect(apps.deploy({ app, tar, domains: [], by: 'test' }));
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** The release of a stream that has to end with `done`. */
export function doneRelease(progress: readonly Progress[]): string {
  const last = progress.at(-1);
  if (last?.kind === 'done') return last.release;
  throw new Error(`Not done: ${JSON.stringify(last)}`);
}

/** The failure of a stream that has to end with one. */
export function failure(progress: readonly Progress[]): Extract<Progress, { kind: 'failed' }> {
  const last = progress.at(-1);
  if (last?.kind === 'failed') return last;
  throw new Error(`Did not fail: ${JSON.stringify(last)}`);
}
