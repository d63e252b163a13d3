/**
 * WebSockets of apps: what an action `'WS /…'` gives for each visitor who connects, and the frames behind it. The only file here that knows the
 * WebSocket library. A message is handed over when the one before is done with, so a visitor who sends too fast waits.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type RawData, WebSocket, WebSocketServer } from 'ws';
import { systemClock } from '../base/time.ts';
import type { Context } from './context.ts';

const MESSAGE_BYTES_MAX: number = 1024 ** 2;
/** Who reads so little that more than this waits is let go. */
const UNSENT_BYTES_MAX: number = 4 * 1024 ** 2;
/** Of one instance. */
const SOCKETS_MAX = 5000;
/** A visitor who does not answer between two pings is gone. */
const PING_MS = 30_000;
/** Of RFC 6455 §7.4.1. */
export const CLOSE = { goingAway: 1001, failed: 1011, slow: 1013 } as const;

/** One visitor's connection. */
export interface Socket {
  /** Text, or bytes; nothing happens when it is closed. */
  send(message: string | Uint8Array): void;
  close(code?: number, reason?: string): void;
  readonly isOpen: boolean;
}

/** What an action gives. */
export interface SocketHandlers {
  readonly open?: (socket: Socket) => void | Promise<void>;
  readonly message?: (message: string | Uint8Array, socket: Socket) => void | Promise<void>;
  readonly close?: () => void | Promise<void>;
}

export type SocketAction = (
  context: Context,
) => SocketHandlers | Response | Promise<SocketHandlers | Response>;

/** Handlers that never throw. */
export interface SocketPeer {
  open(socket: Socket): Promise<void>;
  message(message: string | Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/** Answers a request to connect: a peer, or the answer that refuses it. Never rejects. */
export type ConnectApp = (request: Request, address: string) => Promise<SocketPeer | Response>;

export class SocketServer {
  readonly #connect: ConnectApp;
  readonly #server = new WebSocketServer({
    noServer: true,
    maxPayload: MESSAGE_BYTES_MAX,
    // Compression holds some 300 KB for each connection.
    perMessageDeflate: false,
  });

  constructor(connect: ConnectApp) {
    this.#connect = connect;
  }

  /** Takes over a request to upgrade, the connection included. */
  async upgrade(request: IncomingMessage, connection: Duplex, head: Buffer): Promise<void> {
    connection.on('error', () => undefined);
    if (this.#server.clients.size >= SOCKETS_MAX) return refuse(connection, 503);
    const asked = webRequest(request);
    if (asked === undefined) return refuse(connection, 400);
    const peer = await this.#connect(asked, request.socket.remoteAddress ?? '');
    if (peer instanceof Response) return refuse(connection, peer.status);
    if (connection.destroyed) return await peer.close();
    this.#server.handleUpgrade(request, connection, head, (client) => serveSocket(client, peer));
  }

  /** Cuts those whose other end does not answer that it closes. */
  cut(): void {
    for (const client of this.#server.clients) client.terminate();
  }
}

function serveSocket(client: WebSocket, peer: SocketPeer): void {
  let isAlive = true;
  /** Messages that came with one chunk of bytes all wait, though nothing more is read. */
  let waiting = 0;
  const pings = systemClock.every(PING_MS, () => {
    // Its answer to the last ping may be behind the message that is being handled.
    if (client.isPaused) return;
    if (!isAlive) return client.terminate();
    isAlive = false;
    client.ping();
  });
  let turn = peer.open(socketOf(client));
  client.on('pong', () => {
    isAlive = true;
  });
  client.on('message', (data, isBinary) => {
    isAlive = true;
    waiting += 1;
    client.pause();
    const message = isBinary ? bytesOf(data) : Buffer.from(bytesOf(data)).toString();
    turn = turn
      .then(() => peer.message(message))
      .then(() => {
        waiting -= 1;
        if (waiting === 0) client.resume();
      });
  });
  // A broken frame or connection is told by "close", which follows.
  client.on('error', () => undefined);
  client.on('close', () => {
    pings[Symbol.dispose]();
    void turn.then(() => peer.close());
  });
}

function socketOf(client: WebSocket): Socket {
  return {
    send(message) {
      if (client.readyState !== WebSocket.OPEN) return;
      client.send(message);
      if (client.bufferedAmount > UNSENT_BYTES_MAX) client.close(CLOSE.slow, 'Too slow');
    },
    close: (code, reason) => {
      client.close(code, reason);
      client.resume();
    },
    get isOpen() {
      return client.readyState === WebSocket.OPEN;
    },
  };
}

function refuse(connection: Duplex, status: number): void {
  connection.end(`HTTP/1.1 ${status} Refused\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

/** Undefined for what is no request to a path of a host: its head comes from whoever connects. */
function webRequest({ url = '', headers }: IncomingMessage): Request | undefined {
  if (!url.startsWith('/')) return undefined;
  try {
    const given = new Headers();
    for (const [name, value] of Object.entries(headers))
      for (const one of [value ?? []].flat()) given.append(name, one);
    // Put together as text: resolved, "//path" would be another host.
    return new Request(`http://${headers.host ?? 'localhost'}${url}`, { headers: given });
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

function bytesOf(data: RawData): Uint8Array {
  if (Array.isArray(data)) return Buffer.concat(data);
  return data instanceof ArrayBuffer ? new Uint8Array(data) : data;
}
