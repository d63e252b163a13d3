/** PUT of objects, with a body or as a copy. */
import type { BucketInfo, ObjectInfo, PutOptions, Range } from '../files/files.ts';
import { evaluatePreconditions } from '../http/conditional.ts';
import { element, XML_HEAD } from '../xml/xml.ts';
import { authorise, mayDo, missingObject, versionedAction } from './access.ts';
import {
  type Answer,
  type Call,
  checkVersion,
  expectOwner,
  quoted,
  setting,
  newVersionHeader,
  xmlAnswer,
} from './call.ts';
import { S3_NAMESPACE } from './document.ts';
import {
  askedEncryption,
  asksEncryption,
  BUCKET_KEY_FIELD,
  encryptionHeaders,
  keptBucketKey,
  keyToRead,
} from './encryption.ts';
import { invalidArgument, S3Error } from './errors.ts';
import {
  checksumHeaders,
  expiryHeader,
  fromField,
  keptHeaders,
  metaOf,
  newLock,
  newObjectAcl,
  newOwner,
  newTags,
  quotedTags,
  writeConditions,
  xmlTime,
} from './object-fields.ts';
import { PUT_BYTES_MAX } from './body.ts';
import { decodeUri } from './uri.ts';
import { type ChecksumName, checksumOf, fullObjectChecksum, isChecksumName } from './checksums.ts';

export async function putObject(call: Call): Promise<Answer> {
  const bucket = await call.bucket();
  refuseAppending(call);
  const options = await newObject(call, bucket);
  const body = call.body();
  if ((body.size ?? 0) > PUT_BYTES_MAX) throw new S3Error('EntityTooLarge');
  const object = await call.store.put(bucket.name, call.key, body.bytes, {
    ...options,
    size: body.size,
    checksumType: 'FULL_OBJECT',
    accept: (received) => body.accept(received),
  });
  return { status: 200, headers: putHeaders(call, bucket, object) };
}

/** Appending is for directory buckets; passed over it would put the piece in place of the whole. */
function refuseAppending(call: Call): void {
  if (call.header('x-amz-write-offset-bytes') === undefined) return;
  throw new S3Error('NotImplemented', undefined, {
    details: { Header: 'x-amz-write-offset-bytes' },
  });
}

export function putHeaders(
  call: Call,
  bucket: BucketInfo,
  object: ObjectInfo,
): Readonly<Record<string, string>> {
  return {
    etag: quoted(object.etag),
    ...newVersionHeader(bucket, object.version),
    ...checksumHeaders(object),
    ...encryptionHeaders(call, object),
    ...expiryHeader(bucket, object),
  };
}

/** Everything about a new object but its bytes; the caller may put it. */
export async function newObject(call: Call, bucket: BucketInfo): Promise<PutOptions> {
  const tags = newTags(call);
  const list = { of: 'bucket', permission: 'WRITE' } as const;
  authorise(call, bucket, { action: 's3:PutObject', list, requestTags: tags });
  if (Object.keys(tags).length > 0)
    authorise(call, bucket, { action: 's3:PutObjectTagging', list, requestTags: tags });
  const acl = await newObjectAcl(call, bucket);
  const type = call.header('content-type');
  const encrypt = askedEncryption(call, bucket);
  return {
    contentType: type === undefined || type === '' ? undefined : fromField(type),
    headers: { ...keptHeaders(call), ...keptBucketKey(call, bucket, encrypt) },
    meta: metaOf(call.headers),
    tags,
    owner: newOwner(call, bucket),
    acl,
    lock: newLock(call, bucket),
    conditions: writeConditions(call),
    encrypt,
  };
}

interface Source {
  readonly bucket: BucketInfo;
  readonly object: ObjectInfo;
  /** As it was asked for. */
  readonly version: string | undefined;
  /** The client's, if it is encrypted by it. */
  readonly key: Uint8Array | undefined;
}

