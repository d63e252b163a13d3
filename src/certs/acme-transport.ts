/**
 * HTTPS to a certificate authority, in place of the HTTP client that the ACME library brings: answers have limits, a request
 * ends with its signal, problem documents keep their type, and nothing is repeated behind our back.
 */
import { request } from 'node:https';
import { messageOf } from '../base/errors.ts';
import { parseHttpDate } from '../http/http-date.ts';
import { orderGone, refused, unreachable } from './errors.ts';
import { ANSWER_BYTES_MAX, REQUEST_TIMEOUT_MS } from './limits.ts';

/** As the library wants it. */
export interface AcmeAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** An object when it is JSON, else text. */
  readonly data: unknown;
}

export interface TransportOptions {
  /** PEM; undefined: those that Node knows. */
  readonly ca: string | undefined;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly signal: AbortSignal;
}

/** Throws `CERTS_UNREACHABLE`, `CERTS_RATE_LIMITED`, `CERTS_REFUSED`; an old nonce is an answer, for the library asks again. */
export async function askAuthority(
  url: string,
  { method, body }: { readonly method: string; readonly body: unknown },
  options: TransportOptions,
): Promise<AcmeAnswer> {
  const answer = await exchange(url, method, body, options);
  if (answer.status < 400) return answer;
  const { type = '', detail = '' } = problemOf(answer.data);
  const kind = type.replace('urn:ietf:params:acme:error:', '');
  if (kind === 'badNonce') return answer;
  if (answer.status === 404) throw orderGone(url);
  throw refused({
    url,
    status: answer.status,
    type: kind,
    detail,
    retryAfterMs: retryAfterMs(answer.headers['retry-after'], options.now()),
  });
}

interface Problem {
  readonly type?: string;
  readonly detail?: string;
}

/** RFC 7807; with the words of its parts, for an order of several hosts has one for each. */
export function problemOf(data: unknown): Problem {
  if (typeof data !== 'object' || data === null) return {};
  const { type, detail, subproblems } = data as Readonly<Record<string, unknown>>;
  const parts = Array.isArray(subproblems) ? subproblems.map((part) => problemOf(part).detail) : [];
  const words = [detail, ...parts].filter((part) => typeof part === 'string');
  return {
    ...(typeof type === 'string' ? { type } : {}),
    ...(words.length === 0 ? {} : { detail: words.join('; ') }),
  };
}

/** Seconds, or a date (RFC 9110 10.2.3). */
export function retryAfterMs(text: string | undefined, nowMs: number): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  const at = parseHttpDate(text);
  return at === undefined ? undefined : Math.max(0, at - nowMs);
}

function exchange(
  url: string,
  method: string,
  body: unknown,
  { ca, signal }: TransportOptions,
): Promise<AcmeAnswer> {
  const text = body === undefined ? undefined : JSON.stringify(body);
  const { promise, resolve, reject } = Promise.withResolvers<AcmeAnswer>();
  const fail = (error: unknown): void => {
    if (signal.aborted) reject(signal.reason as Error);
    else reject(unreachable(url, messageOf(error), error));
  };
  try {
    const asked = request(
      url,
      {
        method: method.toUpperCase(),
        agent: false,
        signal: AbortSignal.any([signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]),
        ...(ca === undefined ? {} : { ca }),
        headers: {
          'User-Agent': 'moln acme-client',
          ...(text === undefined
            ? {}
            : {
                'Content-Type': 'application/jose+json',
                'Content-Length': Buffer.byteLength(text),
              }),
        },
      },
      (response) => {
        const chunks: Buffer[] = [];
        let size = 0;
        response.on('data', (chunk: Buffer) => {
          size += chunk.length;
          if (size > ANSWER_BYTES_MAX) {
            asked.destroy(new Error(`its answer has more than ${ANSWER_BYTES_MAX} bytes`));
          }
          chunks.push(chunk);
        });
        response.on('error', fail);
        response.on('end', () => {
          const headers = Object.fromEntries(
            Object.entries(response.headers).map(([name, value]) => [name, String(value)]),
          );
          const said = Buffer.concat(chunks).toString();
          const isJson = /json/.test(headers['content-type'] ?? '');
          resolve({
            status: response.statusCode ?? 0,
            headers,
            data: isJson ? parsed(said) : said,
          });
        });
      },
    );
    asked.on('error', fail);
    asked.end(text);
  } catch (error) {
    // A URL that is none.
    fail(error);
  }
  return promise;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return text;
    throw error;
  }
}
