/** Servers that routes and listeners of a cluster lead to, and clients of them. */
import { createServer } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { type Answer, ask } from '../testing/http.ts';
import type { TestNode } from '../testing/test-node.ts';
import { echoOn } from './web-socket-kit.ts';

/** Answers with its word and the path; echoes web sockets. Resolves with its URL. */
export async function startServer(t: TestContext, word: string): Promise<string> {
  let asked = 0;
  const server = createServer((request, response) => {
    response.setHeader('Cache-Control', request.url === '/kept' ? 'max-age=3600' : 'no-store');
    response.end(`${word} ${request.url} ${++asked}`);
  });
  const echo = echoOn(server);
  const port = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
  t.after(() => {
    echo[Symbol.dispose]();
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${port}`;
}

/** Says its word to whoever connects, then echoes. */
export async function startTcp(t: TestContext, word: string): Promise<string> {
  const open = new Set<Socket>();
  const server = createTcpServer((socket) => {
    open.add(socket);
    socket.on('error', () => open.delete(socket));
    socket.write(word);
    socket.pipe(socket);
  });
  const port = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
  t.after(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  return `tcp://127.0.0.1:${port}`;
}

/** Through the node's gateway, by that host. */
export function askHost(
  { address, ports }: TestNode,
  host: string,
  path = '/',
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  return ask({ address, port: ports.http, host, path, headers });
}

/** The first bytes that come; rejects when nobody listens. */
export function firstWords(address: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port });
    socket.once('data', (bytes) => {
      socket.destroy();
      resolve(bytes.toString());
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed without a word')));
  });
}
