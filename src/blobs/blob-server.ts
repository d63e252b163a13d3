/**
 * A server of node:http for a storage node that takes puts past it, their bodies in pieces that are given back. A connection begins so; the first
 * request that is no put of a stated length goes to node:http, and the connection with it.
 */
import { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import { statusLine } from '../http/status.ts';
import { WholeRequest } from '../http/whole-request.ts';
import { type BodyPieces, RequestConnection } from '../net/net.ts';
import { failureOf, type PutAsked } from './blob-handler.ts';
import { SMALL_BODY_BYTES } from './small-body.ts';
import type { Written } from './model.ts';
import { statusOf } from './wire.ts';

export interface BlobServerOptions {
  /** `BlobHandler.put`. */
  readonly put: (asked: PutAsked) => Promise<Written>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** A connection on which nobody asks anything is ended after once or twice as long. */
const KEEP_ALIVE_MS = 60_000;
/** Smaller puts are taken as a whole. With a head. */
const WHOLE_BYTES_MAX: number = SMALL_BODY_BYTES + 16 * 1024;
const PUT: ReadonlySet<string> = new Set(['PUT']);
const putRequest = new WholeRequest(WHOLE_BYTES_MAX, PUT, { takesLong: true });

/** Other requests are for the listeners of `request` and `checkContinue`. */
export class BlobServer extends Server {
  readonly #options: BlobServerOptions;
  readonly #connections = new Map<RequestConnection<WholeRequest>, Socket>();

  constructor(options: BlobServerOptions) {
    super({ requestTimeout: 0, keepAliveTimeout: KEEP_ALIVE_MS });
    this.#options = options;
    const takeUsually = this.listeners('connection') as ((this: Server, socket: Socket) => void)[];
    this.removeAllListeners('connection');
    this.on('connection', (socket: Socket) => {
      const connection = new RequestConnection({
        socket,
        request: putRequest,
        take: (request, bytes, long) => {
          void this.#answer(connection, askedOf(request, bytes, long));
          return true;
        },
        handOver: () => {
          for (const take of takeUsually) take.call(this, socket);
          socket.resume();
        },
        onGone: () => this.#connections.delete(connection),
      });
      this.#connections.set(connection, socket);
      connection.start();
    });
    this.on('listening', () => {
      const sweeps = options.clock.every(KEEP_ALIVE_MS, () => {
        for (const connection of this.#connections.keys()) connection.sweep();
      });
      this.once('close', () => sweeps[Symbol.dispose]());
    });
  }

  override closeIdleConnections(): void {
    super.closeIdleConnections();
    for (const connection of this.#connections.keys()) connection.end();
  }

  override closeAllConnections(): void {
    super.closeAllConnections();
    for (const socket of this.#connections.values()) socket.destroy();
  }

  async #answer(connection: RequestConnection<WholeRequest>, asked: PutAsked): Promise<void> {
    const { put, log } = this.#options;
    const { status, value } = await put(asked).then(
      (written) => ({ status: 201, value: written as unknown }),
      (error: unknown) => {
        if (connection.isOver) return { status: 500, value: undefined };
        const failure = failureOf(log, error);
        return { status: statusOf(failure), value: failure as unknown };
      },
    );
    if (connection.isOver) return;
    // Who asks has read why, and sends the rest to nobody.
    if (connection.isReceiving) connection.end();
    const body = JSON.stringify(value);
    const fields = `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`;
    const last = connection.isEnding ? 'Connection: close\r\n' : '';
    connection.writer.write(
      Buffer.from(`${statusLine(status)}\r\n${fields}${last}\r\n${body}`),
      () => undefined,
    );
    connection.answered();
  }
}

/** Valid after the call it is made in: names and values are taken out of what was read. */
function askedOf(request: WholeRequest, bytes: Buffer, long: BodyPieces | undefined): PutAsked {
  const { head, bodyStart, end } = request;
  const headers: Record<string, string> = {};
  for (let at = 0; at < head.count; at++) headers[head.nameAt(at).toLowerCase()] = head.valueAt(at);
  const body = long ?? only(Buffer.from(bytes.subarray(bodyStart, end)));
  return { path: head.target, headers, body };
}

async function* only(body: Buffer): AsyncGenerator<Uint8Array, void, undefined> {
  if (body.length > 0) yield await Promise.resolve(body);
}
