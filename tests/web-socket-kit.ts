/** Web sockets for tests: a server that echoes, and clients. */
import { createServer, type Server } from 'node:http';
import { type RawData, WebSocket, WebSocketServer } from 'ws';

export interface EchoServer extends Disposable {
  /** Clients that are there now. */
  readonly clients: number;
}

/** Echoes each message, at a unix socket. */
export async function startEchoServer(path: string): Promise<EchoServer> {
  const server = createServer();
  const echo = echoOn(server);
  await new Promise<void>((resolve) => server.listen(path, () => resolve()));
  return {
    get clients() {
      return echo.clients;
    },
    [Symbol.dispose]() {
      echo[Symbol.dispose]();
      server.close();
    },
  };
}

/** The same on a server that answers requests too. */
export function echoOn(server: Server): EchoServer {
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket) => {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  return {
    get clients() {
      return sockets.clients.size;
    },
    [Symbol.dispose]() {
      for (const socket of sockets.clients) socket.terminate();
    },
  };
}

/** What comes back. */
export function echoed(socket: WebSocket, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    socket.once('message', (data: RawData) => resolve(String(data as Buffer)));
    socket.once('close', () => reject(new Error('the web socket was closed')));
    socket.send(text);
  });
}

/** Resolves when it is open. */
export function openWebSocket(
  port: number,
  options: { readonly address?: string; readonly host?: string } = {},
): Promise<WebSocket> {
  const { address = '127.0.0.1', host = `${address}:${port}` } = options;
  const socket = new WebSocket(`ws://${address}:${port}/`, { headers: { host } });
  return new Promise((resolve, reject) => {
    socket.once('open', () => resolve(socket));
    socket.once('error', reject);
  });
}
