/**
 * A storage node over HTTP:
 *
 *     PUT /c/ID            put; Moln-Blob has the options              GET /c/ID   get; Range     HEAD /c/ID   stat     DELETE /c/ID
 *     POST /c/ID?append=OFFSET   ?seal   ?truncate=LENGTH   ?verify   ?pull=NODE (Moln-Source-Ticket: to read there)
 *     GET /list?after=ID&limit=N&skipAway=true      GET /usage
 *
 * Each with a Moln-Ticket (`ticket.ts`). Answers are JSON but for the bytes of a blob; a failure is an error body with a status. While a pull goes on, it
 * says 102 now and then.
 */
import type { ErrorBody } from '../base/errors.ts';
import { MolnError } from '../base/errors.ts';
import { invalid } from './errors.ts';
import type { BlobStat, Original, PutOptions } from './model.ts';

export const TICKET_HEADER = 'moln-ticket';
export const SOURCE_TICKET_HEADER = 'moln-source-ticket';
/** What comes with a put, or begins an open blob: base64url of JSON. */
export const BLOB_HEADER = 'moln-blob';
/** Answer to HEAD: base64url of JSON. */
export const STAT_HEADER = 'moln-stat';
/** With `FOR_COPY`: the blocks of what is got need not be checked. The answer says in it what a copy has, too: base64url of JSON. */
export const COPY_HEADER = 'moln-copy';
export const FOR_COPY = 'yes';
export const LENGTH_HEADER = 'moln-length';
export const SHA256_HEADER = 'moln-sha256';
/** With `BACKGROUND`: what is asked goes after what clients ask. */
export const CLASS_HEADER = 'moln-class';
export const BACKGROUND = 'background';

/** Bytes of an answer that is JSON. */
export const ANSWER_BYTES_MAX: number = 4 * 1024 * 1024;

/** Of a blob of 64 MiB. */
const CRCS_MAX = 1024;

/** How a request reaches a node: connections, TLS and addresses are the caller's. */
export type BlobCall = (request: BlobRequest) => Promise<BlobResponse>;

export interface BlobRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Not touched before the node has agreed to take it. */
  readonly body?: AsyncIterable<Uint8Array>;
  /** Nobody else has the pieces of the body: once sent they are given back (`piece-pool.ts`). */
  readonly givesPieces?: boolean;
}

export interface BlobResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** To be read to its end, or left by `return`. */
  readonly body: AsyncIterable<Uint8Array>;
}

const STATUSES: Readonly<Record<string, number>> = {
  BLOBS_FULL: 507,
  BLOBS_MISSING: 404,
  BLOBS_OFFSET: 409,
  BLOBS_SEALED: 409,
  BLOBS_HASH: 412,
  BLOBS_LENGTH: 400,
  BLOBS_TOO_LARGE: 413,
  BLOBS_TICKET: 403,
  BLOBS_INVALID: 400,
  BLOBS_AWAY: 503,
  BLOBS_READ_ONLY: 503,
};

export function statusOf(error: MolnError): number {
  return STATUSES[error.code] ?? 500;
}

export function encodeHeader(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

/** Throws `BLOBS_INVALID`. */
export function decodePutOptions(header: string | undefined): PutOptions {
  const value = decodeHeader(header);
  if (!isPutOptions(value)) throw invalid(`Header "${BLOB_HEADER}" does not say what is coming`);
  const { fid, index, allocSeq, name, policy, about, createdAt, maxBytes, length, sha256 } = value;
  return {
    fid,
    index,
    allocSeq,
    createdAt,
    maxBytes,
    ...(name === undefined ? {} : { name }),
    ...(policy === undefined ? {} : { policy }),
    ...(about === undefined ? {} : { about }),
    ...(length === undefined ? {} : { length }),
    ...(sha256 === undefined ? {} : { sha256 }),
  };
}

/** What an answer says of it; the sums of larger blobs are taken anew, for a head takes 64 KiB. */
export function encodeOriginal({ meta, crcs }: Original): string {
  const isShort = crcs !== undefined && crcs.length <= CRCS_MAX;
  return encodeHeader({ meta, ...(isShort ? { crcs } : {}) });
}

/** Undefined from a node that does not say it. */
export function decodeOriginal(header: string | undefined): Original | undefined {
  return header === undefined ? undefined : (decodeHeader(header) as Original);
}

export function decodeStat(header: string | undefined): BlobStat {
  return decodeHeader(header) as BlobStat;
}

function decodeHeader(header: string | undefined): unknown {
  try {
    return JSON.parse(Buffer.from(header ?? '', 'base64url').toString('utf8'));
  } catch {
    throw invalid('A header of a storage node is not what it should be');
  }
}

function isPutOptions(value: unknown): value is PutOptions {
  if (typeof value !== 'object' || value === null) return false;
  const is = (key: string, type: 'string' | 'number', mayBeAbsent = false): boolean => {
    const field = (value as Readonly<Record<string, unknown>>)[key];
    return field === undefined ? mayBeAbsent : typeof field === type;
  };
  return (
    is('fid', 'string') &&
    is('index', 'number') &&
    is('allocSeq', 'number') &&
    is('createdAt', 'number') &&
    is('maxBytes', 'number') &&
    is('name', 'string', true) &&
    is('policy', 'string', true) &&
    is('about', 'string', true) &&
    is('length', 'number', true) &&
    is('sha256', 'string', true)
  );
}

/** What a node said instead of doing it. */
export function errorFrom(status: number, body: unknown): MolnError {
  const { code, message, retryable, hint, details } = (body ?? {}) as Partial<ErrorBody>;
  if (typeof code === 'string' && typeof message === 'string') {
    return MolnError.from({
      code,
      message,
      retryable: retryable === true,
      ...(typeof hint === 'string' ? { hint } : {}),
      ...(typeof details === 'object' ? { details } : {}),
    });
  }
  return broken(`it answered with status ${status}`);
}

/** Leaves open whether it was done. */
export function broken(why: string, cause?: unknown): MolnError {
  return new MolnError('BLOBS_BROKEN', `A storage node did not answer: ${why}`, {
    retryable: true,
    ...(cause === undefined ? {} : { cause }),
  });
}
