/**
 * Several real nodes on one machine, each on its own loopback address and folder. `start` makes nodes that do not know of
 * each other, `form` a cluster of them: the first invites, the others join.
 */
import { createServer, type Server } from 'node:net';
import type { AppDetail, ManagerStatus, NodeDetail } from '../src/api/model.ts';
import type { Answer } from './http.ts';
import { PacedLoad } from './paced-load.ts';
import { SteadyClient } from './steady-client.ts';
import { type TestLife, TestNode, type TestNodeOptions } from './test-node.ts';
import { until } from './until.ts';

/** etcd has the same ports on each node, so clusters that are tested side by side need addresses of their own. */
const NETS = { first: 1, last: 250, prefix: '127.77' } as const;
/** Of a load that runs through a failure. */
const PER_SECOND = 1000;
const SETTLE_WITHIN_MS = 40_000;
const MANAGED_WITHIN_MS = 60_000;

export interface FormOptions extends TestNodeOptions {
  /** By node name; default: all in the one that the program gives. */
  readonly regions?: Readonly<Record<string, string>>;
  /** Where the nodes are, in order; default: on loopback addresses that no other test has. */
  readonly places?: readonly { readonly address: string; readonly under: readonly string[] }[];
}

export class TestCluster implements AsyncDisposable {
  readonly #nodes: Map<string, TestNode>;
  readonly #isOne: boolean;

  private constructor(nodes: Map<string, TestNode>, isOne: boolean) {
    this.#nodes = nodes;
    this.#isOne = isOne;
  }

  /** `names` in order: the first listens on 127.0.0.1, the second on 127.0.0.2, and so on. */
  static async start(
    t: TestLife,
    names: readonly string[],
    options: TestNodeOptions = {},
  ): Promise<TestCluster> {
    const starts = names.map(async (name, at): Promise<readonly [string, TestNode]> => {
      const address = `127.0.0.${at + 1}`;
      return [name, await TestNode.start(t, { ...options, name, address })];
    });
    const settled = await Promise.allSettled(starts);
    const nodes = settled.filter((one) => one.status === 'fulfilled').map((one) => one.value);
    const cluster = new TestCluster(new Map(nodes), false);
    const failed = settled.find((one) => one.status === 'rejected');
    if (failed === undefined) return cluster;
    await cluster[Symbol.asyncDispose]();
    throw failed.reason;
  }

