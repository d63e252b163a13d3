/** Listens where the platform says, and stops without dropping anybody. */
import { mkdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { Entries } from './entries.ts';
import { Guestbook } from './guestbook.ts';

const folder = process.env['MOLN_DATA_DIR'] ?? join(import.meta.dirname, 'data');
mkdirSync(folder, { recursive: true });
const entries = new Entries(join(folder, 'guestbook.sqlite'));
const guestbook = new Guestbook({ entries, instance: process.env['MOLN_INSTANCE'] });

const server = createServer((request, response) => {
  guestbook.handle(request, response).catch((error: unknown) => {
    console.error(`${request.method} ${request.url}:`, error);
    if (response.headersSent) response.destroy();
    else response.writeHead(500, { 'content-length': 0 }).end();
  });
});
// Longer than a gateway keeps a connection that it does not use, so that it never meets a closed one.
server.keepAliveTimeout = 120_000;

const socket = process.env['LISTEN_SOCKET'];
if (socket === undefined) server.listen(Number(process.env['PORT'] ?? 3000), '127.0.0.1');
else {
  rmSync(socket, { force: true });
  server.listen(socket);
}
server.once('listening', () => {
  const address = server.address();
  const where = typeof address === 'object' ? `http://127.0.0.1:${address?.port}/` : address;
  console.log(`Guestbook with ${entries.count()} entries listens on ${where}`);
});

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    server.close(() => {
      entries.close();
      process.exit(0);
    });
    server.closeIdleConnections();
  });
}
