/** A server of the wire over real SQLite, mounted as a node mounts it: below `/db/shop/` on a port and on a unix socket. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, request as httpRequest, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '../src/base/log.ts';
import { systemClock } from '../src/base/time.ts';
import { HranaError, type HranaLimits, HranaServer } from '../src/hrana/hrana.ts';
import { SqliteEngine } from '../testing/sqlite-engine.ts';

const MOUNT = '/db/shop/';

export const TOKENS = { ada: 'token-of-ada', bob: 'token-of-bob', reader: 'token-of-reader' };

/** A machine that is busy must not end what a test has open. */
const PATIENT = { streamIdleMs: 120_000, transactionIdleMs: 120_000, transactionMs: 120_000 };

export interface HranaKit extends AsyncDisposable {
  readonly port: number;
  /** With the last slash. */
  readonly url: string;
  readonly socketUrl: string;
  readonly unixSocket: string;
  readonly engine: SqliteEngine;
  readonly hrana: HranaServer;
  /** Posts JSON as curl would, with Ada's token unless told otherwise. */
  post(path: string, body: unknown, token?: string | null): Promise<Reply>;
  stop(): Promise<void>;
}

export interface Reply {
  readonly status: number;
  readonly text: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into foreign JSON
  readonly json: any;
}

export async function startHrana(limits: Partial<HranaLimits> = {}): Promise<HranaKit> {
  const folder = mkdtempSync(join(tmpdir(), 'moln-hrana-'));
  const engine = new SqliteEngine(join(folder, 'shop.sqlite'));
  const hrana = new HranaServer({
    database: engine,
    clock: systemClock,
    log: silentLogger,
    limits: { ...PATIENT, ...limits },
    authenticate: (token) => {
      const name = Object.entries(TOKENS).find(([, known]) => known === token)?.[0];
      if (name !== undefined) return Promise.resolve({ id: name, readOnly: name === 'reader' });
      const code = token === undefined ? 'AUTH_HTTP_HEADER_MISSING' : 'AUTH_JWT_INVALID';
      return Promise.reject(new HranaError(code, 'No such token', { status: 401 }));
    },
  });
  const unixSocket = join(folder, 'db.sock');
  const servers = [mount(hrana), mount(hrana)] as const;
  await Promise.all([listen(servers[0], 0), listen(servers[1], unixSocket)]);
  const address = servers[0].address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const url = `http://127.0.0.1:${port}${MOUNT}`;
  const stop = async (): Promise<void> => {
    await hrana[Symbol.asyncDispose]();
    for (const server of servers) {
      server.close();
      server.closeAllConnections();
    }
  };
  return {
    port,
    url,
    socketUrl: url.replace('http:', 'ws:'),
    unixSocket,
    engine,
    hrana,
    stop,
    post: (path, body, token = TOKENS.ada) => post(url + path, body, token),
    [Symbol.asyncDispose]: async () => {
      await stop();
      engine[Symbol.dispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function mount(hrana: HranaServer): Server {
  const server = createServer({ keepAliveTimeout: 120_000 }, (request, response) => {
    void hrana.serve({ request, response, path: pathOf(request) });
  });
  server.on('upgrade', (request: IncomingMessage, socket, head: Buffer) =>
    hrana.upgrade(request, socket, head),
  );
  return server;
}

function pathOf({ url = '' }: IncomingMessage): string {
  const path = url.split('?', 1)[0] ?? '';
  return path.startsWith(MOUNT) ? path.slice(MOUNT.length) : path;
}

function listen(server: Server, where: number | string): Promise<void> {
  return new Promise((resolve) => {
    if (typeof where === 'string') server.listen(where, () => resolve());
    else server.listen(where, '127.0.0.1', () => resolve());
  });
}

function post(url: string, body: unknown, token: string | null): Promise<Reply> {
  const bytes =
    typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const headers = {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(bytes),
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    };
    const request = httpRequest(url, { method: 'POST', headers }, (response) => {
      const pieces: Buffer[] = [];
      response.on('data', (piece: Buffer) => pieces.push(piece));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(pieces).toString();
        resolve({ status: response.statusCode ?? 0, text, json: parsed(text) });
      });
    });
    request.on('error', reject);
    request.end(bytes);
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
