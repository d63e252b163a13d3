/**
 * One connection of another node's gateway. It names an instance in one line and is told in one byte whether it was reached;
 * from then on the bytes go through both ways, with back-pressure, half-closed by either side. Owns both sockets: when one
 * is gone, so is the other.
 */
import { connect, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { systemCode } from '../base/errors.ts';
import type { Clock } from '../base/time.ts';
import { takeReads } from '../net/net.ts';
import type { UpstreamAddress } from './config.ts';
import { NODE_DOOR } from './limits.ts';
import { REACHED, REFUSED } from './node-client.ts';
import { SocketOutbox } from './outbox.ts';

/** Reads of much at a time. */
const OWN = { mayOwn: true } as const;
/** What waits goes on in one write. */
const PAST_PAUSE = { pastPause: true } as const;
const NEWLINE = 0x0a;

export interface NodeTunnelOptions {
  readonly socket: TLSSocket;
  /** What is below the TLS: only it can be reset. */
  readonly raw: Socket;
  /** The id of the node at the other end. */
  readonly node: string;
  /** Where an instance of this node listens, if there is one of that id. */
  readonly find: (id: string) => UpstreamAddress | undefined;
  readonly clock: Clock;
}

export class NodeTunnel {
  readonly node: string;
  readonly #socket: TLSSocket;
  readonly #raw: Socket;
  readonly #find: NodeTunnelOptions['find'];
  readonly #clock: Clock;
  #held: Buffer = Buffer.alloc(0);
  #near: Socket | undefined;
  #isReached = false;
  /** What is waited for now: the name, the instance, or the end of one that was refused. */
  #deadline: Disposable | undefined;
  /** Until the instance is tried again. */
  #pause: Disposable | undefined;

  constructor(options: NodeTunnelOptions) {
    this.node = options.node;
    this.#socket = options.socket;
    this.#raw = options.raw;
    this.#find = options.find;
    this.#clock = options.clock;
  }

  start(): void {
    const socket = this.#socket;
    socket.once('close', () => this.#closed());
    this.#within(NODE_DOOR.nameTimeoutMs, () => socket.destroy());
    socket.on('data', this.#readName);
    // Who says nothing more before he has named an instance has nothing to ask.
    socket.once('end', this.#endedEarly);
  }

  destroy(): void {
    this.#socket.destroy();
  }

  readonly #endedEarly = (): void => {
    this.#socket.destroy();
  };

  readonly #readName = (chunk: Buffer): void => {
    const socket = this.#socket;
    this.#held = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const held = this.#held;
    const end = held.indexOf(NEWLINE);
    if (end < 0 && held.length <= NODE_DOOR.nameBytesMax) return;
    socket.off('data', this.#readName);
    socket.off('end', this.#endedEarly);
    socket.pause();
    // Nobody speaks before he has heard that the instance is there.
    if (end < 0 || end !== held.length - 1) {
      socket.destroy();
      return;
    }
    this.#held = Buffer.alloc(0);
    this.#lead(held.toString('latin1', 0, end));
  };

  #lead(id: string): void {
    const address = this.#find(id);
    // One that is on a third node would be a loop in the making.
    if (address === undefined || address.kind === 'node') {
      this.#refuse();
      return;
    }
    this.#within(NODE_DOOR.connectTimeoutMs, () => this.#refuse());
    this.#connect(address);
  }

  #connect(address: Exclude<UpstreamAddress, { kind: 'node' }>): void {
    const options = { allowHalfOpen: true, noDelay: true };
    const near =
      address.kind === 'socket'
        ? connect({ ...options, path: address.path })
        : connect({ ...options, host: address.host, port: address.port });
    this.#near = near;
    near.once('connect', () => this.#join(near));
    near.on('error', (error) => {
      if (this.#near !== near) return;
      if (this.#isReached) this.#break();
      // The backlog of a unix socket is full: many came at once, and the app will take them in a moment.
      else if (systemCode(error) === 'EAGAIN') {
        this.#pause = this.#clock.after(NODE_DOOR.backlogPauseMs, () => this.#connect(address));
      } else this.#refuse();
    });
  }

  #join(near: Socket): void {
    const socket = this.#socket;
    this.#deadline?.[Symbol.dispose]();
    this.#isReached = true;
    socket.write(Buffer.of(REACHED));
    takeReads(near, (buffer, size, lasts) => this.#back(near, buffer, size, lasts), OWN);
    near.on('end', () => socket.end());
    socket.on('drain', () => near.resume());
    const out = new SocketOutbox(near);
    takeReads(
      socket,
      (buffer, size) => {
        out.copied(buffer, 0, size);
        if (!out.blocked) out.flush();
        if (out.blocked) socket.pause();
      },
      PAST_PAUSE,
    );
    // It may have come while the instance was waited for, and is told once.
    if (socket.readableEnded) out.end();
    else socket.on('end', () => out.end());
    near.on('drain', () => {
      out.flush();
      if (!out.blocked) socket.resume();
    });
  }

  /** TLS takes one write at a time: what is read into again waits for its end, and is read into no more before. */
  #back(near: Socket, buffer: Buffer, size: number, lasts: boolean): void {
    const bytes = buffer.subarray(0, size);
    if (lasts) {
      near.pause();
      this.#socket.write(bytes, () => near.resume());
    } else if (!this.#socket.write(Buffer.from(bytes))) near.pause();
  }

  #refuse(): void {
    const socket = this.#socket;
    const near = this.#near;
    this.#near = undefined;
    near?.destroy();
    this.#pause?.[Symbol.dispose]();
    this.#within(NODE_DOOR.refusedLingerMs, () => socket.destroy());
    socket.resume();
    socket.end(Buffer.of(REFUSED));
  }

  /**
   * The instance broke off. An answer may end with its connection (RFC 9112 6.3), so this must not look like an end: a
   * TLS socket that is destroyed says goodbye, one that is reset does not.
   */
  #break(): void {
    this.#raw.resetAndDestroy();
    this.#socket.destroy();
  }

  #within(ms: number, tooLate: () => void): void {
    this.#deadline?.[Symbol.dispose]();
    this.#deadline = this.#clock.after(ms, tooLate);
  }

  #closed(): void {
    this.#deadline?.[Symbol.dispose]();
    this.#pause?.[Symbol.dispose]();
    const near = this.#near;
    this.#near = undefined;
    near?.destroy();
  }
}