/** The object that `x-amz-copy-source` names, which the caller may read, and whose conditions hold. */
export async function copySource(call: Call): Promise<Source> {
  const text = call.header('x-amz-copy-source') ?? '';
  const [path, query] = splitOnce(text, '?');
  const version = query === undefined ? undefined : /^versionId=(.*)$/.exec(query)?.[1];
  if (version !== undefined) checkVersion(version, 'x-amz-copy-source');
  const [bucketName, key] = splitOnce(decodeUri(path).replace(/^\//, ''), '/');
  if (bucketName === '' || key === undefined || key === '') {
    throw invalidArgument(
      'Copy Source must mention the source bucket and key: sourcebucket/sourcekey',
      'x-amz-copy-source',
      text,
    );
  }
  const bucket = await call.store.bucket(bucketName);
  if (bucket === undefined)
    throw new S3Error('NoSuchBucket', undefined, { details: { BucketName: bucketName } });
  expectOwner(bucket, call.header('x-amz-source-expected-bucket-owner'));
  const object = await call.store.head(bucketName, key, version);
  if (object === undefined || (object.isDeleteMarker && version === undefined)) {
    throw missingObject(call.but({ key }), bucket, version);
  }
  if (object.isDeleteMarker) {
    throw new S3Error(
      'InvalidRequest',
      'The source of a copy request may not specifically refer to a delete marker by version id.',
    );
  }
  authorise(call, bucket, {
    action: versionedAction('s3:GetObject', version),
    list: { of: 'object', permission: 'READ' },
    key,
    object,
  });
  checkSourceConditions(call, object);
  return { bucket, object, version, key: keyToRead(call, object, 'source') };
}

function splitOnce(text: string, by: string): readonly [string, string?] {
  const at = text.indexOf(by);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + by.length)];
}

function checkSourceConditions(call: Call, object: ObjectInfo): void {
  const field = (name: string): string | undefined => call.header(`x-amz-copy-source-${name}`);
  const tags = (name: string): string | undefined => {
    const value = field(name);
    return value === undefined ? undefined : quotedTags(value);
  };
  const verdict = evaluatePreconditions(
    'GET',
    {
      ifMatch: tags('if-match'),
      ifNoneMatch: tags('if-none-match'),
      ifModifiedSince: field('if-modified-since'),
      ifUnmodifiedSince: field('if-unmodified-since'),
    },
    { etag: quoted(object.etag), lastModifiedMs: object.modifiedAt },
  );
  if (verdict !== 'perform') throw new S3Error('PreconditionFailed');
}

function directive(call: Call, name: string): 'COPY' | 'REPLACE' {
  const value = call.header(name) ?? 'COPY';
  if (value !== 'COPY' && value !== 'REPLACE') {
    throw invalidArgument(
      `Unknown ${name.includes('tagging') ? 'tagging' : 'metadata'} directive.`,
      name,
      value,
    );
  }
  return value;
}

export async function copyObject(call: Call): Promise<Answer> {
  const bucket = await call.bucket();
  const metadata = directive(call, 'x-amz-metadata-directive');
  const tagging = directive(call, 'x-amz-tagging-directive');
  const options = await newObject(call, bucket);
  const source = await copySource(call);
  const from = source.object;
  const same =
    from.bucket === bucket.name &&
    from.key === call.key &&
    (from.isLatest || bucket.versioning === 'off');
  const changes =
    metadata === 'REPLACE' ||
    asksEncryption(call) ||
    setting(bucket, 'encryption') !== undefined ||
    ['x-amz-storage-class', 'x-amz-website-redirect-location', 'x-amz-checksum-algorithm'].some(
      (name) => call.header(name) !== undefined,
    );
  if (same && !changes) {
    throw new S3Error(
      'InvalidRequest',
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
    );
  }
  if (from.size > PUT_BYTES_MAX) {
    throw new S3Error(
      'InvalidRequest',
      'The specified copy source is larger than the maximum allowable size for a copy source: 5368709120',
    );
  }
  if (tagging === 'COPY' && Object.keys(from.tags).length > 0) checkMayReadTags(call, source);
  const kept =
    metadata === 'REPLACE'
      ? {
          contentType: options.contentType,
          headers: options.headers ?? {},
          meta: options.meta ?? {},
        }
      : {
          contentType: from.contentType,
          headers: copiedHeaders(from, options.headers ?? {}),
          meta: from.meta,
        };
  const object = await call.store.copy(
    from,
    { bucket: bucket.name, key: call.key },
    {
      ...options,
      ...kept,
      // That of the source is not the copy's (AWS, CopyObject).
      acl: options.acl ?? null,
      tags: tagging === 'REPLACE' ? (options.tags ?? {}) : from.tags,
      ...(await copiedChecksums(call, source)),
      sourceKey: source.key,
    },
  );
  const sums = Object.entries(object.checksums)
    .map(([name, value]) => element(`Checksum${name.toUpperCase()}`, value))
    .join('');
  return xmlAnswer(
    `${XML_HEAD}<CopyObjectResult xmlns="${S3_NAMESPACE}">${element('ETag', quoted(object.etag))}${element('LastModified', xmlTime(object.modifiedAt))}` +
      `${sums}${sums === '' ? '' : element('ChecksumType', object.checksumType)}</CopyObjectResult>`,
    {
      ...newVersionHeader(bucket, object.version),
      ...copiedVersion(source),
      ...expiryHeader(bucket, object),
      ...encryptionHeaders(call, object),
    },
  );
}

