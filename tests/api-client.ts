/** The API under test on real sockets, and a small client for it: unix socket, plain TCP or TLS. */
import { mkdtemp, rm } from 'node:fs/promises';
import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ApiServer, type ApiServerOptions } from '../src/api/api.ts';
import { createLogger, type LogRecord } from '../src/base/log.ts';
import { systemClock } from '../src/base/time.ts';
import { openIdentity } from '../src/cluster/cluster.ts';
import { Console } from '../src/console/console.ts';
import type { TlsCredentials } from '../src/net/net.ts';
import { MemoryCloud } from './api-memory-cloud.ts';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
  /** The decoded body; throws when it is not JSON. */
  json(): Record<string, unknown>;
  /** The code of the error that the body carries. */
  code(): unknown;
}

export interface Ask {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly token?: string;
  readonly body?: unknown;
  /** Default: plain TCP. */
  readonly over?: 'unix' | 'tls';
}

/** A node's certificate and the authority that a client trusts. */
export async function makeCertificate(name: string): Promise<TlsCredentials & { ca: string }> {
  const dataFolder = await mkdtemp(join(tmpdir(), 'moln-api-keys-'));
  try {
    const log = createLogger({ part: 'test', sinks: [], now: () => 0 });
    const identity = await openIdentity({ dataFolder, nodeName: name, clock: systemClock, log });
    const { keyPem, certificatePem } = identity.certificate;
    return { key: keyPem, cert: certificatePem, ca: identity.authorityPem };
  } finally {
    await rm(dataFolder, { recursive: true, force: true });
  }
}

/** An `ApiServer` over a `MemoryCloud`, listening; disposing ends it and removes its folder. */
export class ApiUnderTest implements AsyncDisposable {
  readonly cloud: MemoryCloud = new MemoryCloud();
  readonly records: LogRecord[] = [];
  readonly folder: string;
  readonly server: ApiServer;
  certificate: (TlsCredentials & { ca: string }) | undefined;

  private constructor(folder: string, options: Partial<ApiServerOptions>) {
    this.folder = folder;
    const sinks = [(record: LogRecord): unknown => this.records.push(record)];
    const log = createLogger({ part: 'api', sinks, now: () => 0, level: 'debug' });
    this.server = new ApiServer({
      cloud: this.cloud,
      log,
      clock: systemClock,
      version: '0.1.0',
      console: new Console({ folder: join(folder, 'console') }),
      names: () => ['moln.example'],
      ...options,
    });
  }

  static async start(
    options: Partial<ApiServerOptions> & { readonly tls?: boolean } = {},
  ): Promise<ApiUnderTest> {
    const { tls = false, ...rest } = options;
    const folder = await mkdtemp(join(tmpdir(), 'moln-api-'));
    const api = new ApiUnderTest(folder, rest);
    if (tls) api.certificate = await makeCertificate('first');
    await api.server.listen({
      unixSocket: api.socketPath,
      tcp: { address: '127.0.0.1', port: 0 },
      ...(api.certificate === undefined ? {} : { tls: api.certificate }),
    });
    return api;
  }

  get socketPath(): string {
    return join(this.folder, 'api.sock');
  }

  get port(): number {
    return this.server.address()?.port ?? 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** The request, with nothing of its body sent. */
  open({ method = 'GET', path, headers = {}, token, over }: Ask): ClientRequest {
    const bearer = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const options = { method, path, agent: false, headers: { ...headers, ...bearer } };
    if (over === 'unix') return httpRequest({ ...options, socketPath: this.socketPath });
    const where = { ...options, host: '127.0.0.1', port: this.port };
    if (over !== 'tls') return httpRequest(where);
    return httpsRequest({ ...where, servername: 'localhost', ca: this.certificate?.ca });
  }

  /** The head of the answer, its body still to come. */
  head(ask: Ask): Promise<IncomingMessage> {
    const { body } = ask;
    const raw = typeof body === 'string' || body instanceof Uint8Array;
    const payload = body === undefined || raw ? body : JSON.stringify(body);
    const type = raw || body === undefined ? {} : { 'content-type': 'application/json' };
    const request = this.open({ ...ask, headers: { ...type, ...ask.headers } });
    request.end(payload);
    return answered(request);
  }

  async ask(ask: Ask): Promise<Answer> {
    return whole(await this.head(ask));
  }
}

export function answered(request: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.once('response', resolve).once('error', reject);
  });
}

export async function whole(response: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString('utf8');
  const json = (): Record<string, unknown> => JSON.parse(text) as Record<string, unknown>;
  const { statusCode: status = 0, headers } = response;
  return {
    status,
    headers,
    text,
    json,
    code: () => (json()['error'] as { readonly code?: unknown } | undefined)?.code,
  };
}

/** The values of an NDJSON body. */
export function lines(text: string): unknown[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown);
}
