/** Listings: of buckets, objects (two forms), versions, uploads and parts. */
import { isoTime } from '../base/time.ts';
import type { BucketInfo, ListPage, ObjectInfo } from '../files/files.ts';
import { element, XML_HEAD } from '../xml/xml.ts';
import { authorise } from './access.ts';
import { regionOf } from './buckets.ts';
import { type Answer, type Call, quoted, xmlAnswer } from './call.ts';
import { S3_NAMESPACE } from './document.ts';
import { invalidArgument, S3Error } from './errors.ts';
import { encodeUri } from '../base/uri.ts';

const PAGE_MAX = 1000;
const BUCKETS_MAX = 10_000;

interface Page {
  readonly prefix: string;
  readonly delimiter: string | undefined;
  readonly limit: number;
  readonly encode: (text: string) => string;
  readonly encoding: string | undefined;
}

function pageOf(call: Call, limitName: string): Page {
  const encoding = call.query.get('encoding-type');
  if (encoding !== undefined && encoding !== 'url') {
    throw invalidArgument(
      'Invalid Encoding Method specified in Request',
      'encoding-type',
      encoding,
    );
  }
  const delimiter = call.query.get('delimiter');
  return {
    prefix: call.query.get('prefix') ?? '',
    delimiter: delimiter === '' ? undefined : delimiter,
    limit: Math.min(call.number(limitName) ?? PAGE_MAX, PAGE_MAX),
    encoding,
    encode: encoding === undefined ? (text) => text : (text) => encodeUri(text, true),
  };
}

export async function owner(call: Call, id: string, name = 'Owner'): Promise<string> {
  const person = await call.people(id);
  return `<${name}>${element('ID', id)}${element('DisplayName', person?.name ?? id)}</${name}>`;
}

export async function listBuckets(call: Call): Promise<Answer> {
  const { caller } = call;
  if (caller === undefined) throw new S3Error('AccessDenied');
  const prefix = call.query.get('prefix') ?? '';
  const after = call.query.get('continuation-token') ?? '';
  const region = call.query.get('bucket-region');
  const limit = call.number('max-buckets') ?? BUCKETS_MAX;
  if (limit < 1 || limit > BUCKETS_MAX) {
    throw invalidArgument(
      `Argument max-buckets must be an integer between 1 and ${BUCKETS_MAX}`,
      'max-buckets',
      String(limit),
    );
  }
  const may = call.accessKey?.may ?? 'all';
  const seen = (bucket: BucketInfo): boolean =>
    may === 'all' ? bucket.owner === caller : may.some((one) => one.bucket === bucket.name);
  const all = (await call.store.buckets()).filter(
    (bucket) =>
      seen(bucket) &&
      bucket.name.startsWith(prefix) &&
      bucket.name > after &&
      (region === undefined || regionOf(bucket) === region),
  );
  const page = all.slice(0, limit);
  const next = all.length > page.length ? page.at(-1)?.name : undefined;
  const buckets = page
    .map(
      (bucket) =>
        `<Bucket>${element('Name', bucket.name)}${element('CreationDate', isoTime(bucket.createdAt))}${element('BucketRegion', regionOf(bucket))}</Bucket>`,
    )
    .join('');
  return xmlAnswer(
    `${XML_HEAD}<ListAllMyBucketsResult xmlns="${S3_NAMESPACE}">${await owner(call, caller)}<Buckets>${buckets}</Buckets>` +
      `${element('ContinuationToken', next)}${prefix === '' ? '' : element('Prefix', prefix)}</ListAllMyBucketsResult>`,
  );
}

async function bucketToList(call: Call, action: string): Promise<BucketInfo> {
  const bucket = await call.bucket();
  authorise(call, bucket, { action, list: { of: 'bucket', permission: 'READ' } });
  return bucket;
}

function listed(call: Call, page: Page, after: string | undefined): Promise<ListPage> {
  if (page.limit === 0) return Promise.resolve({ objects: [], prefixes: [], next: undefined });
  return call.store.list(call.bucketName, {
    prefix: page.prefix,
    delimiter: page.delimiter,
    limit: page.limit,
    ...(after === undefined || after === '' ? {} : { after }),
  });
}

/** By id: a page of a thousand names one owner, mostly. */
async function ownersOf(
  call: Call,
  bucket: BucketInfo,
  objects: readonly ObjectInfo[],
): Promise<ReadonlyMap<string, string>> {
  const owners = new Map<string, string>();
  for (const object of objects) {
    const id = object.owner ?? bucket.owner;
    if (!owners.has(id)) owners.set(id, await owner(call, id));
  }
  return owners;
}

