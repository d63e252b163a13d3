/** Uploads in parts. */
import { isMolnError } from '../base/errors.ts';
import type { BucketInfo, PartInfo, Range, UploadInfo, WantedPart } from '../files/files.ts';
import { element, XML_HEAD } from '../xml/xml.ts';
import { authorise, type Wish } from './access.ts';
import { type Answer, type Call, newVersionHeader, NO_CONTENT, quoted, xmlAnswer } from './call.ts';
import { checkDigest, PUT_BYTES_MAX } from './body.ts';
import {
  CHECKSUM_NAMES,
  type ChecksumName,
  checksumOf,
  compositeChecksum,
  fullObjectChecksum,
  isChecksumName,
} from './checksums.ts';
import {
  childrenNamed,
  holdsOnly,
  LONG_DOCUMENT_BYTES_MAX,
  malformed,
  neededText,
  readRoot,
  S3_NAMESPACE,
  textIn,
} from './document.ts';
import { encryptionHeaders, keyOfPart, keyOfUpload } from './encryption.ts';
import { invalidArgument, S3Error } from './errors.ts';
import { owner } from './listing.ts';
import { abortHeaders, expiryHeader, writeConditions, xmlTime } from './object-fields.ts';
import { copiedVersion, copySource, copySourceRange, newObject } from './objects-put.ts';

const PART_NUMBER_MAX = 10_000;
const PARTS_PAGE = 1000;
const PART_CHECKSUMS_MAX = 1000;

/** Kept with the upload as `crc32/FULL_OBJECT`. */
interface UploadChecksum {
  readonly name: ChecksumName;
  readonly type: 'FULL_OBJECT' | 'COMPOSITE';
}

function askedChecksum(call: Call): UploadChecksum | undefined {
  const text = call.header('x-amz-checksum-algorithm')?.toLowerCase();
  const type = call.header('x-amz-checksum-type')?.toUpperCase();
  if (text === undefined) {
    if (type === undefined) return undefined;
    throw new S3Error(
      'InvalidRequest',
      'The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.',
    );
  }
  if (!isChecksumName(text)) {
    throw new S3Error(
      'InvalidRequest',
      'Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]',
    );
  }
  const usual = text === 'crc64nvme' ? 'FULL_OBJECT' : 'COMPOSITE';
  const chosen = type ?? usual;
  if (chosen !== 'FULL_OBJECT' && chosen !== 'COMPOSITE') {
    throw new S3Error('InvalidRequest', 'Value for x-amz-checksum-type header is invalid.');
  }
  const impossible = chosen === 'FULL_OBJECT' ? text.startsWith('sha') : text === 'crc64nvme';
  if (impossible) {
    throw new S3Error(
      'InvalidRequest',
      `The ${chosen} checksum type cannot be used with the ${text} checksum algorithm.`,
    );
  }
  return { name: text, type: chosen };
}

function checksumOfUpload(upload: UploadInfo): UploadChecksum | undefined {
  const [name = '', type] = upload.checksumAlgorithm?.split('/') ?? [];
  if (!isChecksumName(name)) return undefined;
  return { name, type: type === 'FULL_OBJECT' ? 'FULL_OBJECT' : 'COMPOSITE' };
}

export async function createUpload(call: Call): Promise<Answer> {
  const bucket = await call.bucket();
  const checksum = askedChecksum(call);
  const options = await newObject(call, bucket);
  const { upload, encryption } = await call.store.createUpload(bucket.name, call.key, {
    ...options,
    conditions: undefined,
    ...(checksum === undefined ? {} : { checksumAlgorithm: `${checksum.name}/${checksum.type}` }),
  });
  const headers: Readonly<Record<string, string>> =
    checksum === undefined
      ? {}
      : {
          'x-amz-checksum-algorithm': checksum.name.toUpperCase(),
          'x-amz-checksum-type': checksum.type,
        };
  return xmlAnswer(
    `${XML_HEAD}<InitiateMultipartUploadResult xmlns="${S3_NAMESPACE}">${element('Bucket', bucket.name)}${element('Key', call.key)}${element('UploadId', upload)}</InitiateMultipartUploadResult>`,
    {
      ...headers,
      ...abortHeaders(bucket, { key: call.key, createdAt: call.nowMs }),
      ...encryptionHeaders(call, { ...options, encryption }),
    },
  );
}

