/** A TCP port for an app that knows no unix sockets. */
import { createServer } from 'node:net';

/** Free at this moment; somebody else may take it before the app binds it, see `PORT_RETRIES_MAX`. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
