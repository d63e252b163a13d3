/**
 * Connections of proxies that are trusted begin with a PROXY header: it is read here, before anybody else sees a byte, and what
 * it says of the client is kept as long as the connection lives. Connections of others are let through as they come.
 */
import type { Socket } from 'node:net';
import { AddressRanges, readProxyHeader } from '../net/net.ts';
import type { Plane } from './plane.ts';

export class ProxiedPeers {
  readonly #plane: Plane;
  #trusted: AddressRanges;
  readonly #waiting = new Set<Socket>();
  /** Clients by the connection over which they came, which is a TLS socket later. Empty: the proxy speaks for itself. */
  readonly #clients = new Map<string, string>();

  constructor(plane: Plane, trust: readonly string[]) {
    this.#plane = plane;
    this.#trusted = new AddressRanges(trust);
  }

  /** For connections that come from now on. */
  trust(ranges: readonly string[]): void {
    this.#trusted = new AddressRanges(ranges);
  }

  /** Takes a paused socket; `go` gets it, paused, with the bytes behind the header still to be read. */
  admit(socket: Socket, go: (socket: Socket) => void): void {
    if (!this.#trusted.has(socket.remoteAddress)) {
      go(socket);
      return;
    }
    const plane = this.#plane;
    this.#waiting.add(socket);
    plane.connections++;
    const timer = plane.clock.after(plane.limits.requestHeadTimeoutMs, () => socket.destroy());
    const done = (): void => {
      if (!this.#waiting.delete(socket)) return;
      timer[Symbol.dispose]();
      plane.connections--;
    };
    const refuse = (reason: string): void => {
      plane.log.debug('A PROXY header was refused', { from: socket.remoteAddress, reason });
      socket.destroy();
    };
    const key = keyOf(socket);
    socket.on('error', (error) => plane.log.debug('A connection failed', { error }));
    socket.once('close', () => {
      done();
      this.#clients.delete(key);
    });
    const onEnd = (): void => refuse('The connection ended before it');
    let held: Buffer = Buffer.alloc(0);
    const onReadable = (): void => {
      const chunk = socket.read() as Buffer | null;
      if (chunk === null) return;
      held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
      const header = readProxyHeader(held);
      if (header.kind === 'incomplete') return;
      socket.off('readable', onReadable);
      socket.off('end', onEnd);
      if (header.kind === 'refused') {
        refuse(header.reason);
        return;
      }
      done();
      this.#clients.set(key, header.ends?.source.address ?? '');
      if (header.bytes < held.length) socket.unshift(held.subarray(header.bytes));
      go(socket);
    };
    socket.on('readable', onReadable);
    socket.on('end', onEnd);
  }

  /** Undefined when the connection itself says who the client is. */
  clientOf(socket: Socket): string | undefined {
    const client = this.#clients.get(keyOf(socket));
    return client === '' ? undefined : client;
  }

  /** Breaks off whoever has not said who he is. */
  destroy(): void {
    for (const socket of this.#waiting) socket.destroy();
  }
}

function keyOf({ remoteAddress, remotePort, localAddress }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress}`;
}
