/** A request of native HTTP in parts, and its answer in JSON. */
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { isMolnError } from '../base/errors.ts';
import { requestInvalid } from './errors.ts';
import { JSON_BYTES_MAX } from './limits.ts';

export interface Asked {
  readonly method: string;
  readonly path: string;
  /** Empty: all buckets. */
  readonly bucket: string;
  /** Empty: the bucket itself. */
  readonly key: string;
  readonly query: URLSearchParams;
  /** For people: whose token it is. */
  readonly caller: string;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

const PREFIX = '/files';
const STATUSES: Readonly<Record<string, number>> = {
  BLOBS_INVALID: 400,
  FILES_NO_BUCKET: 404,
  FILES_NO_OBJECT: 404,
  FILES_NO_UPLOAD: 404,
  FILES_KEY_NOT_FOUND: 404,
  FILES_STORAGE_NOT_FOUND: 404,
  FILES_PATH_NOT_FOUND: 404,
  FILES_BUCKET_EXISTS: 409,
  FILES_BUCKET_NOT_EMPTY: 409,
  FILES_PUBLIC_BLOCKED: 409,
  FILES_EXISTS: 409,
  FILES_OFFSET: 409,
  FILES_STORAGE_EXISTS: 409,
  FILES_RECOVERY_RUNS: 409,
  FILES_CONDITION: 412,
  FILES_LOCKED: 423,
  FILES_QUOTA: 507,
  FILES_FULL: 507,
  FILES_UNAUTHORIZED: 401,
  FILES_FORBIDDEN: 403,
  FILES_HELD: 403,
  FILES_BUCKET_OF_SYSTEM: 403,
  FILES_ENCRYPTED: 403,
};

/** Throws `FILES_REQUEST_INVALID`. */
export function readTarget(url: string): Pick<Asked, 'path' | 'bucket' | 'key' | 'query'> {
  const at = url.indexOf('?');
  const path = at < 0 ? url : url.slice(0, at);
  const query = new URLSearchParams(at < 0 ? '' : url.slice(at + 1));
  const rest = path.slice(PREFIX.length).replace(/^\//, '');
  const slash = rest.indexOf('/');
  try {
    const bucket = decodeURIComponent(slash < 0 ? rest : rest.slice(0, slash));
    const key = slash < 0 ? '' : decodeURIComponent(rest.slice(slash + 1));
    return { path, bucket, key, query };
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    throw requestInvalid(
      'The address has a % that is no UTF-8',
      'Encode it as encodeURIComponent does',
    );
  }
}

/** Throws `FILES_REQUEST_INVALID`. */
export function wholeNumber(text: string, name: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value)) return value;
  throw requestInvalid(`"${text.slice(0, 50)}" is no ${name}`, 'Give a whole number');
}

/** Throws `FILES_REQUEST_INVALID`. */
export async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > JSON_BYTES_MAX)
      throw requestInvalid('The body is too long', `Send at most ${JSON_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString());
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw requestInvalid('The body is no JSON', 'Send a JSON object');
  }
}

export function sendJson(
  response: ServerResponse,
  status: number,
  value: unknown,
  headers: OutgoingHttpHeaders = {},
): void {
  const text = JSON.stringify(value);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
    ...headers,
  });
  response.end(text);
}

export function sendError(
  request: IncomingMessage,
  response: ServerResponse,
  error: unknown,
): void {
  if (response.headersSent || response.destroyed) {
    // Half an answer is out: only cutting the connection tells the client that it is not whole.
    response.destroy();
    return;
  }
  const body = isMolnError(error)
    ? error.toJSON()
    : {
        code: 'FILES_INTERNAL',
        message: 'The node failed; its log tells more',
        retryable: false,
      };
  const status = isMolnError(error) ? statusOf(error.code, error.retryable) : 500;
  const isRead = request.complete || request.method === 'GET' || request.method === 'HEAD';
  sendJson(
    response,
    status,
    { error: body },
    {
      ...(status === 401 ? { 'www-authenticate': 'Bearer realm="moln"' } : {}),
      // What is left of a refused body is not read.
      ...(isRead ? {} : { connection: 'close' }),
    },
  );
}

function statusOf(code: string, retryable: boolean): number {
  return STATUSES[code] ?? (retryable ? 503 : code.startsWith('FILES_') ? 400 : 500);
}
