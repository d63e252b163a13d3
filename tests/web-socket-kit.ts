/** Web sockets for tests: a server that echoes, and clients. */
import { createServer } from 'node:http';
import { WebSocket, WebSocketServer } from 'ws';

export interface EchoServer extends Disposable {
  /** Clients that are there now. */
  readonly clients: number;
}

/** Echoes each message, at a unix socket. */
export async function startEchoServer(path: string): Promise<EchoServer> {
  const server = createServer();
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket) => {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  await new Promise<void>((resolve) => server.listen(path, () => resolve()));
  return {
    get clients() {
      return sockets.clients.size;
    },
    [Symbol.dispose]() {
      for (const socket of sockets.clients) socket.terminate();
      server.close();
    },
  };
}

/** Resolves when it is open. */
export function openWebSocket(port: number): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
  return new Promise((resolve, reject) => {
    socket.once('open', () => resolve(socket));
    socket.once('error', reject);
  });
}
