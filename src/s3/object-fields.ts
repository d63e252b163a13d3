/** What a request says is to be kept with an object, and how it is given back. */
import { isoTime } from '../base/time.ts';
import type { BucketInfo, Conditions, ObjectInfo, ObjectLock } from '../files/files.ts';
import { parseEntityTagList } from '../http/conditional.ts';
import { formatHttpDate, parseHttpDate } from '../http/http-date.ts';
import { type Acl, aclOfHeaders, isPublicAcl, parseAcl } from './acl.ts';
import { authorise, mayDo, ownership, publicAccess, versionedAction } from './access.ts';
import { type Call, setting, versionHeader } from './call.ts';
import { encryptionHeaders } from './encryption.ts';
import { invalidArgument, S3Error } from './errors.ts';
import { abortOf, expiryOf, type LifecycleRule } from './lifecycle.ts';
import { defaultLock, type LockConfiguration, lockHeaders, lockOfHeaders } from './object-lock.ts';
import { tagsOfHeader, type Tags } from './tagging.ts';

const META_PREFIX = 'x-amz-meta-';
/** All names and values of one object's metadata. */
const META_BYTES_MAX = 2048;
const KEY_BYTES_MAX = 1024;
/** What AWS says of what came without a type. */
export const DEFAULT_TYPE = 'binary/octet-stream';

const KEPT = [
  'cache-control',
  'content-disposition',
  'content-language',
  'expires',
  'x-amz-website-redirect-location',
] as const;
const STORAGE_CLASSES: ReadonlySet<string> = new Set(
  'STANDARD REDUCED_REDUNDANCY STANDARD_IA ONEZONE_IA INTELLIGENT_TIERING GLACIER_IR'.split(' '),
);

/** What a field cannot hold. */
// oxlint-disable-next-line no-control-regex -- these are the ones
const CONTROL = /[\0-\x08\x0a-\x1f\x7f]/g;

/** Fields are Latin-1 in Node; clients send UTF-8. */
export function fromField(value: string): string {
  const text = Buffer.from(value, 'latin1').toString('utf8');
  return text.includes('\ufffd') ? value : text;
}

export function toField(value: string): string {
  if (/^[\t\x20-\x7e]*$/.test(value)) return value;
  return Buffer.from(value.replace(CONTROL, ' '), 'utf8').toString('latin1');
}

export function checkKey(key: string): void {
  if (Buffer.byteLength(key) > KEY_BYTES_MAX) {
    throw new S3Error('KeyTooLongError', undefined, {
      details: { Size: Buffer.byteLength(key), MaxSizeAllowed: KEY_BYTES_MAX },
    });
  }
}

export function metaOf(headers: Call['headers']): Readonly<Record<string, string>> {
  const meta: Record<string, string> = {};
  let bytes = 0;
  for (const [name, value] of Object.entries(headers)) {
    if (!name.startsWith(META_PREFIX) || typeof value !== 'string') continue;
    meta[name.slice(META_PREFIX.length)] = fromField(value);
    bytes += name.length - META_PREFIX.length + value.length;
  }
  if (bytes > META_BYTES_MAX) {
    throw new S3Error('MetadataTooLarge', undefined, {
      details: { Size: bytes, MaxSizeAllowed: META_BYTES_MAX },
    });
  }
  return meta;
}

export function keptHeaders(call: Call): Readonly<Record<string, string>> {
  const kept: Record<string, string> = {};
  for (const name of KEPT) {
    const value = call.header(name);
    if (value !== undefined) kept[name] = fromField(value);
  }
  const encoding = withoutChunked(call.header('content-encoding') ?? '');
  if (encoding !== '') kept['content-encoding'] = encoding;
  const redirect = kept['x-amz-website-redirect-location'];
  if (redirect !== undefined && !/^(?:\/|https?:\/\/)/.test(redirect)) {
    throw invalidArgument(
      "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.",
      'x-amz-website-redirect-location',
      redirect,
    );
  }
  const storageClass = call.header('x-amz-storage-class');
  if (storageClass !== undefined && !STORAGE_CLASSES.has(storageClass))
    throw new S3Error('InvalidStorageClass');
  if (storageClass !== undefined && storageClass !== 'STANDARD')
    kept['x-amz-storage-class'] = storageClass;
  return kept;
}

