/** What a fault run breaks: etcd members, database nodes and clients as processes, with proxies between them. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomId } from '../../src/base/ids.ts';
import { silentLogger } from '../../src/base/log.ts';
import { systemClock } from '../../src/base/time.ts';
import { RegistryLog, type StripeClient } from '../../src/database/database.ts';
import { openEtcdRegistry, type Registry } from '../../src/registry/registry.ts';
import { type EtcdUnderTest, startEtcd } from '../etcd-kit.ts';
import { freePorts } from '../free-ports.ts';
import { SmallDisk } from '../small-disk.ts';
import { startTcpProxy, type TcpProxy } from '../tcp-proxy.ts';
import { until } from '../until.ts';
import type { Observation } from './observation.ts';
import { Clients, FaultNode } from './processes.ts';
import { WireConnection, WireStripe } from './wire.ts';
import { TABLES } from './worker.ts';

export interface ClusterOptions {
  readonly nodes: number;
  readonly stripes: number;
  readonly clientProcesses: number;
  readonly workers: number;
  readonly seed: number;
}

export const ACCOUNTS = 6;
export const AMOUNT = 100;

const TTL_MS = 3000;
const PATIENCE_MS = 6000;
const DISK_BYTES = 96 * 1024 * 1024;
const PROCESSES_APART = 100;

/** What lies between a node and the rest. */
export interface NodeNetwork {
  /** To the members of etcd. */
  readonly toEtcd: readonly TcpProxy[];
  readonly fromClients: TcpProxy;
}

export class FaultCluster implements AsyncDisposable {
  readonly etcd: EtcdUnderTest;
  readonly registry: Registry;
  readonly log: RegistryLog;
  readonly nodes: readonly FaultNode[];
  readonly networks: readonly NodeNetwork[];
  readonly clients: Clients[] = [];
  /** Of the last node, where that can be had. */
  readonly disk: SmallDisk | undefined;
  readonly stripes: readonly string[];
  readonly observations: Observation[] = [];
  readonly #options: ClusterOptions;
  readonly #prefix: string;
  readonly #cleanUps: readonly (() => unknown)[];
  #first = 0;
  #round = 0;

  private constructor(
    parts: Pick<
      FaultCluster,
      'etcd' | 'registry' | 'log' | 'nodes' | 'networks' | 'disk' | 'stripes'
    >,
    options: ClusterOptions,
    prefix: string,
    cleanUps: readonly (() => unknown)[],
  ) {
    this.etcd = parts.etcd;
    this.registry = parts.registry;
    this.log = parts.log;
    this.nodes = parts.nodes;
    this.networks = parts.networks;
    this.disk = parts.disk;
    this.stripes = parts.stripes;
    this.#options = options;
    this.#prefix = prefix;
    this.#cleanUps = cleanUps;
  }

  static async start(options: ClusterOptions): Promise<FaultCluster> {
    const folder = await mkdtemp(join(tmpdir(), 'moln-faults-'));
    const cleanUps: (() => unknown)[] = [];
    const etcd = await startEtcd(3);
    const prefix = `/${randomId()}/`;
    const stripes = Array.from({ length: options.stripes }, (_, at) => `s${at + 1}`);
    const names = Array.from({ length: options.nodes }, (_, at) => `n${at + 1}`);
    const ports = await freePorts('127.0.0.1', names.length);
    const networks = await Promise.all(
      ports.map(async (port) => ({
        toEtcd: await Promise.all(
          etcd.endpoints.map((endpoint) => startTcpProxy({ port: Number(new URL(endpoint).port) })),
        ),
        fromClients: await startTcpProxy({ port }),
      })),
    );
    const last = names.at(-1) ?? '';
    await mkdir(join(folder, last), { recursive: true });
    const disk = SmallDisk.mount(
      { after: (cleanUp) => void cleanUps.push(cleanUp), diagnostic: () => {} },
      join(folder, last),
      DISK_BYTES,
    );
    const nodes = names.map(
      (name, at) =>
        new FaultNode({
          folder,
          name,
          prefix,
          endpoints: networks[at]?.toEtcd.map((proxy) => `http://127.0.0.1:${proxy.port}`) ?? [],
          stripes,
          port: ports[at] ?? 0,
          address: String(networks[at]?.fromClients.port),
          ttlMs: TTL_MS,
        }),
    );
    const registry = await openEtcdRegistry({
      endpoints: etcd.endpoints,
      prefix,
      client: 'test',
      clock: systemClock,
      log: silentLogger,
    });
    const log = new RegistryLog({ registry, database: 'shop', clock: systemClock });
    cleanUps.push(() => rm(folder, { recursive: true, force: true }));
    const cluster = new FaultCluster(
      { etcd, registry, log, nodes, networks, disk, stripes },
      options,
      prefix,
      cleanUps,
    );
    await Promise.all(nodes.map((node) => node.start()));
    await cluster.#fill();
    return cluster;
  }

