/** GET and HEAD of objects, their attributes. */
import type { BucketInfo, ObjectInfo, Range } from '../files/files.ts';
import { evaluatePreconditions } from '../http/conditional.ts';
import { formatHttpDate } from '../http/http-date.ts';
import { parseRange } from '../http/range.ts';
import { element, XML_HEAD } from '../xml/xml.ts';
import { authorise, missingObject, versionedAction, type Wish } from './access.ts';
import type { Permission } from './acl.ts';
import { type Answer, type Call, quoted, versionHeader, xmlAnswer } from './call.ts';
import { S3_NAMESPACE } from './document.ts';
import { keyToRead } from './encryption.ts';
import { invalidArgument, S3Error } from './errors.ts';
import {
  asksChecksum,
  checksumHeaders,
  objectHeaders,
  quotedTags,
  toField,
} from './object-fields.ts';

const OVERRIDES = [
  'content-type',
  'content-language',
  'expires',
  'cache-control',
  'content-disposition',
  'content-encoding',
] as const;

/** The object of the address, which the caller may use; errors as AWS has them for what is not there. */
export async function findObject(
  call: Call,
  action: string,
  {
    permission = 'READ',
    ...more
  }: { readonly permission?: Permission } & Pick<Wish, 'context' | 'requestTags'> = {},
): Promise<{ readonly bucket: BucketInfo; readonly object: ObjectInfo }> {
  const { version } = call;
  const [bucket, object] = await Promise.all([
    call.bucket(),
    call.store.head(call.bucketName, call.key, version),
  ]);
  if (object === undefined) throw missingObject(call, bucket, version);
  if (object.isDeleteMarker) throw deletedObject(call, bucket, object);
  const list = { of: 'object', permission } as const;
  authorise(call, bucket, { action: versionedAction(action, version), list, object, ...more });
  return { bucket, object };
}

function deletedObject(call: Call, bucket: BucketInfo, marker: ObjectInfo): S3Error {
  const headers = { 'x-amz-delete-marker': 'true', ...versionHeader(bucket, marker.version) };
  if (call.version === undefined) {
    const { code, message, details } = missingObject(call, bucket);
    return new S3Error(code, message, { details, headers });
  }
  return new S3Error('MethodNotAllowed', undefined, {
    headers: { ...headers, 'last-modified': formatHttpDate(marker.modifiedAt), allow: 'DELETE' },
    details: { Method: call.method, ResourceType: 'DeleteMarker' },
  });
}

export async function getObject(call: Call): Promise<Answer> {
  const { bucket, object } = await findObject(call, 's3:GetObject');
  const key = keyToRead(call, object);
  // Made for HEAD, too: it tells whether the key is the right one.
  const whole = call.store.read(object, undefined, key);
  const headers = objectHeaders(call, bucket, object);
  applyOverrides(call, headers);
  const conditions = {
    ifMatch: withQuotes(call.header('if-match')),
    ifNoneMatch: withQuotes(call.header('if-none-match')),
    ifModifiedSince: call.header('if-modified-since'),
    ifUnmodifiedSince: call.header('if-unmodified-since'),
    ifRange: call.header('if-range'),
    range: call.header('range') !== undefined,
  };
  const verdict = evaluatePreconditions('GET', conditions, {
    etag: quoted(object.etag),
    lastModifiedMs: object.modifiedAt,
  });
  if (verdict === 'precondition-failed') {
    const Condition = conditions.ifMatch === undefined ? 'If-Unmodified-Since' : 'If-Match';
    throw new S3Error('PreconditionFailed', undefined, { details: { Condition } });
  }
  if (verdict === 'not-modified') {
    const { etag = '', 'last-modified': modified = '' } = headers;
    return {
      status: 304,
      headers: { ...versionHeader(bucket, object.version), etag, 'last-modified': modified },
    };
  }
  const range = verdict === 'perform' ? wantedRange(call, object, headers) : undefined;
  const length = range === undefined ? object.size : range.end - range.start;
  headers['content-length'] = String(length);
  if (range !== undefined) {
    headers['content-range'] = `bytes ${range.start}-${range.end - 1}/${object.size}`;
    // A checksum of the whole says nothing about a piece of it, unless that is a part.
    for (const name of Object.keys(headers))
      if (name.startsWith('x-amz-checksum-')) delete headers[name];
    if (asksChecksum(call)) Object.assign(headers, partChecksum(object, call.number('partNumber')));
  }
  const status = range === undefined ? 200 : 206;
  if (call.method === 'HEAD' || length === 0) return { status, headers };
  return {
    status,
    headers,
    stream: range === undefined ? whole : call.store.read(object, range, key),
  };
}

function withQuotes(text: string | undefined): string | undefined {
  return text === undefined ? undefined : quotedTags(text);
}

function applyOverrides(call: Call, headers: Record<string, string>): void {
  for (const name of OVERRIDES) {
    const value = call.query.get(`response-${name}`);
    if (value === undefined) continue;
    if (call.sender.how === 'anonymous') {
      throw new S3Error(
        'InvalidRequest',
        'Request specific response headers cannot be used for anonymous GET requests.',
      );
    }
    headers[name] = toField(value);
  }
}

