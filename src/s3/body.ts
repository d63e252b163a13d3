/**
 * The body of a request that is to be kept: decoded, measured, and held against everything that the client has said of it
 * (length, MD5, SHA-256, checksums before or after it). MD5 and SHA-256 are taken by the file store, once.
 */
import type { Received } from '../files/files.ts';
import type { Payload } from './authenticate.ts';
import {
  type Checksum,
  type ChecksumName,
  checksumOf,
  DIGEST_BYTES,
  isChecksumName,
} from './checksums.ts';
import { decodeChunked } from './chunked-body.ts';
import { invalidArgument, S3Error } from './errors.ts';

/** Of one request. */
export const PUT_BYTES_MAX: number = 5 * 1024 ** 3;

export interface BodyHeaders {
  readonly [name: string]: string | readonly string[] | undefined;
}

export interface CheckedBody {
  /** Undefined when the client has not said it. */
  readonly size: number | undefined;
  readonly bytes: AsyncIterable<Uint8Array>;
  /** Throws when something does not agree; else the checksums to keep. */
  accept(received: Received): { readonly checksums: Readonly<Record<string, string>> };
}

function field(headers: BodyHeaders, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'object' ? value.join(',') : value;
}

/** Bytes of the body without its coding. Throws MissingContentLength when nobody says. */
export function announcedSize(headers: BodyHeaders, payload: Payload): number {
  const name = payload.kind === 'chunked' ? 'x-amz-decoded-content-length' : 'content-length';
  const text = field(headers, name);
  if (text === undefined) throw new S3Error('MissingContentLength');
  if (!/^\d{1,15}$/.test(text)) throw invalidArgument(`Bad ${name}`, name, text);
  return Number(text);
}

/** What the client has said that the checksum is, or will say in the trailer. */
interface WantedChecksum {
  readonly name: ChecksumName;
  /** Undefined while it is to come in the trailer, or when it is only to be taken. */
  readonly value: string | undefined;
}

/** Beside the checksums themselves. */
const ABOUT_CHECKSUMS: ReadonlySet<string> = new Set(['algorithm', 'mode', 'type']);
const CHECKSUM_FIELD = 'x-amz-checksum-';

function givenChecksums(headers: BodyHeaders): readonly ChecksumName[] {
  return Object.keys(headers).flatMap((field) => {
    if (!field.startsWith(CHECKSUM_FIELD)) return [];
    const name = field.slice(CHECKSUM_FIELD.length);
    if (ABOUT_CHECKSUMS.has(name)) return [];
    if (isChecksumName(name)) return [name];
    throw new S3Error(
      'InvalidRequest',
      'The algorithm type you specified in x-amz-checksum- header is invalid.',
    );
  });
}

/** The client says what the body has to be: by its MD5, or by a checksum before or behind it. */
export function isSummed(headers: BodyHeaders): boolean {
  const isTrailing = field(headers, 'x-amz-trailer') !== undefined;
  return isTrailing || 'content-md5' in headers || givenChecksums(headers).length > 0;
}

function wantedChecksum(headers: BodyHeaders, hasTrailer: boolean): WantedChecksum | undefined {
  const given = givenChecksums(headers);
  const trailer = field(headers, 'x-amz-trailer')?.toLowerCase().trim();
  const sdk = field(headers, 'x-amz-sdk-checksum-algorithm')?.toLowerCase();
  if (given.length > 1 || (given.length > 0 && trailer !== undefined)) {
    throw new S3Error(
      'InvalidRequest',
      'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.',
    );
  }
  if (sdk !== undefined && !isChecksumName(sdk)) {
    throw new S3Error(
      'InvalidRequest',
      'Value for x-amz-sdk-checksum-algorithm header is invalid.',
    );
  }
  const [name] = given;
  if (name !== undefined) {
    const value = field(headers, `x-amz-checksum-${name}`) ?? '';
    checkDigest(name, value);
    checkSdk(sdk, name);
    return { name, value };
  }
  if (trailer !== undefined) {
    const wanted = trailer.replace(/^x-amz-checksum-/, '');
    if (!isChecksumName(wanted) || !hasTrailer) {
      throw new S3Error(
        'InvalidRequest',
        'The value specified in the x-amz-trailer header is not supported',
      );
    }
    checkSdk(sdk, wanted);
    return { name: wanted, value: undefined };
  }
  if (hasTrailer) throw new S3Error('MalformedTrailerError');
  if (sdk === undefined) return undefined;
  throw new S3Error(
    'InvalidRequest',
    'x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.',
  );
}

function checkSdk(sdk: string | undefined, name: ChecksumName): void {
  if (sdk !== undefined && sdk !== name) {
    throw new S3Error(
      'BadDigest',
      'The checksum is not of the algorithm that the x-amz-sdk-checksum-algorithm header names.',
    );
  }
}

/** Base64 of exactly the digest's length: anything else is the digest of nothing. */
export function checkDigest(name: ChecksumName, value: string): void {
  const bytes = Buffer.from(value, 'base64');
  if (bytes.length === DIGEST_BYTES[name] && bytes.toString('base64') === value) return;
  throw new S3Error('BadDigest', `Value for x-amz-checksum-${name} header is invalid.`);
}

/** Hex, or undefined when there is none. */
function wantedMd5(headers: BodyHeaders): string | undefined {
  const text = field(headers, 'content-md5');
  if (text === undefined) return undefined;
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length !== 16 || bytes.toString('base64') !== text.trim()) {
    throw new S3Error('InvalidDigest', undefined, { details: { 'Content-MD5': text } });
  }
  return bytes.toString('hex');
}