const WRITE: Wish = { action: 's3:PutObject', list: { of: 'bucket', permission: 'WRITE' } };

async function openUpload(
  call: Call,
  wish: Wish,
): Promise<{ readonly bucket: BucketInfo; readonly upload: UploadInfo }> {
  const bucket = await call.bucket();
  authorise(call, bucket, wish);
  const upload = await call.store.upload(bucket.name, call.key, call.query.get('uploadId') ?? '');
  return { bucket, upload };
}

function partNumber(call: Call): number {
  const text = call.query.get('partNumber') ?? '';
  const number = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (number >= 1 && number <= PART_NUMBER_MAX) return number;
  throw invalidArgument(
    'Part number must be an integer between 1 and 10000, inclusive',
    'partNumber',
    text,
  );
}

export async function putPart(call: Call): Promise<Answer> {
  const number = partNumber(call);
  const { bucket, upload } = await openUpload(call, WRITE);
  const key = keyOfPart(call, bucket, upload);
  const checksum = checksumOfUpload(upload);
  const body = call.body(checksum?.name);
  if ((body.size ?? 0) > PUT_BYTES_MAX) throw new S3Error('EntityTooLarge');
  const part = await call.store.putPart(bucket.name, call.key, upload.upload, number, body.bytes, {
    size: body.size,
    key,
    accept: (received) => body.accept(received),
  });
  return {
    status: 200,
    headers: {
      etag: quoted(part.etag),
      ...partChecksums(part),
      ...encryptionHeaders(call, upload.fields),
    },
  };
}

function partChecksums(part: PartInfo): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(part.checksums).map(([name, value]) => [`x-amz-checksum-${name}`, value]),
  );
}

export async function copyPart(call: Call): Promise<Answer> {
  const number = partNumber(call);
  const { bucket, upload } = await openUpload(call, WRITE);
  const key = keyOfPart(call, bucket, upload);
  const source = await copySource(call);
  const range = copySourceRange(call, source.object);
  const part = await call.store.copyPart(
    source.object,
    range,
    { bucket: bucket.name, key: call.key, upload: upload.upload, number },
    {
      checksums: await rangeChecksums(call, { upload, source, range }),
      key,
      sourceKey: source.key,
    },
  );
  return xmlAnswer(
    `${XML_HEAD}<CopyPartResult xmlns="${S3_NAMESPACE}">${element('ETag', quoted(part.etag))}${element('LastModified', xmlTime(part.modifiedAt))}${sums(part.checksums)}</CopyPartResult>`,
    { ...copiedVersion(source), ...encryptionHeaders(call, upload.fields) },
  );
}

/** What the upload wants of each part; the source is read for it, unless it is copied whole and has that one. */
async function rangeChecksums(
  call: Call,
  from: {
    readonly upload: UploadInfo;
    readonly source: Awaited<ReturnType<typeof copySource>>;
    readonly range: Range | undefined;
  },
): Promise<Readonly<Record<string, string>> | undefined> {
  const { range } = from;
  const { object, key } = from.source;
  const wanted = checksumOfUpload(from.upload);
  if (wanted === undefined) return undefined;
  const { name } = wanted;
  const known = object.checksumType === 'COMPOSITE' ? undefined : object.checksums[name];
  if (range === undefined && known !== undefined) return { [name]: known };
  const sum = checksumOf(name);
  for await (const piece of call.store.read(object, range, key)) sum.update(piece);
  return { [name]: sum.digest() };
}

