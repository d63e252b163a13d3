/**
 * One TCP connection through a balancer. Reads what it needs to know (a PROXY header, the name that a TLS client wants),
 * finds an upstream that takes it, and leads the bytes both ways: back-pressure and half-close of either side go through,
 * and so does a reset. Owns both sockets.
 */
import { connect, type Socket } from 'node:net';
import {
  type Endpoint,
  type ProxiedEnds,
  proxyHeader,
  readProxyHeader,
  takeReads,
  wantedServerName,
} from '../net/net.ts';
import type { BalancerAddress, BalancerConfig } from './balancer-config.ts';
import type { TargetChoice } from './balancer-pools.ts';
import type { BalancerMeter } from './balancer-port.ts';
import type { BalancerTarget } from './balancer-target.ts';
import { type ClientEvents, listenTo } from './client-events.ts';
import { type Outbox, SocketOutbox } from './outbox.ts';
import type { Plane } from './plane.ts';

const NOTHING: Buffer = Buffer.alloc(0);
const OWN = { mayOwn: true } as const;
const nothing = (): void => undefined;

/** `opening`: something has to be read before an upstream can be chosen. */
const STATE = { opening: 0, connecting: 1, joined: 2, closed: 3 } as const;

export interface TcpConnectionOwner {
  readonly plane: Plane;
  readonly config: BalancerConfig;
  readonly meter: BalancerMeter;
  find(serverName: string): TargetChoice | undefined;
  /** Whether connections from there begin with a PROXY header. */
  trusts(address: string | undefined): boolean;
  closed(connection: TcpConnection): void;
}

export class TcpConnection implements ClientEvents {
  /** Why the client's socket broke, if it did. */
  failure: string | undefined;
  private readonly owner: TcpConnectionOwner;
  /** As it was when the connection began: its time limits and its way of telling upstreams who the client is. */
  private readonly config: BalancerConfig;
  private readonly plane: Plane;
  private readonly client: Socket;
  private readonly clientOut: Outbox;
  private ends: ProxiedEnds;
  private expectsHeader: boolean;
  private expectsName: boolean;
  private serverName = '';
  private state: number = STATE.opening;
  private held: Buffer = NOTHING;
  private choice: TargetChoice | undefined;
  private readonly tried: BalancerTarget[] = [];
  private target: BalancerTarget | undefined;
  private upstream: Socket | undefined;
  private upstreamOut: Outbox | undefined;
  private upstreamFailure: string | undefined;
  private error: string | undefined;
  private clientEnded = false;
  private upstreamEnded = false;
  private clientClosed = false;
  private upstreamClosed = false;
  private bytesIn = 0;
  private bytesOut = 0;
  private readonly startedMs: number;
  /** Coarse time of the last progress. */
  private sinceMs: number;

  /** Takes over an accepted, paused socket. */
  constructor(accepted: Socket, owner: TcpConnectionOwner) {
    const { plane, config } = owner;
    this.owner = owner;
    this.config = config;
    this.plane = plane;
    this.startedMs = plane.clock.monotonicMs();
    this.sinceMs = plane.coarseMs;
    this.ends = {
      source: endpoint(accepted.remoteAddress, accepted.remotePort),
      destination: endpoint(accepted.localAddress, accepted.localPort),
    };
    this.expectsHeader = owner.trusts(accepted.remoteAddress);
    this.expectsName = config.sni !== undefined;
    this.client = accepted;
    takeReads(accepted, (buffer, size, lasts) => this.clientBytes(buffer, size, lasts), OWN);
    this.clientOut = new SocketOutbox(this.client);
  }

  start(): void {
    listenTo(this.client, this);
    if (!this.expectsHeader && !this.expectsName) this.choose();
  }

  /** Checks time limits; `horizonMs` is now minus the sweep's grain. */
  sweep(horizonMs: number): void {
    const waitedMs = horizonMs - this.sinceMs;
    const { connectMs, idleMs } = this.config.timeouts;
    if (this.state === STATE.opening) {
      const { requestHeadTimeoutMs } = this.plane.limits;
      if (waitedMs >= requestHeadTimeoutMs) this.fail('The client did not say enough in time');
    } else if (this.state === STATE.connecting) {
      if (waitedMs < connectMs) return;
      this.upstreamFailure = `No connection within ${connectMs} ms`;
      this.upstream?.destroy();
    } else if (this.state === STATE.joined && waitedMs >= idleMs) {
      this.error = `Not a byte for ${idleMs} ms`;
      this.destroy();
    }
  }

  /** Breaks the connection off. */
  destroy(): void {
    this.error ??= 'The gateway ended';
    this.client.destroy();
    this.upstream?.destroy();
  }

  // The client ----------------------------------------------------------------------------------------------

  /** See `BytesTaker`. */
  private clientBytes(buffer: Buffer, size: number, lasts: boolean): void {
    this.bytesIn += size;
    this.owner.meter.bytesIn += size;
    const { upstreamOut } = this;
    if (this.state !== STATE.joined || upstreamOut === undefined) {
      this.held = Buffer.concat([this.held, buffer.subarray(0, size)]);
      if (this.state === STATE.opening) this.readOpening();
      return;
    }
    this.sinceMs = this.plane.coarseMs;
    pass(upstreamOut, buffer, size, lasts);
    if (upstreamOut.blocked) this.client.pause();
  }

  /** All that is waited for here has a limit of its own, and a time limit. */
  private readOpening(): void {
    if (this.expectsHeader) {
      const header = readProxyHeader(this.held);
      if (header.kind === 'incomplete') return;
      if (header.kind === 'refused') {
        this.fail(header.reason);
        return;
      }
      this.expectsHeader = false;
      this.ends = header.ends ?? this.ends;
      this.held = this.held.subarray(header.bytes);
    }
    if (this.expectsName) {
      if (this.held.length === 0) return;
      const name = wantedServerName(this.held);
      if (name === undefined) return;
      this.serverName = name;
    }
    this.choose();
  }

