/**
 * Who sends a request: signature version 4 or 2, in the head or in the address, or nobody. Says also how the body is vouched for.
 */
import { sameSecret } from '../base/ids.ts';
import { isoTime } from '../base/time.ts';
import type { AccessKey } from '../files/files.ts';
import { parseHttpDate } from '../http/http-date.ts';
import type { ChunkSigner } from './chunked-body.ts';
import { invalidArgument, S3Error } from './errors.ts';
import { signV2, stringToSignV2 } from './signature-v2.ts';
import {
  ALGORITHM,
  basicTime,
  canonicalRequest,
  type Credential,
  parseCredential,
  sign,
  signingKey,
  stringToSign,
} from '../base/aws-signature.ts';
import type { Target } from './uri.ts';

/** How far a client's clock may be from ours. */
const SKEW_MS = 15 * 60_000;
const PRESIGNED_SECONDS_MAX = 604_800;
const UNSIGNED = 'UNSIGNED-PAYLOAD';
const TOKEN = 'x-amz-security-token';

export interface SignedRequest {
  readonly method: string;
  readonly target: Target;
  readonly hostBucket: string | undefined;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

/** What vouches for the body. */
export type Payload =
  | { readonly kind: 'plain'; /** Hex. */ readonly sha256: string | undefined }
  | {
      readonly kind: 'chunked';
      readonly signer: ChunkSigner | undefined;
      readonly trailer: boolean;
    };

export interface Sender {
  /** Undefined for nobody in particular. */
  readonly key: AccessKey | undefined;
  readonly payload: Payload;
  readonly how: 'anonymous' | 'form' | 'header-v4' | 'header-v2' | 'query-v4' | 'query-v2';
  /** Milliseconds since the epoch, where the signature has a time. */
  readonly signedAt?: number;
}

type FindKey = (id: string) => Promise<AccessKey | undefined>;

export async function authenticate(
  request: SignedRequest,
  findKey: FindKey,
  nowMs: number,
): Promise<Sender> {
  const authorization = headerOf(request, 'authorization');
  const isInQuery = ['X-Amz-Algorithm', 'X-Amz-Signature', 'Signature'].some(
    (name) => queryOf(request, name) !== undefined,
  );
  if (authorization !== undefined && isInQuery) {
    throw invalidArgument(
      'Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified',
      'Authorization',
      authorization,
    );
  }
  if (authorization !== undefined) {
    if (authorization.startsWith(`${ALGORITHM} `)) {
      return headerV4(request, authorization, findKey, nowMs);
    }
    if (authorization.startsWith('AWS ')) return headerV2(request, authorization, findKey, nowMs);
    if (authorization.startsWith('AWS4-ECDSA')) {
      throw new S3Error('NotImplemented', 'Signature version 4A is not implemented');
    }
    if (authorization.trim() === '') throw new S3Error('AccessDenied');
    throw new S3Error('InvalidArgument', 'Unsupported Authorization Type', {
      details: { ArgumentName: 'Authorization', ArgumentValue: authorization },
    });
  }
  if (
    queryOf(request, 'X-Amz-Signature') !== undefined ||
    queryOf(request, 'X-Amz-Algorithm') !== undefined
  ) {
    return queryV4(request, findKey, nowMs);
  }
  if (
    queryOf(request, 'Signature') !== undefined &&
    queryOf(request, 'AWSAccessKeyId') !== undefined
  ) {
    return queryV2(request, findKey, nowMs);
  }
  const payload = payloadOf(headerOf(request, 'x-amz-content-sha256') ?? UNSIGNED, undefined);
  return { key: undefined, payload, how: 'anonymous' };
}

function headerOf(request: SignedRequest, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === 'object' ? value.join(',') : value;
}

function queryOf(request: SignedRequest, name: string): string | undefined {
  return request.target.query.find(([key]) => key === name)?.[1];
}

/** No key of ours is a temporary one. */
export function refuseToken(token: string | undefined): void {
  if (token !== undefined && token !== '') throw new S3Error('InvalidToken');
}

async function keyFor(request: SignedRequest, id: string, findKey: FindKey): Promise<AccessKey> {
  const inQuery = request.target.query.find(([name]) => name.toLowerCase() === TOKEN)?.[1];
  refuseToken(headerOf(request, TOKEN) ?? inQuery);
  const key = await findKey(id);
  if (key !== undefined) return key;
  throw new S3Error('InvalidAccessKeyId', undefined, { details: { AWSAccessKeyId: id } });
}

const PARTS =
  /^AWS4-HMAC-SHA256 +Credential=([^,\s]+)[, ]+SignedHeaders=([^,\s]+)[, ]+Signature=([0-9a-fA-F]+)\s*$/;

async function headerV4(
  request: SignedRequest,
  authorization: string,
  findKey: FindKey,
  nowMs: number,
): Promise<Sender> {
  const [, credentialText = '', signedText = '', signature = ''] = PARTS.exec(authorization) ?? [];
  const credential = parseCredential(credentialText);
  if (credential === undefined) throw new S3Error('AuthorizationHeaderMalformed');
  const key = await keyFor(request, credential.accessKey, findKey);
  const time = timeOf(headerOf(request, 'x-amz-date') ?? headerOf(request, 'date'));
  if (time === undefined) {
    throw new S3Error(
      'AccessDenied',
      'AWS authentication requires a valid Date or x-amz-date header',
    );
  }
  checkSkew(time.ms, nowMs);
  checkScope(credential, time.text, 'AuthorizationHeaderMalformed');
  const payloadHash = headerOf(request, 'x-amz-content-sha256');
  if (payloadHash === undefined) {
    throw new S3Error(
      'InvalidRequest',
      'Missing required header for this request: x-amz-content-sha256',
    );
  }
  const signedHeaders = signedText.split(';');
  checkSigned(request, signedHeaders);
  const signer = verifyV4(request, {
    credential,
    secret: key.secret,
    time: time.text,
    signedHeaders,
    signature,
    payloadHash,
    query: request.target.query,
  });
  return { key, payload: payloadOf(payloadHash, signer), how: 'header-v4', signedAt: time.ms };
}

async function queryV4(request: SignedRequest, findKey: FindKey, nowMs: number): Promise<Sender> {
  const text = (name: string): string => {
    const value = queryOf(request, name);
    if (value !== undefined) return value;
    throw new S3Error(
      'AuthorizationQueryParametersError',
      'Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.',
    );
  };
  if (text('X-Amz-Algorithm') !== ALGORITHM) {
    throw new S3Error(
      'AuthorizationQueryParametersError',
      'X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"',
    );
  }
  const credential = parseCredential(text('X-Amz-Credential'));
  const time = timeOf(text('X-Amz-Date'));
  const seconds = Number(text('X-Amz-Expires'));
  if (credential === undefined || time === undefined) {
    throw new S3Error('AuthorizationQueryParametersError');
  }
  if (!Number.isInteger(seconds) || seconds < 0) {
    throw new S3Error('AuthorizationQueryParametersError', 'X-Amz-Expires must be non-negative');
  }
  if (seconds > PRESIGNED_SECONDS_MAX) {
    throw new S3Error(
      'AuthorizationQueryParametersError',
      'X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds',
    );
  }
  const key = await keyFor(request, credential.accessKey, findKey);
  checkScope(credential, time.text, 'AuthorizationQueryParametersError');
  if (time.ms > nowMs + SKEW_MS) throw new S3Error('AccessDenied', 'Request is not yet valid');
  if (nowMs > time.ms + seconds * 1000) throw new S3Error('AccessDenied', 'Request has expired');
  const signedHeaders = text('X-Amz-SignedHeaders').split(';');
  checkSigned(request, signedHeaders);
  const payloadHash =
    queryOf(request, 'X-Amz-Content-Sha256') ??
    headerOf(request, 'x-amz-content-sha256') ??
    UNSIGNED;
  const signer = verifyV4(request, {
    credential,
    secret: key.secret,
    time: time.text,
    signedHeaders,
    signature: text('X-Amz-Signature'),
    payloadHash,
    query: request.target.query.filter(([name]) => name !== 'X-Amz-Signature'),
  });
  return { key, payload: payloadOf(payloadHash, signer), how: 'query-v4', signedAt: time.ms };
}

interface Claim {
  readonly credential: Credential;
  readonly secret: string;
  readonly time: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
  readonly payloadHash: string;
  readonly query: Target['query'];
}

function verifyV4(request: SignedRequest, claim: Claim): ChunkSigner {
  const { credential: scope, time } = claim;
  const canonical = canonicalRequest({
    method: request.method,
    path: request.target.path,
    query: claim.query,
    headers: request.headers,
    signedHeaders: claim.signedHeaders,
    payloadHash: claim.payloadHash,
  });
  const text = stringToSign(time, scope, canonical);
  const key = signingKey(claim.secret, scope);
  const seed = sign(key, text);
  if (!sameSecret(claim.signature.toLowerCase(), seed)) {
    throw new S3Error('SignatureDoesNotMatch', undefined, {
      details: {
        AWSAccessKeyId: claim.credential.accessKey,
        StringToSign: text,
        SignatureProvided: claim.signature,
        CanonicalRequest: canonical,
      },
    });
  }
  return { key, time, scope, seed };
}

function checkSkew(timeMs: number, nowMs: number): void {
  if (Math.abs(timeMs - nowMs) <= SKEW_MS) return;
  throw new S3Error('RequestTimeTooSkewed', undefined, {
    details: {
      RequestTime: isoTime(timeMs),
      ServerTime: isoTime(nowMs),
      MaxAllowedSkewMilliseconds: SKEW_MS,
    },
  });
}

/** Any region is good; the day must be that of the request, and the service S3. */
function checkScope(
  credential: Credential,
  time: string,
  code: 'AuthorizationHeaderMalformed' | 'AuthorizationQueryParametersError',
): void {
  if (credential.service !== 's3') {
    throw new S3Error(code, `The credential's service is "${credential.service}", want "s3"`);
  }
  if (!time.startsWith(credential.date)) {
    throw new S3Error(
      code,
      `The credential's date is ${credential.date}, the request's ${time.slice(0, 8)}`,
    );
  }
}

/** `host` and every `x-amz-` field must be signed: else somebody on the way could add one. */
function checkSigned(request: SignedRequest, signedHeaders: readonly string[]): void {
  const names = Object.keys(request.headers).filter(
    (name) => name.startsWith('x-amz-') && name !== 'x-amz-content-sha256',
  );
  const missing = ['host', ...names].filter((name) => !signedHeaders.includes(name));
  if (missing.length === 0) return;
  throw new S3Error(
    'AccessDenied',
    'There were headers present in the request which were not signed',
    {
      details: { HeadersNotSigned: missing.join(', ') },
    },
  );
}

/** RFC 5322, in any zone. The day of the week is not held against the date: clients that get it wrong are served by S3. */
const MAIL_TIME = /^[A-Z][a-z]{2}, \d\d? [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d (?:GMT|[+-]\d{4})$/;
const BASIC_TIME = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/;

function timeOf(
  text: string | undefined,
): { readonly ms: number; readonly text: string } | undefined {
  if (text === undefined) return undefined;
  const [, year, month, day, hour, minute, second] = BASIC_TIME.exec(text) ?? [];
  if (year !== undefined) {
    const ms = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
    return Number.isNaN(ms) ? undefined : { ms, text };
  }
  const ms = MAIL_TIME.test(text) ? Date.parse(text) : (parseHttpDate(text) ?? Number.NaN);
  return Number.isNaN(ms) ? undefined : { ms, text: basicTime(ms) };
}

const STREAMING = /^STREAMING-(?:(AWS4-HMAC-SHA256)|UNSIGNED)-PAYLOAD(-TRAILER)?$/;

function payloadOf(hash: string, signer: ChunkSigner | undefined): Payload {
  if (hash === UNSIGNED) return { kind: 'plain', sha256: undefined };
  const streaming = STREAMING.exec(hash);
  if (streaming !== null) {
    const signed = streaming[1] !== undefined;
    if (signed && signer === undefined) throw new S3Error('AccessDenied');
    return {
      kind: 'chunked',
      signer: signed ? signer : undefined,
      trailer: streaming[2] !== undefined,
    };
  }
  if (/^[0-9a-fA-F]{64}$/.test(hash)) return { kind: 'plain', sha256: hash.toLowerCase() };
  throw new S3Error(
    'InvalidArgument',
    'x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, or a valid sha256 value.',
    {
      details: { ArgumentName: 'x-amz-content-sha256', ArgumentValue: hash },
    },
  );
}

async function headerV2(
  request: SignedRequest,
  authorization: string,
  findKey: FindKey,
  nowMs: number,
): Promise<Sender> {
  const [, id, signature] = /^AWS ([^:\s]+):([A-Za-z0-9+/=]+)$/.exec(authorization) ?? [];
  if (id === undefined || signature === undefined) {
    throw new S3Error(
      'InvalidArgument',
      'AWS authorization header is invalid.  Expected AwsAccessKeyId:signature',
      {
        details: { ArgumentName: 'Authorization', ArgumentValue: authorization },
      },
    );
  }
  const time = timeOf(headerOf(request, 'x-amz-date') ?? headerOf(request, 'date'));
  if (time === undefined || time.ms <= 0) {
    throw new S3Error(
      'AccessDenied',
      'AWS authentication requires a valid Date or x-amz-date header',
    );
  }
  checkSkew(time.ms, nowMs);
  const key = await keyFor(request, id, findKey);
  verifyV2(request, { secret: key.secret, signature, expires: undefined });
  return { key, payload: unsignedPayload(request), how: 'header-v2', signedAt: time.ms };
}

async function queryV2(request: SignedRequest, findKey: FindKey, nowMs: number): Promise<Sender> {
  const expires = queryOf(request, 'Expires') ?? '';
  if (!/^\d{1,12}$/.test(expires)) throw new S3Error('AccessDenied', 'Missing or bad Expires');
  const key = await keyFor(request, queryOf(request, 'AWSAccessKeyId') ?? '', findKey);
  if (nowMs > Number(expires) * 1000) throw new S3Error('AccessDenied', 'Request has expired');
  verifyV2(request, {
    secret: key.secret,
    signature: queryOf(request, 'Signature') ?? '',
    expires,
  });
  return { key, payload: unsignedPayload(request), how: 'query-v2' };
}

/** Chunks without signatures are possible with version 2, too. */
function unsignedPayload(request: SignedRequest): Payload {
  const hash = headerOf(request, 'x-amz-content-sha256') ?? UNSIGNED;
  return payloadOf(hash, undefined);
}

function verifyV2(
  request: SignedRequest,
  claim: {
    readonly secret: string;
    readonly signature: string;
    readonly expires: string | undefined;
  },
): void {
  const { target } = request;
  const isBucket = /^\/[^/]+$/.test(target.rawPath);
  // Clients differ in two things: a slash after a bucket's name that they do not send, and `list-type` as part of the resource.
  const paths = isBucket ? [target.rawPath, `${target.rawPath}/`] : [target.rawPath];
  for (const rawPath of paths) {
    for (const withListType of [false, true]) {
      const text = stringToSignV2({
        ...request,
        target: { ...target, rawPath },
        expires: claim.expires,
        withListType,
      });
      if (sameSecret(claim.signature, signV2(claim.secret, text))) return;
    }
  }
  const text = stringToSignV2({ ...request, expires: claim.expires });
  throw new S3Error('SignatureDoesNotMatch', undefined, { details: { StringToSign: text } });
}
