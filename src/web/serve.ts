/**
 * An app behind a socket. The only file that knows the adapter between Node's requests and those of the Web. `close` lets what is
 * under way finish.
 */
import { createServer, type Server } from 'node:http';
import type { ListenOptions } from 'node:net';
import { getRequestListener, type HttpBindings } from '@hono/node-server';
import { systemClock } from '../base/time.ts';
import { type ConnectApp, SocketServer } from './sockets.ts';

const FINISH_WITHIN_MS = 8000;

export interface ServedApp {
  fetch(request: Request, address: string): Promise<Response>;
  connect: ConnectApp;
}

export interface Served {
  readonly server: Server;
  /** What is still under way after so long is cut; so are connections that browsers open to have some. */
  close(withinMs?: number): Promise<void>;
}

/** Resolves when it listens; rejects with Node's error when it cannot. */
export async function serve(app: ServedApp, where: ListenOptions): Promise<Served> {
  const listener = getRequestListener(
    (request, bindings) =>
      app.fetch(request, (bindings as HttpBindings).incoming.socket.remoteAddress ?? ''),
    { overrideGlobalObjects: false },
  );
  const server = createServer(
    // Any other upgrade, such as to HTTP/2, is declined by answering as usual (RFC 9110 §7.8).
    { shouldUpgradeCallback: ({ headers }) => headers.upgrade?.toLowerCase() === 'websocket' },
    (request, response) => void listener(request, response),
  );
  const sockets = new SocketServer((request, address) => app.connect(request, address));
  server.on('upgrade', (request, connection, head) => {
    void sockets.upgrade(request, connection, head);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(where, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const close = async (withinMs = FINISH_WITHIN_MS): Promise<void> => {
    const closed = new Promise<void>((resolve) => void server.close(() => resolve()));
    server.closeIdleConnections();
    using _cut = systemClock.after(withinMs, () => {
      server.closeAllConnections();
      sockets.cut();
    });
    await closed;
  };
  return { server, close };
}
