/** For the gateway's tests: a data plane in this process, raw clients and raw origins that show every byte. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger, type Logger } from '../src/base/log.ts';
import { systemClock, type Clock } from '../src/base/time.ts';
import type { AccessEntry } from '../src/gateway/access-log.ts';
import type { BalancerConfig } from '../src/gateway/balancer-config.ts';
import type {
  GatewayCacheConfig,
  GatewayConfig,
  GatewayLimits,
  ListenerConfig,
  NodeDoorConfig,
  RouteConfig,
  RouteLimits,
  SharingConfig,
  UpstreamConfig,
} from '../src/gateway/config.ts';
import { DataPlane, type SharingPlace } from '../src/gateway/data-plane.ts';
import { DEFAULT_GATEWAY_LIMITS } from '../src/gateway/limits.ts';
import { proveHandles } from '../src/net/net.ts';

/** Fails a test that would otherwise hang. */
const PATIENCE_MS = 10_000;

export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`Waited ${PATIENCE_MS} ms for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export class Gateway implements AsyncDisposable {
  /** Whether the gateways of this process use what is beneath Node's sockets. */
  static usesHandles = true;
  readonly plane: DataPlane;
  readonly entries: AccessEntry[] = [];
  readonly folder: string;
  private readonly disposables: (() => unknown)[] = [];
  private version = 0;
  limits: GatewayLimits = DEFAULT_GATEWAY_LIMITS;
  listeners: ListenerConfig[] = [{ id: 'http', address: '127.0.0.1', port: 0, protocol: 'http' }];
  node: NodeDoorConfig | undefined;
  cache: GatewayCacheConfig | undefined;
  balancers: readonly BalancerConfig[] = [];
  purges: GatewayConfig['purges'];
  challenges: GatewayConfig['challenges'];
  ticketKeys: GatewayConfig['ticketKeys'];
  locals: readonly UpstreamConfig[] = [];
  silent: readonly string[] = [];
  slots: readonly number[] = [];
  sharing: SharingConfig | undefined;
  region: string | undefined;

  private constructor(folder: string, log: Logger, clock: Clock, place?: SharingPlace) {
    this.folder = folder;
    this.plane = new DataPlane({
      log,
      clock,
      reusePort: false,
      ...(place === undefined ? {} : { place }),
      accessLog: { record: (entry) => this.entries.push({ ...entry }) },
    });
  }

  static async start(
    routes: readonly RouteConfig[],
    options: {
      readonly limits?: Partial<GatewayLimits>;
      readonly listeners?: ListenerConfig[];
      readonly log?: Logger;
      readonly clock?: Clock;
      /** Where it and its siblings ask each other about the cache. */
      readonly place?: SharingPlace;
    } = {},
  ): Promise<Gateway> {
    if (Gateway.usesHandles) await proveHandles();
    const folder = await mkdtemp(join(tmpdir(), 'moln-gateway-'));
    const { log = silentLogger, clock = systemClock, place } = options;
    const gateway = new Gateway(folder, log, clock, place);
    gateway.limits = { ...DEFAULT_GATEWAY_LIMITS, ...options.limits };
    gateway.listeners = options.listeners ?? gateway.listeners;
    await gateway.route(...routes);
    return gateway;
  }

  get port(): number {
    return this.plane.port('http') ?? 0;
  }

  /** Replaces the routes. */
  async route(...routes: readonly RouteConfig[]): Promise<void> {
    const config: GatewayConfig = {
      version: ++this.version,
      listeners: this.listeners,
      limits: this.limits,
      routes,
      balancers: this.balancers,
      ...(this.region === undefined ? {} : { region: this.region }),
      ...(this.cache === undefined ? {} : { cache: this.cache }),
      ...(this.purges === undefined ? {} : { purges: this.purges }),
      ...(this.challenges === undefined ? {} : { challenges: this.challenges }),
      ...(this.ticketKeys === undefined ? {} : { ticketKeys: this.ticketKeys }),
      silent: this.silent,
      slots: this.slots,
      ...(this.sharing === undefined ? {} : { sharing: this.sharing }),
      ...(this.node === undefined ? {} : { node: this.node, locals: this.locals }),
    };
    await this.plane.apply(config);
  }

  connect(): Client {
    const client = new Client(connect({ port: this.port, host: '127.0.0.1', allowHalfOpen: true }));
    this.onDispose(() => client.socket.destroy());
    return client;
  }

  /** Sends bytes on a new connection and answers all that comes until the gateway closes. */
  async exchange(request: string | Buffer): Promise<string> {
    const client = this.connect();
    client.send(request);
    await client.closed();
    return client.text;
  }

  onDispose(dispose: () => unknown): void {
    this.disposables.push(dispose);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const dispose of this.disposables) await dispose();
    await this.plane[Symbol.asyncDispose]();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** A client that sees bytes. */
export class Client {
  readonly socket: Socket;
  text = '';
  ended = false;
  error: Error | undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => {
      this.text += chunk.toString('latin1');
    });
    socket.on('end', () => {
      this.ended = true;
      socket.end();
    });
    socket.on('error', (error) => {
      this.error = error;
    });
    socket.on('close', () => {
      this.ended = true;
    });
  }

  send(bytes: string | Buffer): void {
    if (typeof bytes === 'string') this.socket.write(bytes, 'latin1');
    else this.socket.write(bytes);
  }

  /** Waits for bytes that match. */
  async see(pattern: RegExp): Promise<RegExpExecArray> {
    let match: RegExpExecArray | null = null;
    await until(`${String(pattern)} in ${JSON.stringify(this.text.slice(-2000))}`, () => {
      match = pattern.exec(this.text);
      return match !== null || this.ended;
    });
    match = pattern.exec(this.text);
    if (match === null) throw new Error(`No ${String(pattern)} in ${JSON.stringify(this.text)}`);
    return match;
  }

  /** Forgets what was seen. */
  clear(): void {
    this.text = '';
  }

  closed(): Promise<void> {
    return until(`the end of the connection after ${JSON.stringify(this.text)}`, () => this.ended);
  }
}

/** One connection at the origin. */
export interface OriginConnection {
  readonly socket: Socket;
  seen: string;
}

/** An origin that sees bytes and answers what it is told. */
export class RawOrigin implements AsyncDisposable {
  readonly connections: OriginConnection[] = [];
  private readonly server: Server;
  readonly path: string;

  private constructor(path: string, server: Server) {
    this.path = path;
    this.server = server;
  }

  /** `onData` is called after each piece, with all that the connection has seen. */
  static async start(
    path: string,
    onData: (connection: OriginConnection, origin: RawOrigin) => void,
  ): Promise<RawOrigin> {
    const server = createServer({ allowHalfOpen: true });
    const origin = new RawOrigin(path, server);
    server.on('connection', (socket) => {
      const connection = { socket, seen: '' };
      origin.connections.push(connection);
      socket.on('data', (chunk: Buffer) => {
        connection.seen += chunk.toString('latin1');
        onData(connection, origin);
      });
      socket.on('error', () => socket.destroy());
      socket.on('end', () => socket.end());
    });
    await new Promise<void>((resolve) => server.listen(path, () => resolve()));
    return origin;
  }

  /** All bytes of all connections. */
  get seen(): string {
    return this.connections.map((connection) => connection.seen).join('');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { socket } of this.connections) socket.destroy();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }
}

export function socketUpstream(path: string, id = 'one'): UpstreamConfig {
  return { id, address: { kind: 'socket', path } };
}

/** A route for every host to these upstreams. */
export function proxyRoute(
  upstreams: readonly UpstreamConfig[],
  limits?: Partial<RouteLimits>,
): RouteConfig {
  return {
    id: 'app/test',
    hosts: ['*'],
    path: '/',
    target: { kind: 'upstreams', upstreams },
    ...(limits === undefined ? {} : { limits }),
  };
}

/** A node:http app on a unix socket in the gateway's folder, as the only upstream. */
export async function startApp(
  gateway: Gateway,
  listener: RequestListener,
  name = 'app',
): Promise<string> {
  const path = `${gateway.folder}/${name}.sock`;
  const server = createHttpServer(listener);
  await new Promise<void>((resolve) => server.listen(path, () => resolve()));
  gateway.onDispose(() => {
    server.closeAllConnections();
    server.close();
  });
  return path;
}

/** A gateway whose only route goes to that app. */
export async function startWithApp(listener: RequestListener): Promise<Gateway> {
  const gateway = await Gateway.start([]);
  await gateway.route(proxyRoute([socketUpstream(await startApp(gateway, listener))]));
  return gateway;
}