function wantedRange(
  call: Call,
  object: ObjectInfo,
  headers: Record<string, string>,
): Range | undefined {
  const text = call.header('range');
  const part = call.number('partNumber');
  if (part !== undefined) {
    if (text !== undefined)
      throw new S3Error(
        'InvalidRequest',
        'Cannot specify both Range header and partNumber query parameter',
      );
    return partRange(part, object, headers);
  }
  if (text === undefined) return undefined;
  const verdict = parseRange(text, object.size);
  if (verdict.kind === 'unsatisfiable') {
    throw new S3Error('InvalidRange', undefined, {
      details: { RangeRequested: text, ActualObjectSize: object.size },
      headers: { 'content-range': `bytes */${object.size}` },
    });
  }
  // Several ranges are answered with the whole, as S3 does.
  if (verdict.kind === 'ignore' || verdict.ranges.length !== 1) return undefined;
  const [range] = verdict.ranges;
  return range === undefined ? undefined : { start: range.first, end: range.last + 1 };
}

function partChecksum(
  object: ObjectInfo,
  part: number | undefined,
): Readonly<Record<string, string>> {
  if (object.partSizes === undefined) return part === 1 ? checksumHeaders(object) : {};
  const value = part === undefined ? undefined : object.partChecksums?.[part - 1];
  const [name] = Object.keys(object.checksums);
  return value === undefined || name === undefined
    ? {}
    : checksumHeaders({ checksums: { [name]: value }, checksumType: object.checksumType });
}

function partRange(
  part: number,
  object: ObjectInfo,
  headers: Record<string, string>,
): Range | undefined {
  const sizes = object.partSizes;
  if (part < 1 || part > 10_000) {
    throw invalidArgument(
      'Part number must be an integer between 1 and 10000, inclusive',
      'partNumber',
      String(part),
    );
  }
  if (part > (sizes?.length ?? 1)) {
    throw new S3Error('InvalidPart', undefined, {
      details: { ActualPartCount: sizes?.length ?? 1, PartNumberRequested: part },
    });
  }
  if (sizes === undefined) return object.size === 0 ? undefined : { start: 0, end: object.size };
  headers['x-amz-mp-parts-count'] = String(sizes.length);
  const start = sizes.slice(0, part - 1).reduce((sum, size) => sum + size, 0);
  return { start, end: start + (sizes[part - 1] ?? 0) };
}

const ATTRIBUTES = ['ETag', 'Checksum', 'ObjectParts', 'StorageClass', 'ObjectSize'] as const;

export async function getObjectAttributes(call: Call): Promise<Answer> {
  const { bucket, object } = await findObject(call, 's3:GetObject');
  const action = versionedAction('s3:GetObjectAttributes', call.version);
  authorise(call, bucket, { action, list: { of: 'object', permission: 'READ' }, object });
  // For the check of the key alone.
  void call.store.read(object, undefined, keyToRead(call, object));
  const asked = (call.header('x-amz-object-attributes') ?? '')
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '');
  if (asked.length === 0) {
    throw invalidArgument(
      'The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty',
      'x-amz-object-attributes',
      '',
    );
  }
  const unknown = asked.find((one) => !(ATTRIBUTES as readonly string[]).includes(one));
  if (unknown !== undefined)
    throw invalidArgument('Invalid attribute name specified.', 'x-amz-object-attributes', unknown);
  const wants = (name: (typeof ATTRIBUTES)[number]): boolean => asked.includes(name);
  const sums = Object.entries(object.checksums);
  const checksum =
    wants('Checksum') && sums.length > 0
      ? `<Checksum>${sums.map(([name, value]) => element(`Checksum${name.toUpperCase()}`, value)).join('')}${element('ChecksumType', object.checksumType ?? 'FULL_OBJECT')}</Checksum>`
      : '';
  return xmlAnswer(
    `${XML_HEAD}<GetObjectAttributesResponse xmlns="${S3_NAMESPACE}">${wants('ETag') ? element('ETag', object.etag) : ''}${checksum}` +
      `${wants('ObjectParts') ? objectParts(call, object) : ''}${wants('StorageClass') ? element('StorageClass', object.headers['x-amz-storage-class'] ?? 'STANDARD') : ''}` +
      `${wants('ObjectSize') ? element('ObjectSize', object.size) : ''}</GetObjectAttributesResponse>`,
    {
      'last-modified': formatHttpDate(object.modifiedAt),
      ...versionHeader(bucket, object.version),
    },
  );
}

function objectParts(call: Call, object: ObjectInfo): string {
  const sizes = object.partSizes;
  if (sizes === undefined) return '';
  const most = Math.min(Number(call.header('x-amz-max-parts') ?? 1000), 1000);
  const after = Number(call.header('x-amz-part-number-marker') ?? 0);
  if (!Number.isInteger(most) || !Number.isInteger(after) || most < 0 || after < 0) {
    throw invalidArgument(
      'Argument must be an integer between 0 and 2147483647',
      'x-amz-max-parts',
      String(most),
    );
  }
  const page = sizes.slice(after, after + most);
  const [name = ''] = Object.keys(object.checksums);
  const parts = page.map(
    (size, at) =>
      `<Part>${element('PartNumber', after + at + 1)}${element('Size', size)}` +
      `${element(`Checksum${name.toUpperCase()}`, object.partChecksums?.[after + at])}</Part>`,
  );
  return (
    `<ObjectParts>${element('PartsCount', sizes.length)}${element('PartNumberMarker', after)}` +
    `${element('NextPartNumberMarker', after + page.length)}${element('MaxParts', most)}` +
    `${element('IsTruncated', after + page.length < sizes.length)}${parts.join('')}</ObjectParts>`
  );
}
