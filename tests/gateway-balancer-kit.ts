/** For the tests of balancers: a gateway with one of them, and upstreams that say who they are. */
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { BalancerConfig, BalancerUpstreamConfig } from '../src/gateway/balancer-config.ts';
import { Client, Gateway } from './gateway-kit.ts';

export function balancer(
  upstreams: readonly BalancerUpstreamConfig[],
  own: Partial<BalancerConfig> = {},
): BalancerConfig {
  return {
    id: 'balancer',
    address: '127.0.0.1',
    port: 0,
    protocol: 'tcp',
    balance: 'round-robin',
    upstreams,
    timeouts: { connectMs: 2000, idleMs: 60_000 },
    connectionsMax: 100,
    ...own,
  };
}

export async function startBalancer(...balancers: BalancerConfig[]): Promise<Gateway> {
  const gateway = await Gateway.start([]);
  await rebalance(gateway, ...balancers);
  return gateway;
}

/** Replaces the balancers. */
export async function rebalance(gateway: Gateway, ...balancers: BalancerConfig[]): Promise<void> {
  gateway.balancers = balancers;
  await gateway.route();
}

export function dial(gateway: Gateway, id = 'balancer'): Client {
  const port = gateway.plane.port(id) ?? 0;
  const client = new Client(connect({ port, host: '127.0.0.1', allowHalfOpen: true }));
  gateway.onDispose(() => client.socket.destroy());
  return client;
}

/** All that comes back on a new connection. */
export async function ask(gateway: Gateway, text: string | Buffer): Promise<string> {
  const client = dial(gateway);
  client.send(text);
  await client.closed();
  return client.text;
}

/** A TCP server whose connections go to `serve`. */
export class TcpUpstream implements AsyncDisposable {
  readonly sockets: Socket[] = [];
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(serve: (socket: Socket) => void, port = 0): Promise<TcpUpstream> {
    const server = createServer({ allowHalfOpen: true });
    const upstream = new TcpUpstream(server);
    server.on('connection', (socket) => {
      upstream.sockets.push(socket);
      socket.on('error', () => socket.destroy());
      serve(socket);
    });
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', () => resolve()));
    return upstream;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  config(weight = 1): BalancerUpstreamConfig {
    return upstreamAt(this.port, weight);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

export function upstreamAt(port: number, weight = 1): BalancerUpstreamConfig {
  return {
    id: `tcp://127.0.0.1:${port}`,
    address: { kind: 'port', host: '127.0.0.1', port },
    weight,
  };
}

/** Says its name and ends. */
export function named(name: string): Promise<TcpUpstream> {
  return TcpUpstream.start((socket) => {
    socket.resume();
    socket.end(name);
  });
}

/** Sends back what comes, and ends when the other side does. */
export function echo(): Promise<TcpUpstream> {
  return TcpUpstream.start((socket) => void socket.pipe(socket));
}

/** A port on which nobody listens. */
export async function closedPort(): Promise<number> {
  const upstream = await echo();
  const { port } = upstream;
  await upstream[Symbol.asyncDispose]();
  return port;
}