export async function listParts(call: Call): Promise<Answer> {
  const { bucket, upload } = await openUpload(call, {
    action: 's3:ListMultipartUploadParts',
    list: { of: 'bucket', permission: 'WRITE' },
  });
  const most = Math.min(call.number('max-parts') ?? PARTS_PAGE, PARTS_PAGE);
  const after = call.number('part-number-marker') ?? 0;
  const page = await call.store.parts(bucket.name, call.key, upload.upload, {
    after,
    limit: Math.max(most, 1),
  });
  const checksum = checksumOfUpload(upload);
  const parts = page.parts.map(
    (part) =>
      `<Part>${element('PartNumber', part.number)}${element('LastModified', xmlTime(part.modifiedAt))}${element('ETag', quoted(part.etag))}` +
      `${element('Size', part.size)}${sums(part.checksums)}</Part>`,
  );
  const id = upload.owner ?? bucket.owner;
  return xmlAnswer(
    `${XML_HEAD}<ListPartsResult xmlns="${S3_NAMESPACE}">${element('Bucket', bucket.name)}${element('Key', call.key)}${element('UploadId', upload.upload)}` +
      `${await owner(call, id, 'Initiator')}${await owner(call, id)}<StorageClass>${upload.fields.headers?.['x-amz-storage-class'] ?? 'STANDARD'}</StorageClass>${element('PartNumberMarker', after)}` +
      `${element('NextPartNumberMarker', page.parts.at(-1)?.number ?? 0)}${element('MaxParts', most)}${element('IsTruncated', page.next !== undefined)}` +
      `${element('ChecksumAlgorithm', checksum?.name.toUpperCase())}${element('ChecksumType', checksum?.type)}${parts.join('')}</ListPartsResult>`,
    abortHeaders(bucket, upload),
  );
}

function sums(checksums: Readonly<Record<string, string>>): string {
  return Object.entries(checksums)
    .map(([name, value]) => element(`Checksum${name.toUpperCase()}`, value))
    .join('');
}

export async function abortUpload(call: Call): Promise<Answer> {
  const { bucket, upload } = await openUpload(call, {
    action: 's3:AbortMultipartUpload',
    list: { of: 'bucket', permission: 'WRITE' },
  });
  await call.store.abortUpload(bucket.name, call.key, upload.upload);
  return NO_CONTENT;
}

export async function completeUpload(call: Call): Promise<Answer> {
  const bucket = await call.bucket();
  authorise(call, bucket, WRITE);
  const wanted = wantedParts(await aboutBody(call).document(LONG_DOCUMENT_BYTES_MAX));
  const id = call.query.get('uploadId') ?? '';
  const upload = await uploadIfOpen(call, bucket, id);
  const key = upload === undefined ? undefined : await endingKey(call, bucket, upload);
  const summary = await summed(call, bucket, { upload, wanted });
  const object = await call.store
    .completeUpload(bucket.name, call.key, id, wanted, {
      conditions: writeConditions(call),
      key,
      ...summary,
      size: announcedObjectSize(call),
    })
    .catch((error: unknown) => {
      throw isMolnError(error, 'FILES_SIZE') ? sizeMismatch(error) : error;
    });
  const host = call.header('host') ?? '';
  const location = `http${call.isSecure ? 's' : ''}://${host}${call.target.rawPath}`;
  return xmlAnswer(
    `${XML_HEAD}<CompleteMultipartUploadResult xmlns="${S3_NAMESPACE}">${element('Location', location)}${element('Bucket', bucket.name)}` +
      `${element('Key', call.key)}${element('ETag', quoted(object.etag))}${sums(object.checksums)}` +
      `${Object.keys(object.checksums).length === 0 ? '' : element('ChecksumType', object.checksumType)}</CompleteMultipartUploadResult>`,
    {
      ...newVersionHeader(bucket, object.version),
      ...encryptionHeaders(call, object),
      ...expiryHeader(bucket, object),
    },
  );
}

function announcedObjectSize(call: Call): number | undefined {
  const text = call.header('x-amz-mp-object-size');
  if (text === undefined) return undefined;
  if (!/^\d{1,15}$/.test(text)) throw sizeMismatch(undefined);
  return Number(text);
}

function sizeMismatch(cause: unknown): S3Error {
  return new S3Error(
    'InvalidRequest',
    "The provided 'x-amz-mp-object-size' header does not match what was computed.",
    { cause },
  );
}

async function endingKey(
  call: Call,
  bucket: BucketInfo,
  upload: UploadInfo,
): Promise<Uint8Array | undefined> {
  if (upload.fields.encryption?.by !== 'client') return undefined;
  const hasChecksums =
    upload.checksumAlgorithm !== undefined ||
    [...(await partsOf(call, bucket, upload.upload)).values()].some(
      ({ checksums }) => Object.keys(checksums).length > 0,
    );
  return keyOfUpload(call, bucket, { upload, hasChecksums });
}

