/** Clients of a server of node:http that hold a connection while nothing comes from them and they take nothing: they are cut. */
import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

export class QuietClients {
  readonly #stallMs: number;
  /** The last answer of each connection. */
  readonly #answering = new WeakMap<Duplex, ServerResponse>();

  /** `stallMs`: nothing came and nothing went for so long. */
  constructor(server: Server, stallMs: number) {
    this.#stallMs = stallMs;
    server.setTimeout(stallMs, (socket) => this.#quiet(socket));
  }

  /** To be told of each request before it is answered. */
  began(response: ServerResponse): void {
    this.#answering.set(response.req.socket, response);
  }

  /** Undefined before a connection had one. */
  lastOf(socket: Duplex): ServerResponse | undefined {
    return this.#answering.get(socket);
  }

  /** It is let be while it is this side that is not ready: copying a large object takes its time. */
  #quiet(socket: Socket): void {
    const answering = this.#answering.get(socket);
    // Without anything that moves nobody would begin the time anew.
    if (answering !== undefined && isAtWork(answering, socket)) socket.setTimeout(this.#stallMs);
    else socket.destroy();
  }
}

/** All that was said has gone, and what came of the body has yet to be read here, or is all of it. */
function isAtWork(answering: ServerResponse, socket: Socket): boolean {
  const { req } = answering;
  const isHeard = socket.writableLength === 0 && answering.writableLength === 0;
  return !answering.writableFinished && isHeard && (req.complete || req.readableLength > 0);
}
