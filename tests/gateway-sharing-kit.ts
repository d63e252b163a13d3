/** For the tests of caches that are shared: several gateway processes' data planes, near each other or on nodes of their own. */
import { mkdtemp, rm } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RouteConfig, SharingNode } from '../src/gateway/config.ts';
import { freePorts } from '../testing/free-ports.ts';
import { startTcpProxy, type TcpProxy } from '../testing/tcp-proxy.ts';
import { type Client, Gateway, proxyRoute, socketUpstream, startApp } from './gateway-kit.ts';
import { Authority, doorOf } from './gateway-node-kit.ts';

const MEMORY_BYTES: number = 64 * 1024 * 1024;
const ADDRESS = '127.0.0.1';

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

export interface NodeWish {
  readonly region?: string;
  readonly workers: number;
}

/** One origin behind all. */
export class SharingGateways implements AsyncDisposable {
  readonly all: readonly Gateway[];
  /** By node. */
  readonly nodes: readonly (readonly Gateway[])[];
  /** Requests that the origin saw, in order. */
  readonly asked: IncomingMessage[] = [];
  readonly #folder: string;
  readonly #configs: readonly SharingNode[];
  /** To the doors of the nodes, for those of other regions; empty unless they are far. */
  readonly links: readonly TcpProxy[];
  #routes: readonly RouteConfig[] = [];

  private constructor(
    folder: string,
    nodes: readonly (readonly Gateway[])[],
    configs: readonly SharingNode[],
    links: readonly TcpProxy[],
  ) {
    this.#folder = folder;
    this.nodes = nodes;
    this.all = nodes.flat();
    this.#configs = configs;
    this.links = links;
  }

  /** `oneWayMs`: what goes from one region to another comes so much later. */
  static async start(
    wishes: readonly NodeWish[],
    handler: Handler,
    route: Partial<RouteConfig> = {},
    { oneWayMs }: { readonly oneWayMs?: number } = {},
  ): Promise<SharingGateways> {
    const folder = await mkdtemp(join(tmpdir(), 'moln-shared-'));
    const authority = await Authority.create();
    const ports = await freePorts(ADDRESS, wishes.length);
    const configs = wishes.map(({ region = 'home', workers }, index) => ({
      node: `n${index}`,
      name: `node-${index}`,
      region,
      host: ADDRESS,
      port: ports[index] ?? 0,
      workers,
    }));
    const nodes = await Promise.all(
      configs.map(async ({ node, workers, port }) => {
        const door = await doorOf(authority, node, port);
        const slots = Array.from({ length: workers }, (_, at) => at + 1);
        return await Promise.all(
          slots.map(async (slot) => {
            const socketOf = (of: number): string => join(folder, `${node}-${of}.ask`);
            const gateway = await Gateway.start([], { place: { slot, socketOf } });
            gateway.slots = slots;
            // Of a node's processes, which are one process here, one can have the port.
            if (configs.length > 1) gateway.node = slot === 1 ? door : { ...door, port: 0 };
            gateway.cache = { memoryBytes: MEMORY_BYTES };
            return gateway;
          }),
        );
      }),
    );
    const far = oneWayMs === undefined ? [] : configs;
    const links = await Promise.all(far.map((one) => startTcpProxy(one)));
    for (const link of links) link.delay(oneWayMs ?? 0);
    const made = new SharingGateways(folder, nodes, configs, links);
    const path = await startApp(nodes[0]?.[0] ?? made.#none(), (request, response) => {
      made.asked.push(request);
      handler(request, response);
    });
    await made.route({ ...proxyRoute([socketUpstream(path)]), cache: {}, ...route });
    return made;
  }

  #none(): never {
    throw new Error('There is no gateway');
  }

  /** Replaces the routes of all. */
  async route(...routes: readonly RouteConfig[]): Promise<void> {
    this.#routes = routes;
    await this.share(() => true);
  }

  /** Each believes in those others for which `knows` holds. */
  async share(knows: (of: SharingNode) => boolean): Promise<void> {
    for (const [index, gateways] of this.nodes.entries()) {
      const own = this.#configs[index];
      if (own === undefined) continue;
      const { node, name, region } = own;
      for (const gateway of gateways) {
        if (this.#configs.length > 1) {
          gateway.sharing = {
            self: { node, name, region },
            nodes: this.#configs.flatMap((one, at) => {
              const link = one.region === region ? undefined : this.links[at];
              return one === own || !knows(one) ? [] : { ...one, port: link?.port ?? one.port };
            }),
          };
        }
        await gateway.route(...this.#routes);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.all.map((gateway) => gateway[Symbol.asyncDispose]()));
    for (const link of this.links) await link[Symbol.asyncDispose]();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

export function ask(
  gateway: Gateway | undefined,
  path: string,
  lines = '',
  method = 'GET',
): Client {
  if (gateway === undefined) throw new Error('There is no such gateway');
  const client = gateway.connect();
  client.send(`${method} ${path} HTTP/1.1\r\nHost: a.test\r\n${lines}Connection: close\r\n\r\n`);
  return client;
}

export async function answerTo(client: Client): Promise<string> {
  await client.closed();
  return client.text;
}

export async function get(gateway: Gateway | undefined, path: string, lines = ''): Promise<string> {
  return await answerTo(ask(gateway, path, lines));
}

export function statusOf(text: string): string {
  return /^Cache-Status: (.*)\r$/m.exec(text)?.[1] ?? '';
}

export function bodyOf(text: string): string {
  return text.slice(text.indexOf('\r\n\r\n') + 4);
}
