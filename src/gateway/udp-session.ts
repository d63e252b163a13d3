/** What goes between one address and port and one upstream, over a socket of its own. */
import { createSocket, type Socket } from 'node:dgram';
import { lookup } from 'node:dns';
import { plainAddress, type Endpoint } from '../net/net.ts';
import type { BalancerConfig } from './balancer-config.ts';
import { UDP } from './balancer-limits.ts';
import type { BalancerTarget } from './balancer-target.ts';
import type { Plane } from './plane.ts';

export interface UdpSessionOwner {
  readonly plane: Plane;
  readonly config: BalancerConfig;
  /** Back to the client. */
  answer(datagram: Buffer, session: UdpSession): void;
  ended(session: UdpSession): void;
}

export class UdpSession {
  readonly client: Endpoint;
  /** Coarse time of the last datagram in either direction. */
  sinceMs: number;
  readonly #owner: UdpSessionOwner;
  readonly #target: BalancerTarget;
  readonly #startedMs: number;
  #socket: Socket | undefined;
  #isConnected = false;
  /** What came before the upstream's address was known. */
  #held: Buffer[] = [];
  #bytesIn = 0;
  #bytesOut = 0;
  #hasEnded = false;

  constructor(owner: UdpSessionOwner, client: Endpoint, target: BalancerTarget) {
    this.#owner = owner;
    this.client = client;
    this.#target = target;
    this.#startedMs = owner.plane.clock.monotonicMs();
    this.sinceMs = owner.plane.coarseMs;
  }

  start(): void {
    this.#target.opened();
    const { address } = this.#target.config;
    if (address.kind === 'socket') throw new Error('Datagrams do not go to unix sockets');
    lookup(address.host, (error, host, family) => {
      if (this.#hasEnded) return;
      if (error !== null) this.#fail(error);
      else this.#connect({ address: host, port: address.port }, family);
    });
  }

  send(datagram: Buffer): void {
    this.sinceMs = this.#owner.plane.coarseMs;
    this.#bytesIn += datagram.length;
    const socket = this.#socket;
    if (socket !== undefined && this.#isConnected) this.#pass(socket, datagram);
    else if (this.#held.length < UDP.heldDatagramsMax) this.#held.push(datagram);
  }

  #pass(socket: Socket, datagram: Buffer): void {
    if (socket.getSendQueueSize() > UDP.queuedBytesMax) return;
    // A callback: without one an unreachable upstream would be reported twice, here and by 'error'.
    socket.send(datagram, (error) => {
      if (error !== null) this.#fail(error);
    });
  }

  /** `error` is for the operator; undefined for an orderly end. */
  end(error: string | undefined): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#held = [];
    this.#socket?.close();
    this.#target.closed();
    this.#record(error);
    this.#owner.ended(this);
  }

  #connect(upstream: Endpoint, family: number): void {
    const socket = createSocket(family === 6 ? 'udp6' : 'udp4');
    this.#socket = socket;
    socket.on('error', (error) => this.#fail(error));
    socket.on('message', (datagram) => {
      this.sinceMs = this.#owner.plane.coarseMs;
      this.#bytesOut += datagram.length;
      this.#owner.answer(datagram, this);
    });
    // Connected: the kernel lets nobody else answer, and says when nobody is there.
    socket.connect(upstream.port, upstream.address, () => {
      if (this.#hasEnded) return;
      this.#isConnected = true;
      const held = this.#held;
      this.#held = [];
      for (const datagram of held) this.#pass(socket, datagram);
    });
  }

  /** The client's next datagram begins another session, with another upstream if there is one. */
  #fail(error: Error): void {
    if (this.#hasEnded) return;
    this.#target.connectFailed(this.#owner.plane.clock.monotonicMs());
    this.end(error.message);
  }

  #record(error: string | undefined): void {
    const { plane, config } = this.#owner;
    plane.accessLog?.record({
      time: this.#startedMs + plane.epochOffsetMs,
      client: plainAddress(this.client.address),
      method: 'UDP',
      host: '',
      target: `${config.address} ${config.port}`,
      status: 0,
      durationMs: plane.clock.monotonicMs() - this.#startedMs,
      bytesIn: this.#bytesIn,
      bytesOut: this.#bytesOut,
      route: config.id,
      upstream: this.#target.id,
      protocol: 'udp',
      error,
    });
  }
}
