/**
 * Node-to-node calls on the wire: HTTP/2 (RFC 9113) inside TLS 1.3. `POST /<method>` with JSON is a call; with the
 * parameters in the head (`moln-params`, base64url of JSON) it is a stream of bytes in both directions. Status 200 is
 * success, 400 an error body. A connection that is refused is told why in the debug data of a GOAWAY frame.
 */
import type { Readable } from 'node:stream';
import { type ErrorBody, MolnError } from '../base/errors.ts';
import { NET_RPC_INVALID, NET_RPC_TOO_LARGE } from './errors.ts';
import { RPC_BODY_BYTES_MAX, RPC_PARAMS_BYTES_MAX } from './limits.ts';

export const PARAMS_HEADER = 'moln-params';
/** Milliseconds that the caller waits. */
export const DEADLINE_HEADER = 'moln-deadline-ms';
export const STATUS_DONE = 200;
export const STATUS_FAILED = 400;

export function encodeParams(params: unknown): string {
  const text = Buffer.from(JSON.stringify(params ?? null)).toString('base64url');
  if (text.length > RPC_PARAMS_BYTES_MAX) throw tooLarge(text.length, RPC_PARAMS_BYTES_MAX);
  return text;
}

export function decodeParams(text: string): unknown {
  return parse(Buffer.from(text, 'base64url').toString('utf8'));
}

export function encodeBody(value: unknown): Buffer {
  const bytes = Buffer.from(JSON.stringify(value ?? null));
  if (bytes.length > RPC_BODY_BYTES_MAX) throw tooLarge(bytes.length, RPC_BODY_BYTES_MAX);
  return bytes;
}

/** Throws `NET_RPC_TOO_LARGE` and `NET_RPC_INVALID`. */
export async function readBody(
  stream: Readable,
  bytesMax: number = RPC_BODY_BYTES_MAX,
): Promise<unknown> {
  const chunks: Buffer[] = [];
  let length = 0;
  // Reading to the end must not destroy a stream that is still to be answered on.
  const parts = stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
  for await (const chunk of parts) {
    length += chunk.length;
    if (length > bytesMax) throw tooLarge(length, bytesMax);
    chunks.push(chunk);
  }
  return parse(Buffer.concat(chunks).toString('utf8'));
}

/** The error that the other side sent, if it is one. */
export function errorOf(value: unknown): MolnError | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const body = value as Partial<ErrorBody>;
  if (typeof body.code !== 'string' || typeof body.message !== 'string') return undefined;
  return MolnError.from({
    ...body,
    code: body.code,
    message: body.message,
    retryable: body.retryable === true,
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new MolnError(NET_RPC_INVALID, 'A node sent something that is not JSON', {
      cause: error,
    });
  }
}

function tooLarge(bytes: number, most: number): MolnError {
  return new MolnError(
    NET_RPC_TOO_LARGE,
    `A message between nodes has ${bytes} bytes, at most ${most}`,
  );
}
