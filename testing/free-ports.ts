/** Ports for nodes under test: fixed for a node's life, so that it finds them again after a restart. */
import { createServer } from 'node:net';

/** Below Linux's ephemeral range, so that no outgoing connection takes one in between. */
const FIRST = 20_000;
const LAST = 32_000;
const ATTEMPTS_MAX = 200;

/**
 * `count` different ports, free on the address at this moment, and no other test process's: each is reserved until this
 * process ends, by an abstract socket of its name, which the kernel frees whatever happens.
 */
export async function freePorts(address: string, count: number): Promise<number[]> {
  const found = new Set<number>();
  for (let attempt = 0; found.size < count; attempt++) {
    if (attempt > ATTEMPTS_MAX) throw new Error(`Found no ${count} free ports on ${address}`);
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST));
    if ((await isFree(address, port)) && (await reserve(port))) found.add(port);
  }
  return [...found];
}

function isFree(address: string, port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const server = createServer();
  server.once('error', () => resolve(false));
  server.listen({ host: address, port, exclusive: true }, () => server.close(() => resolve(true)));
  return promise;
}

function reserve(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const server = createServer((socket) => socket.destroy());
  server.once('error', () => resolve(false));
  server.listen(`\0moln-test-port-${port}`, () => resolve(true));
  server.unref();
  return promise;
}