  /** Sends all clients off; their numbers were never used before. */
  beginClients(): void {
    this.#round++;
    for (let at = 0; at < this.#options.clientProcesses; at++) this.replaceClients(at);
  }

  replaceClients(at: number): void {
    this.#first++;
    this.clients[at] = new Clients(
      {
        prefix: this.#prefix,
        endpoints: this.etcd.endpoints,
        stripes: this.stripes,
        ports: this.networks.map(({ fromClients }) => fromClients.port),
        workers: this.#options.workers,
        first: this.#first * PROCESSES_APART,
        seed: this.#options.seed + this.#first * PROCESSES_APART,
        patienceMs: PATIENCE_MS,
        round: this.#round,
        accounts: ACCOUNTS,
      },
      (one) => void this.observations.push(one),
    );
  }

  async endClients(): Promise<void> {
    await Promise.all(this.clients.map((one) => one.end()));
    this.clients.length = 0;
  }

  /** Each stripe at its primary, asked from here. */
  async leaders(): Promise<readonly StripeClient[]> {
    return await Promise.all(
      this.stripes.map(async (name) => {
        const { address } = await until(`a primary of ${name}`, () => this.log.primary(name), {
          withinMs: 60_000,
        });
        return new WireStripe(name, async () => new WireConnection(Number(address), PATIENCE_MS));
      }),
    );
  }

  /** The node that leads that stripe, as the log says. */
  async leaderOf(stripe: string): Promise<number> {
    const primary = await until(`a primary of ${stripe}`, () => this.log.primary(stripe), {
      withinMs: 60_000,
    });
    return this.nodes.findIndex(({ setup }) => setup.name === primary.node);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.clients.map((one) => one.end('kill')));
    await Promise.all(this.nodes.map((node) => node.kill()));
    await this.registry[Symbol.asyncDispose]();
    for (const { toEtcd, fromClients } of this.networks)
      for (const proxy of [...toEtcd, fromClients]) await proxy[Symbol.asyncDispose]();
    await this.etcd[Symbol.asyncDispose]();
    for (const cleanUp of this.#cleanUps) await cleanUp();
  }

  async #fill(): Promise<void> {
    for (const [at, stripe] of this.stripes.entries()) {
      const args = Array.from({ length: ACCOUNTS }, (_, id) => id).filter(
        (id) => id % this.stripes.length === at,
      );
      const statements = [
        ...TABLES,
        { sql: 'INSERT INTO counter VALUES (1, 0)' },
        ...args.map((id) => ({ sql: `INSERT INTO account VALUES (${id}, ${AMOUNT})` })),
      ];
      await until(
        `the tables of ${stripe}`,
        async () => {
          const leaders = await this.leaders();
          return await leaders[at]?.execute(statements);
        },
        { withinMs: 60_000 },
      );
    }
  }
}