export function copiedVersion({
  bucket,
  object,
}: Pick<Source, 'bucket' | 'object'>): Readonly<Record<string, string>> {
  return bucket.versioning === 'off' ? {} : { 'x-amz-copy-source-version-id': object.version };
}

function checkMayReadTags(call: Call, { bucket, object, version }: Source): void {
  const wish = {
    action: versionedAction('s3:GetObjectTagging', version),
    list: { of: 'object', permission: 'READ' },
    key: object.key,
    object,
  } as const;
  if (!mayDo(call, bucket, wish)) throw new S3Error('AccessDenied');
}

const OWN_FIELDS = [
  'x-amz-website-redirect-location',
  'x-amz-storage-class',
  BUCKET_KEY_FIELD,
] as const;

/** Storage class, redirect and how it is encrypted are the copy's own. */
function copiedHeaders(
  from: ObjectInfo,
  own: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const headers = { ...from.headers };
  for (const name of OWN_FIELDS) delete headers[name];
  for (const name of OWN_FIELDS) {
    const value = own[name];
    if (value !== undefined) headers[name] = value;
  }
  return headers;
}

/**
 * Those of the source, unless another one is asked for, or it is composed of the sums of parts, which a copy has none of (AWS, "Checking
 * object integrity"). Then the source is read once for it, if it cannot be put together.
 */
async function copiedChecksums(
  call: Call,
  { object: from, key }: Source,
): Promise<Pick<PutOptions, 'checksums' | 'checksumType'>> {
  const isComposed = from.checksumType === 'COMPOSITE';
  const own = isComposed ? Object.keys(from.checksums)[0] : undefined;
  const asked = call.header('x-amz-checksum-algorithm')?.toLowerCase() ?? own;
  if (asked === undefined || (!isComposed && from.checksums[asked] !== undefined)) {
    return { checksums: from.checksums, checksumType: from.checksumType };
  }
  if (!isChecksumName(asked))
    throw new S3Error('InvalidRequest', 'Checksum algorithm provided is unsupported.');
  const known =
    isComposed && from.checksums[asked] !== undefined ? ofParts(from, asked) : undefined;
  if (known !== undefined) return { checksums: { [asked]: known }, checksumType: 'FULL_OBJECT' };
  const sum = checksumOf(asked);
  for await (const piece of call.store.read(from, undefined, key)) sum.update(piece);
  return { checksums: { [asked]: sum.digest() }, checksumType: 'FULL_OBJECT' };
}

/** Of the whole out of those of its parts, as far as they are known and of a kind that allows it. */
function ofParts({ partChecksums, partSizes }: ObjectInfo, name: ChecksumName): string | undefined {
  if (partChecksums === undefined || partSizes?.length !== partChecksums.length) return undefined;
  const parts = partChecksums.map((value, at) => ({ value, bytes: partSizes[at] ?? 0 }));
  return fullObjectChecksum(name, parts);
}

/** `x-amz-copy-source-range`: exactly `bytes=a-b`, within the source. */
export function copySourceRange(call: Call, object: ObjectInfo): Range | undefined {
  const text = call.header('x-amz-copy-source-range');
  if (text === undefined) return undefined;
  const [, first, last] = /^bytes=(\d{1,15})-(\d{1,15})$/.exec(text) ?? [];
  if (first === undefined || last === undefined || Number(last) < Number(first)) {
    throw invalidArgument(
      'The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy',
      'x-amz-copy-source-range',
      text,
    );
  }
  if (Number(last) >= object.size) {
    throw new S3Error('InvalidRange', undefined, {
      details: { RangeRequested: text, ActualObjectSize: object.size },
    });
  }
  return { start: Number(first), end: Number(last) + 1 };
}
