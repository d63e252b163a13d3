/**
 * One process at a time, by the name of an abstract unix socket: the kernel frees it when its owner dies, however that
 * dies, so there is nothing stale to clean up. Names are the machine's, for all users alike.
 */
import { createServer, type Server } from 'node:net';
import { systemCode } from '../base/errors.ts';
import { sha256Hex } from '../base/ids.ts';

/** What `ss -xlp` shows of the lock for this key. */
export function lockName(key: string): string {
  return `moln-${sha256Hex(key).slice(0, 32)}`;
}

/** Undefined when another process has it. Disposing frees it; it keeps no process alive. */
export async function takeNameLock(key: string): Promise<AsyncDisposable | undefined> {
  const server = createServer((socket) => socket.destroy());
  if (!(await listens(server, lockName(key)))) return undefined;
  server.unref();
  return {
    [Symbol.asyncDispose]: () => new Promise<void>((done) => server.close(() => done())),
  };
}

function listens(server: Server, name: string): Promise<boolean> {
  return new Promise((done, fail) => {
    server.once('error', (error) => {
      if (systemCode(error) === 'EADDRINUSE') done(false);
      else fail(error);
    });
    server.listen({ path: `\0${name}` }, () => done(true));
  });
}