/** How a body came is no quality of the object. */
function withoutChunked(text: string): string {
  if (!/\baws-chunked\b/.test(text)) return text;
  const rest = text.split(',').map((one) => one.trim());
  return rest.filter((one) => one !== '' && one !== 'aws-chunked').join(', ');
}

/** The list of a new object; undefined for the private one of its owner. */
export async function newObjectAcl(call: Call, bucket: BucketInfo): Promise<Acl | undefined> {
  const owner = newOwner(call, bucket);
  const asked = await aclOfHeaders(call.headers, { owner, bucketOwner: bucket.owner }, call.people);
  if (asked === undefined || isGivenAnyway(call, bucket, asked)) return undefined;
  return checkedAcl(bucket, asked);
}

/** Where the bucket's owner owns all, a request may still say so. */
function isGivenAnyway(call: Call, bucket: BucketInfo, { grants }: Acl): boolean {
  if (ownership(bucket) !== 'BucketOwnerEnforced') return false;
  const canned = call.header('x-amz-acl');
  if (canned !== undefined) return canned === 'bucket-owner-full-control';
  return grants.every(
    ({ grantee, permission }) =>
      grantee.kind === 'user' && grantee.id === bucket.owner && permission === 'FULL_CONTROL',
  );
}

/** A list that may be set. Where the bucket's owner owns all, none may. */
function checkedAcl(bucket: BucketInfo, asked: Acl): Acl {
  if (ownership(bucket) === 'BucketOwnerEnforced')
    throw new S3Error('AccessControlListNotSupported');
  if (publicAccess(bucket)?.blockAcls === true && isPublicAcl(asked))
    throw new S3Error('AccessDenied');
  return asked;
}

/** The list that a request for `?acl` asks for: in its fields or as its document. */
export async function askedAcl(call: Call, bucket: BucketInfo, owner: string): Promise<Acl> {
  const document = await call.document();
  const who = { owner, bucketOwner: bucket.owner };
  const asked = await aclOfHeaders(call.headers, who, call.people);
  if (asked !== undefined && document.length > 0) {
    throw new S3Error(
      'InvalidRequest',
      'This request does not support both a body and ACL headers',
    );
  }
  if (asked === undefined && document.length === 0)
    throw new S3Error('MissingSecurityHeader', undefined, {
      details: { MissingHeaderName: 'x-amz-acl' },
    });
  return checkedAcl(bucket, asked ?? (await parseAcl(document, owner, call.people)));
}

/** Who owns what is put: the caller, or the bucket's owner where that is the rule. */
export function newOwner(call: Call, bucket: BucketInfo): string {
  const mode = ownership(bucket);
  if (mode === 'BucketOwnerEnforced' || call.caller === undefined) return bucket.owner;
  const gives = call.header('x-amz-acl') === 'bucket-owner-full-control';
  return mode === 'BucketOwnerPreferred' && gives ? bucket.owner : call.caller;
}

export function newTags(call: Call): Tags {
  const text = call.header('x-amz-tagging');
  return text === undefined ? {} : tagsOfHeader(text);
}

export function newLock(call: Call, bucket: BucketInfo): ObjectLock | undefined {
  const asked = lockOfHeaders(call.headers, call.nowMs);
  const configuration = setting<LockConfiguration>(bucket, 'lock');
  if (asked !== undefined && configuration === undefined) {
    throw new S3Error('InvalidRequest', 'Bucket is missing Object Lock Configuration');
  }
  const list = { of: 'bucket', permission: 'WRITE' } as const;
  if (asked?.mode !== undefined) authorise(call, bucket, { action: 's3:PutObjectRetention', list });
  if (asked?.hold !== undefined) authorise(call, bucket, { action: 's3:PutObjectLegalHold', list });
  const given = configuration === undefined ? undefined : defaultLock(configuration, call.nowMs);
  return asked === undefined ? given : { ...given, ...withoutUndefined(asked) };
}

function withoutUndefined(lock: ObjectLock): ObjectLock {
  return Object.fromEntries(Object.entries(lock).filter(([, value]) => value !== undefined));
}