  /** One cluster: the first of `names` invites the others, one after the other, on addresses that no other test has. */
  static async form(
    t: TestLife,
    names: readonly string[],
    options: FormOptions = {},
  ): Promise<TestCluster> {
    const cluster = new TestCluster(new Map(), true);
    const { places, ...common } = options;
    const net = places === undefined ? await freeNet(t) : '';
    try {
      for (const [at, name] of names.entries()) {
        const { address, ...place } = places?.[at] ?? { address: `${net}.${at + 1}` };
        const node = await cluster.add(t, name, address, { ...common, ...place });
        if (at === 0) await node.restart();
        else await node.join(await cluster.invite());
      }
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
    return cluster;
  }

  /** A node with folder and ports that is not started yet. */
  async add(
    t: TestLife,
    name: string,
    address: string,
    { regions, ...options }: Omit<FormOptions, 'places'> = {},
  ): Promise<TestNode> {
    const region = regions?.[name];
    const place = region === undefined ? [] : ['--region', region];
    const args = [...place, ...(options.args ?? [])];
    const node = await TestNode.create(t, { ...options, args, name, address });
    this.#nodes.set(name, node);
    return node;
  }

  /** The line to paste, made by the first node or the named one. */
  async invite(from: string = this.names[0] ?? '', ...words: readonly string[]): Promise<string> {
    const { invite } = await this.node(from).json<{ invite: string }>('invite', ...words);
    return invite;
  }

  get names(): readonly string[] {
    return [...this.#nodes.keys()];
  }

  get nodes(): readonly TestNode[] {
    return [...this.#nodes.values()];
  }

  node(name: string): TestNode {
    const node = this.#nodes.get(name);
    if (node === undefined) throw new Error(`No node "${name}" in this test cluster`);
    return node;
  }

  /** How `seer` sees the nodes, by name. */
  async states(seer: string): Promise<Readonly<Record<string, NodeDetail['state']>>> {
    const nodes = await this.node(seer).json<readonly NodeDetail[]>('nodes');
    return Object.fromEntries(nodes.map(({ name, state }) => [name, state]));
  }

  /** Resolves when `seer` sees these states, and no other node. */
  async sees(
    seer: string,
    wanted: Readonly<Record<string, NodeDetail['state']>>,
    withinMs: number = SETTLE_WITHIN_MS,
  ): Promise<void> {
    const words = (states: Readonly<Record<string, string>>): string =>
      Object.entries(states)
        .map(([name, state]) => `${name} ${state}`)
        .sort()
        .join(', ');
    await until(
      `${seer} to see ${words(wanted)}`,
      async () => {
        const seen = words(await this.states(seer));
        if (seen === words(wanted)) return true;
        throw new Error(seen);
      },
      { withinMs },
    );
  }

  /** Resolves when so many managers hold the registry, and it answers. */
  async isManagedBy(count: number, seer: string): Promise<ManagerStatus> {
    return until(
      `${count} managers`,
      async () => {
        const status = await this.node(seer).json<ManagerStatus>('manager');
        const { managers, endpoints, isLive } = status;
        const counts = [managers.length, endpoints.length];
        if (isLive && counts.every((each) => each === count)) return status;
        throw new Error(JSON.stringify(status));
      },
      { withinMs: MANAGED_WITHIN_MS },
    );
  }

  /** Names of the nodes with healthy instances of the app, each as often as it has some, as `seer` says. */
  async placesOf(app: string, seer: string): Promise<readonly string[]> {
    const { instanceList } = await this.node(seer).json<AppDetail>('app', app);
    return instanceList
      .filter(({ state }) => state === 'healthy')
      .map(({ node }) => node)
      .sort();
  }

  /** Resolves when the app's healthy instances are on exactly these nodes. */
  async runsOn(
    app: string,
    wanted: readonly string[],
    options: { readonly seer?: string; readonly withinMs?: number } = {},
  ): Promise<void> {
    const seer = options.seer ?? wanted[0] ?? this.names[0] ?? '';
    await until(
      `${app} to run on ${wanted.join(', ')}`,
      async () => {
        const seen = (await this.placesOf(app, seer)).join(', ');
        if (seen === wanted.toSorted().join(', ')) return true;
        throw new Error(`it runs on ${seen === '' ? 'no node' : seen}`);
      },
      { withinMs: options.withinMs ?? SETTLE_WITHIN_MS },
    );
  }

  /** Steady GETs, in turn through the gateways of these nodes; connections are kept, as browsers and proxies keep them. */
  load(
    app: string,
    through: readonly string[],
    options: { readonly perSecond?: number; readonly path?: string } = {},
  ): PacedLoad {
    const clients = through.map((name) => {
      const { address, ports } = this.node(name);
      const host = `${app}.localhost:${ports.http}`;
      return new SteadyClient({ address, port: ports.http, host, path: options.path ?? '/' });
    });
    const asks = (count: number): Promise<Answer> => {
      const client = clients[count % clients.length];
      if (client === undefined) throw new Error('No node to ask');
      return client.get();
    };
    const end = (): void => {
      for (const client of clients) client[Symbol.dispose]();
    };
    return new PacedLoad(options.perSecond ?? PER_SECOND, asks, { isPatient: true, end });
  }

  /** Nodes of one cluster are killed: their orderly end is a test of its own. */
  async [Symbol.asyncDispose](): Promise<void> {
    const ends = await Promise.allSettled(
      this.nodes.map(async (node) => {
        if (this.#isOne) await node.kill();
        await node[Symbol.asyncDispose]();
      }),
    );
    const failed = ends.find((one) => one.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }
}

/** Three numbers of an address, such as `127.77.4`, that no other test process uses until this test has ended. */
export async function freeNet(t: TestLife): Promise<string> {
  const count = NETS.last - NETS.first + 1;
  for (let attempt = 0; attempt < count; attempt++) {
    const number = NETS.first + ((process.pid + attempt) % count);
    const held = await reserve(`moln-test-net-${number}`);
    if (held === undefined) continue;
    t.after(() => held.close());
    return `${NETS.prefix}.${number}`;
  }
  throw new Error(`All ${count} test nets are taken`);
}

/** An abstract socket of that name, which the kernel frees whatever happens; undefined: somebody has it. */
async function reserve(name: string): Promise<Server | undefined> {
  const { promise, resolve } = Promise.withResolvers<Server | undefined>();
  const server = createServer((socket) => socket.destroy());
  server.once('error', () => resolve(undefined));
  server.listen(`\0${name}`, () => resolve(server));
  server.unref();
  return promise;
}