export interface BodyRules {
  readonly headers: BodyHeaders;
  readonly payload: Payload;
  /** A checksum to take even if the client does not speak of one: an upload's, whose parts have no other. */
  readonly algorithm?: ChecksumName | undefined;
}

export function checkedBody(source: AsyncIterable<Uint8Array>, rules: BodyRules): CheckedBody {
  const { headers, payload } = rules;
  const hasTrailer = payload.kind === 'chunked' && payload.trailer;
  const wanted = wantedChecksum(headers, hasTrailer);
  const md5 = wantedMd5(headers);
  const size = announcedSize(headers, payload);
  const sums = new Map<ChecksumName, Checksum>();
  if (wanted !== undefined && wanted.name !== (rules.algorithm ?? wanted.name)) {
    throw new S3Error(
      'InvalidRequest',
      `Checksum Type mismatch occurred, expected checksum Type: ${rules.algorithm ?? ''}, actual checksum Type: ${wanted.name}`,
    );
  }
  for (const name of [wanted?.name, rules.algorithm]) {
    if (name !== undefined) sums.set(name, checksumOf(name));
  }
  let said = wanted?.value;
  const plain =
    payload.kind === 'plain'
      ? source
      : decodeChunked(source, {
          signer: payload.signer,
          decodedLength: size,
          onTrailers: !hasTrailer
            ? undefined
            : (fields) => {
                said = trailerValue(fields, wanted?.name);
              },
        });
  return {
    size,
    bytes: sums.size === 0 ? plain : summed(plain, [...sums.values()]),
    accept(received) {
      if (md5 !== undefined && md5 !== received.md5) throw new S3Error('BadDigest');
      if (
        payload.kind === 'plain' &&
        payload.sha256 !== undefined &&
        payload.sha256 !== received.sha256
      ) {
        throw new S3Error('XAmzContentSHA256Mismatch', undefined, {
          details: {
            ClientComputedContentSHA256: payload.sha256,
            S3ComputedContentSHA256: received.sha256,
          },
        });
      }
      return { checksums: digestsOf(sums.values(), wanted?.name, said) };
    },
  };
}

/** Throws when the one that the client spoke of is another. */
function digestsOf(
  sums: Iterable<Checksum>,
  name: ChecksumName | undefined,
  said: string | undefined,
): Readonly<Record<string, string>> {
  const checksums: Record<string, string> = {};
  for (const sum of sums) checksums[sum.name] = sum.digest();
  if (name !== undefined && said !== undefined && checksums[name] !== said) {
    throw new S3Error(
      'BadDigest',
      `The ${name.toUpperCase()} you specified did not match the calculated checksum.`,
    );
  }
  return checksums;
}

/** One that is only to be taken. */
function namedChecksum(headers: BodyHeaders): WantedChecksum | undefined {
  const name = field(headers, 'x-amz-checksum-algorithm')?.toLowerCase();
  if (name === undefined) return undefined;
  if (isChecksumName(name)) return { name, value: undefined };
  throw new S3Error('InvalidRequest', 'Value for x-amz-checksum-algorithm header is invalid.');
}

/** The file of a form, held against the checksum that a field of it says. */
export function summedBody(
  source: AsyncIterable<Uint8Array>,
  headers: BodyHeaders,
): {
  readonly bytes: AsyncIterable<Uint8Array>;
  accept(): { readonly checksums: Readonly<Record<string, string>> };
} {
  const wanted = wantedChecksum(headers, false) ?? namedChecksum(headers);
  const sums = wanted === undefined ? [] : [checksumOf(wanted.name)];
  return {
    bytes: sums.length === 0 ? source : summed(source, sums),
    accept: () => ({ checksums: digestsOf(sums, wanted?.name, wanted?.value) }),
  };
}

function trailerValue(
  fields: ReadonlyMap<string, string>,
  name: ChecksumName | undefined,
): string | undefined {
  const value = fields.get(`x-amz-checksum-${name ?? ''}`);
  if (value === undefined || name === undefined) throw new S3Error('MalformedTrailerError');
  checkDigest(name, value);
  return value;
}

async function* summed(
  source: AsyncIterable<Uint8Array>,
  sums: readonly Checksum[],
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const piece of source) {
    for (const sum of sums) sum.update(piece);
    yield piece;
  }
}

/** A document in the body, as a whole; checked as a body that is kept. */
export async function readDocument(
  source: AsyncIterable<Uint8Array>,
  rules: BodyRules & { readonly bytesMax: number },
  digests: (bytes: Buffer) => { readonly md5: string; readonly sha256: string },
): Promise<Buffer> {
  const { headers } = rules;
  const lengthless = headers['content-length'] === undefined && rules.payload.kind === 'plain';
  const given = lengthless ? { ...headers, 'content-length': '0' } : headers;
  const body = checkedBody(source, { ...rules, headers: given });
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of body.bytes) {
    size += piece.length;
    if (size > rules.bytesMax)
      throw new S3Error('EntityTooLarge', undefined, {
        details: { MaxSizeAllowed: rules.bytesMax },
      });
    pieces.push(piece);
  }
  const bytes = Buffer.concat(pieces);
  body.accept({ size, ...digests(bytes) });
  return bytes;
}