/** The checksum that the request names is the object's, not that of the document. */
function aboutBody(call: Call): Call {
  const fields = Object.entries(call.headers).filter(
    ([name]) => !/^x-amz-(?:sdk-)?checksum-/.test(name),
  );
  return call.but({ headers: Object.fromEntries(fields) });
}

const CHECKSUM_ELEMENTS = CHECKSUM_NAMES.map((name) => `Checksum${name.toUpperCase()}`);

function wantedParts(document: Buffer): readonly WantedPart[] {
  if (document.length === 0) throw malformed();
  const root = readRoot(document, 'CompleteMultipartUpload');
  holdsOnly(root, [], ['Part']);
  const found = childrenNamed(root, 'Part');
  if (found.length === 0 || found.length > PART_NUMBER_MAX) throw malformed();
  let before = 0;
  return found.map((part) => {
    holdsOnly(part, ['PartNumber', 'ETag', ...CHECKSUM_ELEMENTS]);
    const text = neededText(part, 'PartNumber');
    if (!/^\d{1,6}$/.test(text)) throw malformed();
    const number = Number(text);
    if (number <= before) throw new S3Error('InvalidPartOrder');
    before = number;
    const checksums: Record<string, string> = {};
    for (const name of CHECKSUM_NAMES) {
      const value = textIn(part, `Checksum${name.toUpperCase()}`)?.trim();
      if (value !== undefined) checksums[name] = value;
    }
    return { number, etag: neededText(part, 'ETag').replace(/^"|"$/g, ''), checksums };
  });
}

/** The checksum of the whole, out of what the parts have; held against what the client says that it is. */
async function summed(
  call: Call,
  bucket: BucketInfo,
  asked: { readonly upload: UploadInfo | undefined; readonly wanted: readonly WantedPart[] },
): Promise<{
  readonly checksums?: Readonly<Record<string, string>>;
  readonly checksumType?: UploadChecksum['type'];
  readonly partChecksums?: readonly string[];
}> {
  const { upload } = asked;
  const checksum = upload === undefined ? undefined : checksumOfUpload(upload);
  if (upload === undefined || checksum === undefined) return {};
  const { name, type } = checksum;
  const known = await partsOf(call, bucket, upload.upload);
  const parts = asked.wanted.map(({ number, checksums }) => {
    const part = known.get(number);
    const value = part?.checksums[name];
    if (part === undefined || value === undefined) throw new S3Error('InvalidPart');
    const said = checksums?.[name];
    if (said !== undefined && said !== value) throw new S3Error('InvalidPart');
    return { value, bytes: part.size };
  });
  const value =
    type === 'FULL_OBJECT' ? fullObjectChecksum(name, parts) : compositeChecksum(name, parts);
  const claimed = call.header(`x-amz-checksum-${name}`);
  if (claimed !== undefined) checkDigest(name, claimed.replace(/-\d{1,5}$/, ''));
  if (value === undefined) return {};
  if (claimed !== undefined && claimed !== value && `${claimed}-${parts.length}` !== value) {
    throw new S3Error(
      'BadDigest',
      `The ${name.toUpperCase()} you specified did not match the calculated checksum.`,
    );
  }
  // Kept in the object's row: of very many parts they would be most of it.
  const kept =
    parts.length > PART_CHECKSUMS_MAX ? {} : { partChecksums: parts.map((p) => p.value) };
  return { checksums: { [name]: value }, checksumType: type, ...kept };
}

/** Undefined when it is complete already: a second call is answered as the first. */
async function uploadIfOpen(
  call: Call,
  bucket: BucketInfo,
  id: string,
): Promise<UploadInfo | undefined> {
  try {
    return await call.store.upload(bucket.name, call.key, id);
  } catch (error) {
    if (isMolnError(error, 'FILES_NO_UPLOAD')) return undefined;
    throw error;
  }
}

async function partsOf(
  call: Call,
  bucket: BucketInfo,
  id: string,
): Promise<ReadonlyMap<number, PartInfo>> {
  const parts = new Map<number, PartInfo>();
  let after: number | undefined;
  do {
    const page = await call.store.parts(bucket.name, call.key, id, { after, limit: PARTS_PAGE });
    for (const part of page.parts) parts.set(part.number, part);
    after = page.next;
  } while (after !== undefined);
  return parts;
}
