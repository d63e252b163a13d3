/** A plain HTTP client for tests: one connection a request, so that what is seen is what was just decided. */
import { type Agent, request, type IncomingHttpHeaders } from 'node:http';

const TIMEOUT_MS = 20_000;

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Question {
  readonly address: string;
  readonly port: number;
  /** Instead of address and port. */
  readonly socketPath?: string;
  /** The `Host` field, with the port if it should carry one. */
  readonly host: string;
  readonly path: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly timeoutMs?: number;
  /** Of connections that are kept; default: one a request. */
  readonly agent?: Agent;
  readonly signal?: AbortSignal;
}

/** Rejects when the connection fails or breaks off; any status is an answer. */
export function ask(question: Question): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const sent = request(
    {
      ...(question.socketPath === undefined
        ? { host: question.address, port: question.port }
        : { socketPath: question.socketPath }),
      ...(question.signal === undefined ? {} : { signal: question.signal }),
      path: question.path,
      method: question.method ?? 'GET',
      headers: { host: question.host, ...question.headers },
      agent: question.agent ?? false,
      timeout: question.timeoutMs ?? TIMEOUT_MS,
    },
    (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('error', reject);
      response.once('end', () => {
        if (!response.complete) reject(new Error('the answer broke off'));
        const body = Buffer.concat(chunks).toString('utf8');
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
      });
    },
  );
  sent.once('timeout', () => sent.destroy(new Error(`no answer from ${question.host} in time`)));
  sent.once('error', reject);
  sent.end(question.body);
  return promise;
}