  drained(): void {
    this.sinceMs = this.plane.coarseMs;
    this.upstream?.resume();
  }

  ended(): void {
    this.clientEnded = true;
    if (this.state === STATE.opening) this.fail('The client left before it had said enough');
    else this.upstreamOut?.end();
  }

  closed(): void {
    this.clientClosed = true;
    const isOrderly = this.clientEnded && this.upstreamEnded && this.failure === undefined;
    if (!isOrderly) {
      this.error ??= this.failure ?? 'The client broke off';
      this.breakUpstream();
    }
    this.finish();
  }

  // The upstream --------------------------------------------------------------------------------------------

  private choose(): void {
    this.state = STATE.connecting;
    // What comes now would have to be kept.
    this.client.pause();
    this.choice = this.owner.find(this.serverName);
    this.connect();
  }

  private connect(): void {
    this.sinceMs = this.plane.coarseMs;
    const target = this.choice?.choose({
      excluded: this.tried,
      source: this.ends.source.address,
      nowMs: this.plane.clock.monotonicMs(),
    });
    if (target === undefined) {
      this.fail(this.upstreamFailure ?? 'There is no upstream for it');
      return;
    }
    this.target = target;
    this.tried.push(target);
    this.upstreamFailure = undefined;
    const socket = dial(target.config.address);
    this.upstream = socket;
    socket.on('connect', () => this.join(socket, target));
    socket.on('drain', () => {
      this.sinceMs = this.plane.coarseMs;
      this.client.resume();
    });
    socket.on('end', () => {
      this.upstreamEnded = true;
      this.clientOut.end();
    });
    socket.on('error', (error) => {
      this.upstreamFailure ??= error.message;
    });
    socket.on('close', () => this.upstreamGone(target));
  }

  private join(socket: Socket, target: BalancerTarget): void {
    const { config, held } = this;
    takeReads(socket, (buffer, size, lasts) => this.upstreamBytes(buffer, size, lasts), OWN);
    const out = new SocketOutbox(socket);
    this.upstreamOut = out;
    this.state = STATE.joined;
    this.sinceMs = this.plane.coarseMs;
    target.opened();
    const version = config.proxyProtocol?.out;
    if (version !== undefined) out.owned(proxyHeader(version, this.ends));
    out.owned(held);
    this.held = NOTHING;
    out.flush();
    if (!out.blocked) this.client.resume();
  }

  private upstreamBytes(buffer: Buffer, size: number, lasts: boolean): void {
    this.bytesOut += size;
    this.owner.meter.bytesOut += size;
    this.sinceMs = this.plane.coarseMs;
    pass(this.clientOut, buffer, size, lasts);
    if (this.clientOut.blocked) this.upstream?.pause();
  }

  private upstreamGone(target: BalancerTarget): void {
    if (this.state === STATE.connecting) {
      target.connectFailed(this.plane.clock.monotonicMs());
      // Not a byte has been sent: another one may have the connection as a whole.
      this.connect();
      return;
    }
    if (this.state !== STATE.joined) return;
    this.upstreamClosed = true;
    target.closed();
    const isOrderly = this.upstreamEnded && this.upstreamFailure === undefined;
    if (!isOrderly) {
      this.error ??= this.upstreamFailure ?? 'The upstream broke off';
      breakOff(this.client);
    }
    this.finish();
  }

  // The end -------------------------------------------------------------------------------------------------

  /** Not a byte of it reached an upstream. */
  private fail(error: string): void {
    this.error = error;
    this.owner.meter.failed++;
    this.state = STATE.closed;
    breakOff(this.client);
  }

  private breakUpstream(): void {
    const { upstream } = this;
    if (upstream === undefined) return;
    if (this.state === STATE.joined && this.target?.config.address.kind === 'port') {
      breakOff(upstream);
    } else {
      upstream.destroy();
    }
  }

  /** When both sides are gone, or there never was another one. */
  private finish(): void {
    if (!this.clientClosed || (this.state === STATE.joined && !this.upstreamClosed)) return;
    this.state = STATE.closed;
    this.held = NOTHING;
    this.record();
    this.owner.closed(this);
  }

  private record(): void {
    const { plane, config } = this;
    plane.accessLog?.record({
      time: this.startedMs + plane.epochOffsetMs,
      client: this.ends.source.address,
      method: 'TCP',
      host: this.serverName,
      target: `${config.address} ${config.port}`,
      status: 0,
      durationMs: plane.clock.monotonicMs() - this.startedMs,
      bytesIn: this.bytesIn,
      bytesOut: this.bytesOut,
      route: config.id,
      upstream: this.target?.id,
      protocol: 'tcp',
      error: this.error,
    });
  }
}

/** Bytes that last may wait as they are: the side that they come from is not read while the other one is blocked. */
function pass(out: Outbox, buffer: Buffer, size: number, lasts: boolean): void {
  if (lasts) out.lent(size === buffer.length ? buffer : buffer.subarray(0, size), nothing);
  else {
    out.copied(buffer, 0, size);
    out.flush();
  }
}

function endpoint(address: string | undefined, port: number | undefined): Endpoint {
  return { address: address ?? '', port: port ?? 0 };
}

function dial(address: BalancerAddress): Socket {
  const options = { allowHalfOpen: true, noDelay: true };
  return address.kind === 'socket'
    ? connect({ ...options, path: address.path })
    : connect({ ...options, host: address.host, port: address.port });
}

/** A connection that ended in the middle must not look complete. */
function breakOff(socket: Socket): void {
  if (!socket.destroyed) socket.resetAndDestroy();
}
