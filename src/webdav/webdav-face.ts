/** The WebDAV face: an HTTP server that knows who asks, hands requests to their methods, and writes what comes of it. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { FileStore } from '../files/files.ts';
import { type Answer, writeAnswer } from '../http/answer.ts';
import { QuietClients } from '../http/quiet-clients.ts';
import { get, makeCollection, put } from './content.ts';
import { type Caller, checkMay, type DavCall } from './dav-call.ts';
import { DavError, davErrorOf } from './dav-error.ts';
import { lock, unlock } from './locking.ts';
import { propfind, proppatch } from './properties.ts';
import { placeOf } from './resource.ts';
import { copyOrMove, remove } from './trees.ts';

export interface WebDavFaceOptions {
  readonly store: FileStore;
  readonly clock: Clock;
  readonly log: Logger;
  /** Who has this name and password; undefined when nobody has. */
  readonly whoIs: (user: string, password: string) => Promise<Caller | undefined>;
  /** A client that sends nothing of a body, or takes nothing of an answer, for so long is cut. */
  readonly stallMs?: number;
}

interface Method {
  readonly writes: boolean;
  readonly run: (call: DavCall) => Promise<Answer>;
}

const METHODS: Readonly<Record<string, Method>> = {
  GET: { writes: false, run: get },
  HEAD: { writes: false, run: get },
  PROPFIND: { writes: false, run: propfind },
  PUT: { writes: true, run: put },
  DELETE: { writes: true, run: remove },
  MKCOL: { writes: true, run: makeCollection },
  COPY: { writes: false, run: copyOrMove },
  MOVE: { writes: true, run: copyOrMove },
  PROPPATCH: { writes: true, run: proppatch },
  LOCK: { writes: true, run: lock },
  UNLOCK: { writes: true, run: unlock },
};

const OPTIONS: Readonly<Record<string, string>> = {
  dav: '1, 2, 3',
  allow: `OPTIONS, ${Object.keys(METHODS).join(', ')}`,
  // Without it Windows does not try.
  'ms-author-via': 'DAV',
};
const KEEP_ALIVE_MS = 65_000;
const HEAD_TIMEOUT_MS = 30_000;
const STALL_MS = 120_000;

export class WebDavFace {
  readonly #options: WebDavFaceOptions;

  constructor(options: WebDavFaceOptions) {
    this.#options = options;
  }

  /** A server that is not listening yet. */
  server(): Server {
    const server = createServer({
      keepAliveTimeout: KEEP_ALIVE_MS,
      headersTimeout: HEAD_TIMEOUT_MS,
      requestTimeout: 0,
    });
    const clients = new QuietClients(server, this.#options.stallMs ?? STALL_MS);
    for (const event of ['request', 'checkContinue'])
      server.on(event, (request: IncomingMessage, response: ServerResponse) => {
        clients.began(response);
        void this.#serve(request, response);
      });
    return server;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => undefined);
    try {
      await writeAnswer(response, await this.#answer(request, response));
    } catch (error) {
      const said = response.headersSent ? undefined : this.#said(error);
      if (said === undefined) response.destroy();
      else refuse(request, response, said);
    }
  }

  #said(error: unknown): DavError {
    const known = davErrorOf(error);
    if (known !== undefined) return known;
    this.#options.log.error('A WebDAV request failed', {
      error: messageOf(error),
      ...(error instanceof Error ? { stack: error.stack } : {}),
    });
    return new DavError(500, 'Internal error');
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<Answer> {
    const name = request.method ?? 'GET';
    if (name === 'OPTIONS') return { status: 200, headers: OPTIONS };
    const caller = await this.#caller(request);
    const method = Object.hasOwn(METHODS, name) ? METHODS[name] : undefined;
    if (method === undefined) {
      throw new DavError(405, `There is no method ${name} here`, {
        headers: { allow: OPTIONS['allow'] ?? '' },
      });
    }
    const place = placeOf(request.url ?? '/');
    checkMay(caller, place.bucket, method.writes);
    const { store, clock } = this.#options;
    return method.run({
      store,
      clock,
      request,
      method: name,
      place,
      caller,
      body: bodyOf(request, response),
    });
  }

  async #caller(request: IncomingMessage): Promise<Caller> {
    const [, encoded] =
      /^Basic +([A-Za-z0-9+/=]+)$/i.exec(request.headers.authorization ?? '') ?? [];
    const pair = Buffer.from(encoded ?? '', 'base64').toString('utf8');
    const colon = pair.indexOf(':');
    const found =
      colon < 0
        ? undefined
        : await this.#options.whoIs(pair.slice(0, colon), pair.slice(colon + 1));
    if (found !== undefined) return found;
    throw new DavError(401, 'Want a token as password', {
      headers: { 'www-authenticate': 'Basic realm="Moln", charset="UTF-8"' },
    });
  }
}

function refuse(request: IncomingMessage, response: ServerResponse, error: DavError): void {
  const body = error.body() ?? `${error.message}\n`;
  const type =
    error.condition === undefined
      ? 'text/plain; charset=utf-8'
      : 'application/xml; charset="utf-8"';
  const headers: Record<string, string> = {
    'content-type': type,
    'content-length': String(Buffer.byteLength(body)),
    ...error.headers,
  };
  if (!request.complete && request.headers.expect !== undefined) headers['connection'] = 'close';
  response.writeHead(error.status, headers);
  response.end(request.method === 'HEAD' ? undefined : body);
}

async function* bodyOf(
  request: IncomingMessage,
  response: ServerResponse,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (request.headers.expect?.toLowerCase() === '100-continue') response.writeContinue();
  for await (const piece of request) yield piece as Uint8Array;
}
