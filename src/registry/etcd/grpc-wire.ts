/**
 * gRPC's frames and statuses, pure. Source: gRPC over HTTP/2 ("PROTOCOL-HTTP2.md"), "gRPC status codes", and "HTTP to gRPC
 * status code mapping".
 */
import { ERROR, type Field } from '../../http2/http2.ts';

/** The index is the number on the wire. */
const STATUSES = [
  'Ok',
  'Canceled',
  'Unknown',
  'InvalidArgument',
  'DeadlineExceeded',
  'NotFound',
  'AlreadyExists',
  'PermissionDenied',
  'ResourceExhausted',
  'FailedPrecondition',
  'Aborted',
  'OutOfRange',
  'Unimplemented',
  'Internal',
  'Unavailable',
  'DataLoss',
  'Unauthenticated',
] as const;

export type Status = (typeof STATUSES)[number];

/** A call that failed, in the words of gRPC. */
export class GrpcError extends Error {
  readonly status: Status;

  constructor(status: Status, message: string) {
    super(message);
    this.name = 'GrpcError';
    this.status = status;
  }
}

/** Whether it is compressed, and its length. */
const HEAD_BYTES = 5;
/** etcd's own limit for what it sends is far above what a page or a commit of ours holds. */
export const MESSAGE_BYTES_MAX: number = 64 * 1024 * 1024;

export function frameOf(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(HEAD_BYTES + message.byteLength);
  frame[0] = 0;
  frame.writeUInt32BE(message.byteLength, 1);
  frame.set(message, HEAD_BYTES);
  return frame;
}

/** Takes messages out of the bytes of a stream, however they are cut. */
export class FrameReader {
  #chunks: Buffer[] = [];
  #bytes = 0;
  #wanted: number = HEAD_BYTES;

  /** True between two messages: only there may a stream end. */
  get isBetween(): boolean {
    return this.#bytes === 0;
  }

  /** The messages that are whole now; copies, so that a small one keeps no large buffer. `chunk` is valid only during the call. Throws `GrpcError`. */
  push(chunk: Buffer): readonly Uint8Array[] {
    this.#bytes += chunk.byteLength;
    if (this.#bytes < this.#wanted) {
      this.#chunks.push(Buffer.from(chunk));
      return [];
    }
    const isFirst = this.#chunks.length === 0;
    const all = isFirst ? chunk : Buffer.concat([...this.#chunks, chunk], this.#bytes);
    const messages: Uint8Array[] = [];
    let at = 0;
    for (;;) {
      const left = all.byteLength - at;
      this.#wanted = left < HEAD_BYTES ? HEAD_BYTES : HEAD_BYTES + sizeOf(all, at);
      if (left < this.#wanted) break;
      messages.push(new Uint8Array(all.subarray(at + HEAD_BYTES, at + this.#wanted)));
      at += this.#wanted;
    }
    this.#chunks = at === all.byteLength ? [] : [Buffer.from(all.subarray(at))];
    this.#bytes = all.byteLength - at;
    return messages;
  }
}

function sizeOf(bytes: Buffer, at: number): number {
  if (bytes[at] !== 0)
    throw new GrpcError('Internal', 'a compressed message, which nobody asked for');
  const size = bytes.readUInt32BE(at + 1);
  if (size <= MESSAGE_BYTES_MAX) return size;
  throw new GrpcError(
    'ResourceExhausted',
    `a message of ${size} bytes: at most ${MESSAGE_BYTES_MAX} are taken`,
  );
}

/** What the headers or trailers say about the call; undefined when they do not. */
export function statusIn(fields: readonly Field[]): GrpcError | 'Ok' | undefined {
  const written = valueOf(fields, 'grpc-status');
  if (written === undefined) return undefined;
  const status = STATUSES[Number(written)] ?? 'Unknown';
  if (status === 'Ok') return status;
  return new GrpcError(status, messageIn(valueOf(fields, 'grpc-message') ?? ''));
}

/** Why these are not the headers of an answer; undefined when they are. */
export function notGrpc(fields: readonly Field[]): GrpcError | undefined {
  const code = Number(valueOf(fields, ':status'));
  if (code !== 200)
    return new GrpcError(HTTP_STATUSES.get(code) ?? 'Unknown', `HTTP status ${code}`);
  const type = valueOf(fields, 'content-type') ?? 'none';
  if (/^application\/grpc(?:$|[+;])/.test(type)) return undefined;
  return new GrpcError('Unknown', `an answer of the content type ${type}`);
}

/** A stream that was reset, or ended, before it told a status. */
export function statusOfReset(code: number): GrpcError {
  if (code === ERROR.none) {
    return new GrpcError('Internal', 'the stream ended without a status');
  }
  return new GrpcError(
    RESET_STATUSES.get(code) ?? 'Internal',
    `the stream was reset with code ${code}`,
  );
}

const HTTP_STATUSES: ReadonlyMap<number, Status> = new Map([
  [400, 'Internal'],
  [401, 'Unauthenticated'],
  [403, 'PermissionDenied'],
  [404, 'Unimplemented'],
  [429, 'Unavailable'],
  [502, 'Unavailable'],
  [503, 'Unavailable'],
  [504, 'Unavailable'],
]);

/** "Too much" is no refusal of the call here: it may come after the work was done. */
const RESET_STATUSES: ReadonlyMap<number, Status> = new Map<number, Status>([
  [ERROR.refusedStream, 'Unavailable'],
  [ERROR.cancel, 'Canceled'],
  [ERROR.enhanceYourCalm, 'Unavailable'],
  [ERROR.inadequateSecurity, 'PermissionDenied'],
]);

function valueOf(fields: readonly Field[], name: string): string | undefined {
  return fields.find((field) => field.name === name)?.value;
}

/** Percent-encoded UTF-8; what is not stays as it is. */
function messageIn(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
