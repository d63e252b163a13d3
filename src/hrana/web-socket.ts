/** The one file that knows the WebSocket library: handshake, frames, pings. */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type RawData, WebSocket, WebSocketServer } from 'ws';
import type { Clock } from '../base/time.ts';
import type { Encoding } from './encodings.ts';
import { JSON_ENCODING, PROTOBUF_ENCODING } from './encodings.ts';
import type { HranaLimits } from './limits.ts';
import { CLOSE, type MessageSocket } from './socket-connection.ts';

/** Newest first: the first one that the client has is taken. */
const SUBPROTOCOLS: ReadonlyMap<string, Encoding> = new Map([
  ['hrana3-protobuf', PROTOBUF_ENCODING],
  ['hrana3', JSON_ENCODING],
  ['hrana2', JSON_ENCODING],
  ['hrana1', JSON_ENCODING],
]);

/** Of a close frame, which holds 125 bytes with the code. */
const REASON_BYTES_MAX = 120;

/** The other side of a `MessageSocket`. */
export interface MessageHandler {
  message(bytes: Uint8Array, isBinary: boolean): void;
  closed(): Promise<void>;
}

export interface WebSocketsOptions {
  readonly clock: Clock;
  readonly limits: HranaLimits;
  readonly connect: (socket: MessageSocket, encoding: Encoding) => MessageHandler;
}

export class WebSockets {
  readonly #options: WebSocketsOptions;
  readonly #server: WebSocketServer;
  readonly #endings = new Set<Promise<void>>();
  #isClosing = false;

  constructor(options: WebSocketsOptions) {
    this.#options = options;
    this.#server = new WebSocketServer({
      noServer: true,
      clientTracking: true,
      maxPayload: options.limits.bodyBytesMax,
      // Compression holds some 300 KB for each connection, and rows over a LAN gain little.
      perMessageDeflate: false,
      handleProtocols: (offered) =>
        [...SUBPROTOCOLS.keys()].find((name) => offered.has(name)) ?? false,
    });
  }

  get size(): number {
    return this.#server.clients.size;
  }

  /** Takes over a request to upgrade, the socket included. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const refusal = this.#refusal(request);
    if (refusal !== undefined) {
      socket.on('error', () => undefined);
      socket.end(
        `HTTP/1.1 ${refusal}\r\nConnection: close\r\nContent-Length: 0\r\nSec-WebSocket-Version: 13\r\n\r\n`,
      );
      return;
    }
    this.#server.handleUpgrade(request, socket, head, (client) => this.#serve(client));
  }

  /** Resolves when the streams of all connections are rolled back. */
  async close(): Promise<void> {
    this.#isClosing = true;
    for (const client of this.#server.clients) {
      client.close(CLOSE.goingAway, 'The node stops');
      // Nobody waits for the client's answer.
      client.terminate();
    }
    this.#server.close();
    await Promise.all(this.#endings);
  }

  #refusal({ headers }: IncomingMessage): string | undefined {
    const offered = headers['sec-websocket-protocol']?.split(',').map((name) => name.trim());
    if (offered !== undefined && !offered.some((name) => SUBPROTOCOLS.has(name))) {
      return '400 Bad Request';
    }
    const isFull = this.#server.clients.size >= this.#options.limits.connectionsMax;
    return isFull || this.#isClosing ? '503 Service Unavailable' : undefined;
  }

  #serve(client: WebSocket): void {
    const { clock, limits, connect } = this.#options;
    // Without a subprotocol it is version 1.
    const encoding = SUBPROTOCOLS.get(client.protocol) ?? JSON_ENCODING;
    const handler = connect(messageSocket(client), encoding);
    let isAlive = true;
    const pings = clock.every(limits.pingMs, () => {
      if (!isAlive) client.terminate();
      isAlive = false;
      client.ping();
    });
    client.on('pong', () => {
      isAlive = true;
    });
    client.on('message', (data, isBinary) => {
      isAlive = true;
      handler.message(bytesOf(data), isBinary);
    });
    // A broken frame or connection is told by "close", which follows.
    client.on('error', () => undefined);
    client.on('close', () => {
      pings[Symbol.dispose]();
      const ending = handler.closed().finally(() => this.#endings.delete(ending));
      this.#endings.add(ending);
    });
  }
}

function messageSocket(client: WebSocket): MessageSocket {
  return {
    send(message, sent) {
      if (client.readyState === WebSocket.OPEN) client.send(message, () => sent());
      else sent();
    },
    close(code, reason) {
      client.close(code, truncated(reason));
      // What the client sends until it answers the close is of no use.
      client.resume();
    },
    pause: () => client.pause(),
    resume: () => client.resume(),
    get unsentBytes() {
      return client.bufferedAmount;
    },
  };
}

function truncated(reason: string): string {
  let text = reason;
  while (Buffer.byteLength(text) > REASON_BYTES_MAX) text = text.slice(0, -1);
  return text.toWellFormed();
}

function bytesOf(data: RawData): Uint8Array {
  if (Array.isArray(data)) return Buffer.concat(data);
  return data instanceof ArrayBuffer ? new Uint8Array(data) : data;
}