function checksumElements({ checksums, checksumType }: ObjectInfo): string {
  const [name] = Object.keys(checksums);
  if (name === undefined) return '';
  return element('ChecksumAlgorithm', name.toUpperCase()) + element('ChecksumType', checksumType);
}

function contents(object: ObjectInfo, page: Page, ownerText: string): string {
  return (
    `<Contents>${element('Key', page.encode(object.key))}${element('LastModified', isoTime(object.modifiedAt))}` +
    `${element('ETag', quoted(object.etag))}${checksumElements(object)}${element('Size', object.size)}` +
    `${ownerText}<StorageClass>${object.headers['x-amz-storage-class'] ?? 'STANDARD'}</StorageClass></Contents>`
  );
}

function commonPrefixes(prefixes: readonly string[], page: Page): string {
  return prefixes
    .map((prefix) => `<CommonPrefixes>${element('Prefix', page.encode(prefix))}</CommonPrefixes>`)
    .join('');
}

export async function listObjects(call: Call): Promise<Answer> {
  const bucket = await bucketToList(call, 's3:ListBucket');
  const page = pageOf(call, 'max-keys');
  const marker = call.query.get('marker') ?? '';
  const found = await listed(call, page, marker);
  const owners = await ownersOf(call, bucket, found.objects);
  const next = page.delimiter === undefined ? undefined : found.next?.key;
  const objects = found.objects.map((object) =>
    contents(object, page, owners.get(object.owner ?? bucket.owner) ?? ''),
  );
  return xmlAnswer(
    `${XML_HEAD}<ListBucketResult xmlns="${S3_NAMESPACE}">${element('Name', bucket.name)}${element('Prefix', page.encode(page.prefix))}` +
      `${element('Marker', page.encode(marker))}${next === undefined ? '' : element('NextMarker', page.encode(next))}` +
      pageElements(page, found.next !== undefined) +
      `${objects.join('')}${commonPrefixes(found.prefixes, page)}</ListBucketResult>`,
  );
}

function pageElements(page: Page, isTruncated: boolean): string {
  return (
    element('MaxKeys', page.limit) +
    (page.delimiter === undefined ? '' : element('Delimiter', page.encode(page.delimiter))) +
    element('EncodingType', page.encoding) +
    element('IsTruncated', isTruncated)
  );
}

export async function listObjectsV2(call: Call): Promise<Answer> {
  const bucket = await bucketToList(call, 's3:ListBucket');
  const page = pageOf(call, 'max-keys');
  const token = call.query.get('continuation-token');
  const startAfter = call.query.get('start-after');
  const after = token === undefined || token === '' ? startAfter : keyOfToken(token);
  const found = await listed(call, page, after);
  const fetchOwner = call.query.get('fetch-owner') === 'true';
  const owners = fetchOwner
    ? await ownersOf(call, bucket, found.objects)
    : new Map<string, string>();
  const objects = found.objects.map((object) =>
    contents(object, page, owners.get(object.owner ?? bucket.owner) ?? ''),
  );
  const next = found.next === undefined ? undefined : tokenOfKey(found.next.key);
  return xmlAnswer(
    `${XML_HEAD}<ListBucketResult xmlns="${S3_NAMESPACE}">${element('Name', bucket.name)}${element('Prefix', page.encode(page.prefix))}` +
      `${element('ContinuationToken', token)}${element('NextContinuationToken', next)}` +
      `${startAfter === undefined ? '' : element('StartAfter', page.encode(startAfter))}` +
      `${element('KeyCount', found.objects.length + found.prefixes.length)}${pageElements(page, found.next !== undefined)}` +
      `${objects.join('')}${commonPrefixes(found.prefixes, page)}</ListBucketResult>`,
  );
}

/** The key behind which it goes on; opaque to clients. */
function tokenOfKey(key: string): string {
  return Buffer.from(`1${key}`).toString('base64');
}

function keyOfToken(token: string): string {
  const text = Buffer.from(token, 'base64').toString('utf8');
  if (!text.startsWith('1')) {
    throw invalidArgument(
      'The continuation token provided is incorrect',
      'continuation-token',
      token,
    );
  }
  return text.slice(1);
}

