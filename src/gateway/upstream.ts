/**
 * One place that answers requests, over a unix socket or TCP, and its kept-alive sockets. An upstream that
 * left the config is retired: idle sockets close at once, busy ones when they are done.
 */
import { connect, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { takeReads } from '../net/net.ts';
import type { Candidate } from './balance.ts';
import type { UpstreamAddress, UpstreamConfig } from './config.ts';
import type { ConnectTurns } from './connect-turns.ts';
import { H2Upstream } from './h2-upstream.ts';
import { NODE_REUSE_MS, STATED_LOAD_MS } from './limits.ts';
import { type NodeClient, REACHED } from './node-client.ts';
import { type Outbox, SocketOutbox } from './outbox.ts';
import { UpstreamTls } from './upstream-tls.ts';

/** Idle sockets kept for one upstream; more are closed. */
const IDLE_SOCKETS_MAX = 256;
/** How long an idle socket is kept when the upstream does not say; servers close after 2 s and more. */
const IDLE_DEFAULT_MS = 4000;
/** However long an upstream says that it keeps idle connections. */
const IDLE_MOST_MS = 60_000;
/** Closed this long before the upstream would do it, so that no request meets the closing. */
const IDLE_MARGIN_MS = 1000;
/** Pause after a failed connect; doubles up to the second value. */
const DOWN_FIRST_MS = 250;
const DOWN_MOST_MS = 5000;

/** Of a certificate for another host, all names would be said with every request. */
const REFUSAL_CHARACTERS_MAX = 300;

/** Who uses a socket for the moment. Bytes are valid only during the call. */
export interface UpstreamUser {
  /** It had to wait for it: a socket that connects now, or one that has become free. */
  upstreamTurn(socket: UpstreamSocket): void;
  upstreamConnected(): void;
  upstreamBytes(buffer: Buffer, from: number, to: number): void;
  upstreamDrained(): void;
  /** Its node is not heard any more; it may come back. */
  upstreamSilent(): void;
  /** The upstream sends no more. */
  upstreamEnded(): void;
  /** Always the last call; `error` is undefined for an orderly close. */
  upstreamClosed(error: Error | undefined): void;
}

export class UpstreamSocket {
  readonly upstream: Upstream;
  readonly socket: Socket;
  readonly out: Outbox;
  connected = false;
  /** It has carried a request before this one. */
  reused = false;
  /** The upstream's word on how long it keeps an idle connection. */
  idleMs: number = IDLE_DEFAULT_MS;
  /** When it became idle, monotonic. */
  idleSinceMs = 0;
  /** Monotonic; it takes no request after it. Known from its first rest on. */
  reuseUntilMs: number | undefined;
  user: UpstreamUser | undefined;
  private error: Error | undefined;

  constructor(upstream: Upstream, user: UpstreamUser) {
    this.upstream = upstream;
    this.user = user;
    const { address } = upstream.config;
    const options = { allowHalfOpen: true, noDelay: true };
    if (address.kind === 'node') {
      this.socket = this.connectFar(upstream.farConnect(address));
    } else if (upstream.http2 !== undefined) {
      this.socket = upstream.http2.open();
      this.socket.once('connect', () => this.began(this.socket));
    } else if (upstream.tls !== undefined) {
      const socket = upstream.tls.connect();
      this.socket = socket.once('secureConnect', () => this.began(socket));
    } else {
      this.socket =
        address.kind === 'socket'
          ? connect({ ...options, path: address.path })
          : connect({ ...options, host: address.host, port: address.port });
      this.socket.on('connect', () => this.began(this.socket));
    }
    this.out = new SocketOutbox(this.socket);
    this.socket.on('drain', () => this.user?.upstreamDrained());
    this.socket.on('end', () => {
      if (this.user === undefined || !this.connected) this.socket.destroy();
      else this.user.upstreamEnded();
    });
    this.socket.on('error', (error) => {
      this.error = error;
    });
    this.socket.on('close', () => {
      const { user } = this;
      this.user = undefined;
      upstream.closed(this);
      if (!this.connected)
        upstream.refusal = (this.error?.message ?? '').slice(0, REFUSAL_CHARACTERS_MAX);
      user?.upstreamClosed(this.error);
    });
  }

  private began(socket: Socket): void {
    takeReads(socket, (buffer, size) => this.took(buffer, size));
    this.connected = true;
    this.user?.upstreamConnected();
  }

  private took(buffer: Buffer, size: number): void {
    // An idle socket has nothing to say.
    if (this.user === undefined) this.socket.destroy();
    else this.user.upstreamBytes(buffer, 0, size);
  }

  /** Names the instance, and counts as connected when the other gateway has reached it. */
  private connectFar(socket: TLSSocket): Socket {
    socket.once('secureConnect', () => socket.write(`${this.upstream.id}\n`));
    takeReads(socket, (bytes, size) => {
      if (this.connected) {
        this.took(bytes, size);
        return;
      }
      if (size !== 1 || bytes[0] !== REACHED) {
        socket.destroy();
        return;
      }
      this.connected = true;
      this.user?.upstreamConnected();
    });
    return socket;
  }

  /** `Keep-Alive: timeout=5, max=100` of an answer. */
  learnKeepAlive(value: string): void {
    const seconds = /(?:^|[,;\s])timeout\s*=\s*(\d{1,6})/i.exec(value)?.[1];
    if (seconds === undefined) return;
    this.idleMs = Math.max(0, Math.min(IDLE_MOST_MS, Number(seconds) * 1000 - IDLE_MARGIN_MS));
  }

  /** Gives the socket up for good; its user hears no more of it. */
  discard(): void {
    this.user = undefined;
    this.socket.destroy();
  }
}

export class Upstream implements Candidate {
  readonly config: UpstreamConfig;
  readonly isFar: boolean;
  /** Undefined: not over TLS. */
  readonly tls: UpstreamTls | undefined;
  /** Undefined: HTTP/1.1. */
  readonly http2: H2Upstream | undefined;
  /** Why it took no connection the last time that it took none; empty when it did not say. */
  refusal = '';
  requests = 0;
  /** What goes on for as long as somebody listens: upgraded connections, and streams of events. */
  upgrades = 0;
  downUntilMs = 0;
  /** The greater of what its node and what it itself says, 0 to 1. */
  busy = 0;
  retired = false;
  /** It has said on an answer how busy it is, so that only further answers say how it is now. */
  statesLoad = false;
  private readonly nodes: NodeClient | undefined;
  /** On another node, with which only so many handshakes are under way. */
  private readonly turns: ConnectTurns | undefined;
  private nodeLoad = 0;
  private ownLoad = 0;
  private ownLoadAtMs = 0;
  private downMs = 0;
  /** The one that became idle last is taken first; the others may age and go. */
  private readonly idle: UpstreamSocket[] = [];
  private readonly sockets = new Set<UpstreamSocket>();

  constructor(config: UpstreamConfig, nodes?: NodeClient) {
    const { address } = config;
    this.config = config;
    this.nodes = nodes;
    this.isFar = address.kind === 'node';
    const isTls = address.kind === 'tcp' && address.tls !== undefined;
    const isHttp2 = address.kind === 'tcp' && address.http2 === true;
    this.tls = isTls
      ? new UpstreamTls(address.tls, address, isHttp2 ? 'h2' : 'http/1.1')
      : undefined;
    this.http2 = isHttp2 ? new H2Upstream(address, this.tls) : undefined;
    this.turns = address.kind === 'node' ? nodes?.turns(address.node) : undefined;
  }

  /** Only for addresses on other nodes. */
  farConnect(address: Extract<UpstreamAddress, { kind: 'node' }>): TLSSocket {
    if (this.nodes === undefined) throw new Error('There are no other nodes');
    return this.nodes.connect(this, address);
  }

  get id(): string {
    return this.config.id;
  }

  /** How long its sockets may be used again. */
  private get reuseMs(): number {
    return this.isFar ? NODE_REUSE_MS : Infinity;
  }

  get load(): number {
    return this.requests + this.upgrades;
  }

  /** A request turned out to be one that goes on for as long as somebody listens. */
  lasts(): void {
    this.requests--;
    this.upgrades++;
  }

  left(isLasting: boolean): void {
    if (isLasting) this.upgrades--;
    else this.requests--;
  }

  get idleSockets(): number {
    return this.idle.length;
  }

  /** An idle socket that has rested at most `restedMsMax`, if there is one. */
  takeIdle(user: UpstreamUser, nowMs: number, restedMsMax: number): UpstreamSocket | undefined {
    for (;;) {
      const taken = this.idle.pop();
      if (taken === undefined) return undefined;
      const restedMs = nowMs - taken.idleSinceMs;
      if (isStale(taken, nowMs) || taken.socket.destroyed || !taken.socket.writable) {
        taken.discard();
        continue;
      }
      if (restedMs > restedMsMax) {
        this.idle.push(taken);
        return undefined;
      }
      taken.reused = true;
      taken.user = user;
      return taken;
    }
  }

  /**
   * A new connection; the user hears `upstreamConnected` or `upstreamClosed`. Undefined: too many are being made, and before either the
   * user hears `upstreamTurn`, unless it is `drop`ped.
   */
  connect(user: UpstreamUser): UpstreamSocket | undefined {
    if (this.turns?.isFull !== true) return this.open(user);
    this.turns.wait(this, user);
    return undefined;
  }

  private open(user: UpstreamUser): UpstreamSocket {
    const socket = new UpstreamSocket(this, user);
    this.sockets.add(socket);
    return socket;
  }

  /** One who waits may connect. */
  giveTurn(user: UpstreamUser): void {
    user.upstreamTurn(this.open(user));
  }

  /** The user wants no connection any more, whether it has one (`socket`) or waits for it. */
  drop(user: UpstreamUser, socket: UpstreamSocket | undefined): void {
    if (socket === undefined) this.turns?.leave(this, user);
    else socket.discard();
  }

  /** Takes back a socket whose last answer is complete and that may be used again. */
  release(socket: UpstreamSocket, nowMs: number): void {
    socket.user = undefined;
    socket.reuseUntilMs ??= nowMs + this.reuseMs;
    const isOld = nowMs >= socket.reuseUntilMs || socket.idleMs === 0;
    if (!isOld && this.turns !== undefined && socket.socket.writable) {
      const next = this.turns.takeFor(this);
      if (next !== undefined) {
        socket.reused = true;
        socket.user = next;
        next.upstreamTurn(socket);
        return;
      }
    }
    if (this.retired || isOld || this.idle.length >= IDLE_SOCKETS_MAX) {
      socket.discard();
      return;
    }
    socket.idleSinceMs = nowMs;
    this.idle.push(socket);
  }

  connectFailed(nowMs: number): void {
    this.downMs = Math.min(DOWN_MOST_MS, this.downMs === 0 ? DOWN_FIRST_MS : this.downMs * 2);
    this.downUntilMs = nowMs + this.downMs;
  }

  connectSucceeded(): void {
    this.downMs = 0;
    this.downUntilMs = 0;
  }

  /** How busy the machine is that it is on, 0 to 1. */
  learnNodeLoad(load: number, nowMs: number): void {
    this.nodeLoad = load;
    this.weigh(nowMs);
  }

  /** What one of its answers stated, 0 to 1. */
  learnLoad(load: number, nowMs: number): void {
    this.statesLoad = true;
    this.ownLoad = load;
    this.ownLoadAtMs = nowMs;
    this.weigh(nowMs);
  }

  /** Its own word counts for less with each moment: who is not asked cannot say that he is idle again. */
  private weigh(nowMs: number): void {
    const fresh = Math.max(0, 1 - (nowMs - this.ownLoadAtMs) / STATED_LOAD_MS);
    this.busy = Math.max(this.nodeLoad, this.ownLoad * fresh);
  }

  /** Closes sockets that have been idle for too long, and lets what was stated fade. */
  sweep(nowMs: number): void {
    if (this.ownLoad > 0) this.weigh(nowMs);
    this.http2?.sweep(nowMs);
    for (let index = this.idle.length - 1; index >= 0; index--) {
      const socket = this.idle[index];
      if (socket !== undefined && isStale(socket, nowMs)) {
        this.idle.splice(index, 1);
        socket.discard();
      }
    }
  }

  /** The same place for one request, over a connection of its own that nobody uses again. */
  once(): Upstream {
    const made = new Upstream(this.config, this.nodes);
    made.retire();
    return made;
  }

  /** No new requests come: idle sockets close now, the others when they are released. */
  retire(): void {
    this.retired = true;
    this.http2?.retire();
    for (const socket of this.idle.splice(0)) socket.discard();
  }

  /** Its node is not heard any more: whoever waits for it may turn to another one. */
  fellSilent(): void {
    // Who turns to another one may make room for a request that comes here.
    const now = [...this.sockets];
    const waiting = this.turns?.waitingFor(this) ?? [];
    for (const { user } of now) user?.upstreamSilent();
    for (const user of waiting) user.upstreamSilent();
  }

  closed(socket: UpstreamSocket): void {
    this.sockets.delete(socket);
    if (socket.user !== undefined) return;
    const index = this.idle.indexOf(socket);
    if (index >= 0) this.idle.splice(index, 1);
  }
}

function isStale(idle: UpstreamSocket, nowMs: number): boolean {
  const { reuseUntilMs = Infinity } = idle;
  return nowMs - idle.idleSinceMs > idle.idleMs || nowMs >= reuseUntilMs;
}
