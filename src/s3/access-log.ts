/** One line of an access log (AWS, "Amazon S3 server access log format"): what a request was, and what came of it. Pure. */
import type { BucketInfo } from '../files/files.ts';
import { encodeUri } from '../base/uri.ts';
import { formatHttpDate } from '../http/http-date.ts';
import type { Answer, Call } from './call.ts';

export interface Access {
  readonly call: Call;
  readonly bucket: BucketInfo;
  readonly answer: Pick<Answer, 'status' | 'headers' | 'body'>;
  /** Of the error that it was answered with. */
  readonly code: string | undefined;
  /** Milliseconds of the clock: when it came, when its answer began, when that was written. */
  readonly startedAt: number;
  readonly answeredAt: number;
  readonly endedAt: number;
}

/** What AWS calls the parameters of bucket and object; others are called as they are, in capitals. */
const RESOURCES: Readonly<Record<string, string>> = {
  delete: 'MULTI_OBJECT_DELETE',
  'intelligent-tiering': 'INTELLIGENT_TIERING',
  'legal-hold': 'OBJECT_LOCK_LEGALHOLD',
  logging: 'LOGGING_STATUS',
  'object-lock': 'OBJECT_LOCK_CONFIGURATION',
  ownershipControls: 'OWNERSHIP_CONTROLS',
  policy: 'BUCKETPOLICY',
  policyStatus: 'POLICY_STATUS',
  publicAccessBlock: 'PUBLIC_ACCESS_BLOCK',
  requestPayment: 'REQUEST_PAYMENT',
  retention: 'OBJECT_LOCK_RETENTION',
  versions: 'BUCKETVERSIONS',
};
const PLAIN: ReadonlySet<string> = new Set(
  'accelerate acl analytics attributes cors encryption inventory lifecycle location metrics notification replication restore uploads versioning website'.split(
    ' ',
  ),
);

/** `REST.GET.OBJECT`. */
export function operationOf(call: Call): string {
  const isCopy = call.method === 'PUT' && call.header('x-amz-copy-source') !== undefined;
  const method = isCopy ? 'COPY' : call.method;
  return `REST.${method}.${resourceOf(call)}`;
}

function resourceOf(call: Call): string {
  const kind = call.key === '' ? 'BUCKET' : 'OBJECT';
  for (const [name] of call.target.query) {
    if (Object.hasOwn(RESOURCES, name)) return RESOURCES[name] ?? '';
    if (name === 'tagging') return kind === 'OBJECT' ? 'OBJECT_TAGGING' : 'TAGGING';
    if (PLAIN.has(name)) return name.toUpperCase();
  }
  if (!call.query.has('uploadId')) return kind;
  return call.method === 'PUT' ? 'PART' : 'UPLOAD';
}

/** With the end of the line. */
export function accessLine(access: Access): string {
  const { call, bucket, answer, code } = access;
  const { how } = call.sender;
  const isSigned = how !== 'anonymous';
  const signature = how.endsWith('v2') ? 'SigV2' : 'SigV4';
  const { rawPath, rawQuery } = call.target;
  const uri = rawQuery === '' ? rawPath : `${rawPath}?${rawQuery.replaceAll(SIGNATURE, '$1-')}`;
  const fields = [
    word(bucket.owner),
    bucket.name,
    `[${timeOf(access.startedAt)}]`,
    word(call.clientAddress),
    word(call.caller),
    call.id,
    operationOf(call),
    call.key === '' ? '-' : encodeUri(call.key, true),
    quoted(`${call.method} ${uri} HTTP/1.1`),
    answer.status,
    code ?? '-',
    bytesSent(call, answer) ?? '-',
    objectSize(call, answer) ?? '-',
    access.endedAt - access.startedAt,
    access.answeredAt - access.startedAt,
    quoted(call.header('referer')),
    quoted(call.header('user-agent')),
    word(call.query.get('versionId')),
    call.id,
    isSigned ? signature : '-',
    '-',
    isSigned ? AUTHENTICATIONS[how] : '-',
    word(call.header('host')),
    '-',
    '-',
    '-',
  ];
  return `${fields.join(' ')}\n`;
}

/** Who reads logs is not to use the addresses in them. */
const SIGNATURE = /((?:^|&)(?:X-Amz-)?(?:Signature|Security-Token)=)[^&]*/gi;

const AUTHENTICATIONS: Readonly<Record<Exclude<Call['sender']['how'], 'anonymous'>, string>> = {
  form: 'AuthHeader',
  'header-v2': 'AuthHeader',
  'header-v4': 'AuthHeader',
  'query-v2': 'QueryString',
  'query-v4': 'QueryString',
};

/** `06/Feb/2026:00:00:38 +0000`. */
function timeOf(ms: number): string {
  const [, day, month, year, time] =
    /^\w+, (\d+) (\w+) (\d+) ([\d:]+)/.exec(formatHttpDate(ms)) ?? [];
  return `${day}/${month}/${year}:${time} +0000`;
}

/** Nothing that a client says ends a field or a line. */
function word(text: string | undefined): string {
  return text === undefined || text === '' ? '-' : escaped(text).replaceAll(' ', '%20');
}

function quoted(text: string | undefined): string {
  return text === undefined ? '"-"' : `"${escaped(text)}"`;
}

function escaped(text: string): string {
  return text.replaceAll(/[^\x20\x21\x23-\x7e]/g, (one) => encodeUri(one));
}

function bytesSent(call: Call, { headers, body }: Access['answer']): number | undefined {
  const length =
    body === undefined ? Number(headers?.['content-length'] ?? 0) : Buffer.byteLength(body);
  return call.method === 'HEAD' || length === 0 ? undefined : length;
}

function objectSize(call: Call, { status, headers }: Access['answer']): string | undefined {
  if (call.key === '' || status >= 300) return undefined;
  if (call.method === 'PUT')
    return call.header('x-amz-decoded-content-length') ?? call.header('content-length');
  if (call.method !== 'GET' && call.method !== 'HEAD') return undefined;
  return headers?.['content-range']?.split('/')[1] ?? headers?.['content-length'];
}