export async function listVersions(call: Call): Promise<Answer> {
  const bucket = await bucketToList(call, 's3:ListBucketVersions');
  const page = pageOf(call, 'max-keys');
  const keyMarker = call.query.get('key-marker') ?? '';
  const versionMarker = call.query.get('version-id-marker') ?? '';
  if (versionMarker !== '' && keyMarker === '') {
    throw invalidArgument(
      'A version-id marker cannot be specified without a key marker.',
      'version-id-marker',
      versionMarker,
    );
  }
  const found: ListPage =
    page.limit === 0
      ? { objects: [], prefixes: [], next: undefined }
      : await call.store.list(bucket.name, {
          prefix: page.prefix,
          delimiter: page.delimiter,
          limit: page.limit,
          versions: true,
          ...(keyMarker === '' ? {} : { after: keyMarker }),
          ...(versionMarker === '' ? {} : { afterVersion: versionMarker }),
        });
  const owners = await ownersOf(call, bucket, found.objects);
  const versions = found.objects.map((object) => {
    const name = object.isDeleteMarker ? 'DeleteMarker' : 'Version';
    const content = object.isDeleteMarker
      ? ''
      : `${element('ETag', quoted(object.etag))}${checksumElements(object)}${element('Size', object.size)}<StorageClass>${object.headers['x-amz-storage-class'] ?? 'STANDARD'}</StorageClass>`;
    return (
      `<${name}>${element('Key', page.encode(object.key))}${element('VersionId', object.version)}${element('IsLatest', object.isLatest)}` +
      `${element('LastModified', isoTime(object.modifiedAt))}${content}${owners.get(object.owner ?? bucket.owner) ?? ''}</${name}>`
    );
  });
  const next =
    found.next === undefined
      ? ''
      : element('NextKeyMarker', page.encode(found.next.key)) +
        element('NextVersionIdMarker', found.next.version);
  return xmlAnswer(
    `${XML_HEAD}<ListVersionsResult xmlns="${S3_NAMESPACE}">${element('Name', bucket.name)}${element('Prefix', page.encode(page.prefix))}` +
      `${element('KeyMarker', page.encode(keyMarker))}${element('VersionIdMarker', versionMarker)}${next}` +
      `${pageElements(page, found.next !== undefined)}${versions.join('')}${commonPrefixes(found.prefixes, page)}</ListVersionsResult>`,
  );
}

export async function listUploads(call: Call): Promise<Answer> {
  const bucket = await bucketToList(call, 's3:ListBucketMultipartUploads');
  const page = pageOf(call, 'max-uploads');
  const keyMarker = call.query.get('key-marker') ?? '';
  const uploadMarker = call.query.get('upload-id-marker') ?? '';
  const found = await call.store.uploads(bucket.name, {
    prefix: page.prefix,
    delimiter: page.delimiter,
    limit: Math.max(page.limit, 1),
    ...(keyMarker === ''
      ? {}
      : { after: { key: keyMarker, ...(uploadMarker === '' ? {} : { upload: uploadMarker }) } }),
  });
  let uploads = '';
  for (const one of found.uploads) {
    const id = one.owner ?? bucket.owner;
    const [algorithm, type] = one.checksumAlgorithm?.split('/') ?? [];
    uploads +=
      `<Upload>${element('Key', page.encode(one.key))}${element('UploadId', one.upload)}${await owner(call, id, 'Initiator')}` +
      `${await owner(call, id)}<StorageClass>${one.fields.headers?.['x-amz-storage-class'] ?? 'STANDARD'}</StorageClass>${element('Initiated', isoTime(one.createdAt))}` +
      `${element('ChecksumAlgorithm', algorithm?.toUpperCase())}${element('ChecksumType', type)}</Upload>`;
  }
  const { next } = found;
  return xmlAnswer(
    `${XML_HEAD}<ListMultipartUploadsResult xmlns="${S3_NAMESPACE}">${element('Bucket', bucket.name)}${element('KeyMarker', page.encode(keyMarker))}` +
      `${element('UploadIdMarker', uploadMarker)}${element('NextKeyMarker', next === undefined ? '' : page.encode(next.key))}${element('NextUploadIdMarker', next?.upload ?? '')}` +
      `${element('Prefix', page.encode(page.prefix))}${page.delimiter === undefined ? '' : element('Delimiter', page.encode(page.delimiter))}${element('MaxUploads', page.limit)}` +
      `${element('EncodingType', page.encoding)}${element('IsTruncated', next !== undefined)}${uploads}${commonPrefixes(found.prefixes, page)}</ListMultipartUploadsResult>`,
  );
}