/** Of a request that writes. */
export function writeConditions(call: Call): Conditions | undefined {
  const ifMatch = call.header('if-match');
  const ifNoneMatch = call.header('if-none-match');
  if (ifMatch === undefined && ifNoneMatch === undefined) return undefined;
  return {
    ...(ifMatch === undefined ? {} : { ifMatch: tagList(ifMatch) }),
    ...(ifNoneMatch === undefined ? {} : { ifNoneMatch: tagList(ifNoneMatch) }),
  };
}

/** Clients of S3 leave the quotes away, too. */
export function quotedTags(text: string): string {
  return text.includes('"') || text.trim() === '*'
    ? text
    : text
        .split(',')
        .map((tag) => `"${tag.trim()}"`)
        .join(', ');
}

function tagList(text: string): string | readonly string[] {
  const list = parseEntityTagList(quotedTags(text));
  if (list === '*') return '*';
  return (list ?? []).map(({ tag }) => tag);
}

/** A time in a field; undefined when it is none, and the field is then passed over. */
export function timeOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : parseHttpDate(text.trim());
}

/** The fields of GET and HEAD, without those of the body. */
export function objectHeaders(
  call: Call,
  bucket: BucketInfo,
  object: ObjectInfo,
): Record<string, string> {
  const headers: Record<string, string> = {
    'last-modified': formatHttpDate(object.modifiedAt),
    etag: `"${object.etag}"`,
    'accept-ranges': 'bytes',
    'content-type': toField(object.contentType ?? DEFAULT_TYPE),
    ...versionHeader(bucket, object.version),
    ...lockHeaders(object.lock),
    ...encryptionHeaders(call, object),
  };
  for (const [name, value] of Object.entries(object.headers)) headers[name] = toField(value);
  for (const [name, value] of Object.entries(object.meta))
    headers[META_PREFIX + name] = toField(value);
  const tags = Object.keys(object.tags).length;
  if (tags > 0 && mayReadTags(call, bucket, object)) headers['x-amz-tagging-count'] = String(tags);
  Object.assign(headers, expiryHeader(bucket, object));
  if (asksChecksum(call)) Object.assign(headers, checksumHeaders(object));
  return headers;
}

function mayReadTags(call: Call, bucket: BucketInfo, object: ObjectInfo): boolean {
  const action = versionedAction('s3:GetObjectTagging', call.version);
  return mayDo(call, bucket, { action, list: { of: 'object', permission: 'READ_ACP' }, object });
}

export function asksChecksum(call: Call): boolean {
  return call.header('x-amz-checksum-mode')?.toUpperCase() === 'ENABLED';
}

export function checksumHeaders(
  object: Pick<ObjectInfo, 'checksums' | 'checksumType'>,
): Readonly<Record<string, string>> {
  const entries = Object.entries(object.checksums);
  if (entries.length === 0) return {};
  return {
    ...Object.fromEntries(entries.map(([name, value]) => [`x-amz-checksum-${name}`, value])),
    'x-amz-checksum-type': object.checksumType ?? 'FULL_OBJECT',
  };
}

/** When a rule of the bucket ends an upload that is not completed. */
export function abortHeaders(
  bucket: BucketInfo,
  upload: { readonly key: string; readonly createdAt: number },
): Readonly<Record<string, string>> {
  const rules = setting<readonly LifecycleRule[]>(bucket, 'lifecycle') ?? [];
  const abort = abortOf(rules, upload);
  if (abort === undefined) return {};
  return {
    'x-amz-abort-date': formatHttpDate(abort.at),
    'x-amz-abort-rule-id': encodeURIComponent(abort.rule),
  };
}

export function expiryHeader(
  bucket: BucketInfo,
  object: ObjectInfo,
): Readonly<Record<string, string>> {
  const rules = setting<readonly LifecycleRule[]>(bucket, 'lifecycle');
  if (rules === undefined) return {};
  const expiry = expiryOf(rules, object);
  if (expiry === undefined) return {};
  const rule = encodeURIComponent(expiry.rule);
  return { 'x-amz-expiration': `expiry-date="${formatHttpDate(expiry.at)}", rule-id="${rule}"` };
}

/** `2026-01-02T03:04:05.000Z`. */
export function xmlTime(ms: number): string {
  return isoTime(ms);
}
