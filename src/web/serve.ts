/**
 * An app behind a socket. The only file that knows the adapter between Node's requests and those of the Web. `close` lets what is
 * under way finish.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { ListenOptions } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import { getRequestListener, type HttpBindings } from '@hono/node-server';
import { systemCode } from '../base/errors.ts';
import { systemClock } from '../base/time.ts';
import { nodeRequest } from './node-request.ts';
import { type ConnectApp, SocketServer } from './sockets.ts';
import { type PlainAnswer, plainOf } from './text-answer.ts';

const FINISH_WITHIN_MS = 8000;

export interface ServedApp {
  /** Never rejects. */
  fetch(request: Request, address: string): Response | Promise<Response>;
  /** An answer could not be written, or its body failed on its way. */
  cut(request: Request, error: unknown): void;
  connect: ConnectApp;
}

export interface Served {
  readonly server: Server;
  /** What is still under way after so long is cut; so are connections that browsers open to have some. */
  close(withinMs?: number): Promise<void>;
}

/** Resolves when it listens; rejects with Node's error when it cannot. */
export async function serve(app: ServedApp, where: ListenOptions): Promise<Served> {
  const withBody = getRequestListener(
    (request, bindings) => app.fetch(request, addressOf((bindings as HttpBindings).incoming)),
    { overrideGlobalObjects: false },
  );
  const server = createServer(
    // Any other upgrade, such as to HTTP/2, is declined by answering as usual (RFC 9110 §7.8).
    { shouldUpgradeCallback: ({ headers }) => headers.upgrade?.toLowerCase() === 'websocket' },
    (incoming, outgoing) => {
      const isRead = incoming.method === 'GET' || incoming.method === 'HEAD';
      if (isRead) answerRead(app, incoming, outgoing);
      else void withBody(incoming, outgoing);
    },
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

/** Most requests by far: nothing to read, and mostly one text to write. */
function answerRead(app: ServedApp, incoming: IncomingMessage, outgoing: ServerResponse): void {
  let request: Request;
  try {
    request = nodeRequest(incoming, outgoing);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    outgoing.writeHead(400).end();
    return;
  }
  const cut = (error: unknown): void => {
    // A visitor who leaves is no failure.
    if (systemCode(error) === 'ERR_STREAM_PREMATURE_CLOSE') return;
    app.cut(request, error);
    if (outgoing.headersSent) outgoing.destroy();
    else outgoing.writeHead(500, 'Internal Server Error').end();
  };
  try {
    const answer = app.fetch(request, addressOf(incoming));
    const plain = answer instanceof Promise ? undefined : plainOf(answer);
    if (plain === undefined) write(answer, outgoing).catch(cut);
    else writePlain(plain, outgoing);
  } catch (error) {
    cut(error);
  }
}

/** Rejects when its head is not one of HTTP, its body was read already, or fails. */
async function write(given: Response | Promise<Response>, outgoing: ServerResponse): Promise<void> {
  const answer = await given;
  const plain = plainOf(answer);
  if (plain !== undefined) return writePlain(plain, outgoing);
  outgoing.writeHead(answer.status, [...answer.headers].flat());
  if (answer.body === null) return void outgoing.end();
  // What comes later, such as events, has its head at once; what is there already goes with it.
  using _head = systemClock.after(0, () => outgoing.flushHeaders());
  await pipeline(Readable.fromWeb(answer.body as ReadableStream), outgoing);
}

function addressOf({ socket }: IncomingMessage): string {
  return socket.remoteAddress ?? '';
}

function writePlain({ status, text, head }: PlainAnswer, outgoing: ServerResponse): void {
  const body = text ?? '';
  const bytes = Buffer.byteLength(body);
  const hasLength = status !== 204 && status !== 304;
  outgoing.writeHead(status, hasLength ? [...head, 'content-length', String(bytes)] : [...head]);
  // Text of one byte a character is the same in both, and Latin-1 is copied as it is.
  outgoing.end(body, bytes === body.length ? 'latin1' : 'utf8');
}
