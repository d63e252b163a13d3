/**
 * Encryption as requests ask for it and answers tell of it: SSE-S3 (`AES256`), SSE-KMS (`aws:kms`), SSE-C (a key of the client's), and the
 * setting of a bucket. What is encrypted how is the file store's.
 */
import { createHash } from 'node:crypto';
import type {
  BucketInfo,
  EncryptionWish,
  ObjectFields,
  ObjectInfo,
  UploadInfo,
} from '../files/files.ts';
import { element, XML_HEAD } from '../xml/xml.ts';
import { type Call, setting } from './call.ts';
import {
  childNamed,
  elements,
  malformed,
  neededText,
  oneOf,
  holdsOnly,
  readRoot,
  S3_NAMESPACE,
  textIn,
  textOf,
  truth,
  type XmlElement,
} from './document.ts';
import { invalidArgument, S3Error } from './errors.ts';

const FIELD = 'x-amz-server-side-encryption';
const NAME_FIELD = `${FIELD}-aws-kms-key-id`;
/** Kept with the object, as its storage class is. */
export const BUCKET_KEY_FIELD: string = `${FIELD}-bucket-key-enabled`;
const CONTEXT_FIELD = `${FIELD}-context`;
const CLIENT_FIELD = `${FIELD}-customer`;
const SOURCE_FIELD = 'x-amz-copy-source-server-side-encryption-customer';
const USUAL = 'ApplyServerSideEncryptionByDefault';
const BLOCKED = 'BlockedEncryptionTypes';
const KEY_BYTES = 32;
const NAME_LENGTH_MAX = 2048;
/** What AWS takes when `aws:kms` names no key. */
const USUAL_NAME = 'aws/s3';

/** The setting `encryption` of a bucket; `usual` is what the file store looks at. */
export interface BucketEncryption {
  readonly usual?: Exclude<EncryptionWish, { by: 'client' }>;
  readonly bucketKey?: boolean;
  /** Whether keys of clients are refused; undefined when nobody has said it. */
  readonly blocksClientKeys?: boolean;
}

/** For an object that is to be written; undefined when the request says nothing of it. */
export function askedEncryption(call: Call, bucket: BucketInfo): EncryptionWish | undefined {
  const method = call.header(FIELD);
  const name = call.header(NAME_FIELD);
  if (call.header(CONTEXT_FIELD) !== undefined)
    throw new S3Error('NotImplemented', undefined, { details: { Header: CONTEXT_FIELD } });
  if (namesClientKey(call, CLIENT_FIELD)) {
    if (method !== undefined) {
      throw invalidArgument(
        'Server Side Encryption with Customer provided key is incompatible with the encryption method specified',
        FIELD,
        method,
      );
    }
    refuseBlocked(bucket);
    const key = clientKey(call);
    return key === undefined ? undefined : { by: 'client', key };
  }
  if (method === 'aws:kms') return { by: 'named', name: checkedName(name ?? USUAL_NAME) };
  if (method === 'aws:kms:dsse') {
    throw new S3Error('NotImplemented', undefined, { details: { Header: FIELD } });
  }
  if (method !== undefined && method !== 'AES256')
    throw invalidArgument('The encryption method specified is not supported', FIELD, method);
  if (name !== undefined) {
    throw invalidArgument(
      'Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms',
      FIELD,
      method ?? 'null',
    );
  }
  return method === undefined ? undefined : { by: 'cluster' };
}

/** An S3 Bucket Key is only told of: keys here are derived, and cost no request. It is for `aws:kms`; elsewhere it is passed over. */
export function keptBucketKey(
  call: Call,
  bucket: BucketInfo,
  asked: EncryptionWish | undefined,
): Readonly<Record<string, string>> {
  const text = call.header(BUCKET_KEY_FIELD)?.toLowerCase();
  if (text !== undefined && text !== 'true' && text !== 'false')
    throw invalidArgument('The value is neither true nor false', BUCKET_KEY_FIELD, text);
  const usual = setting<BucketEncryption>(bucket, 'encryption');
  const by = (asked ?? usual?.usual)?.by;
  const isOn = text === undefined ? usual?.bucketKey === true : text === 'true';
  return by === 'named' && isOn ? { [BUCKET_KEY_FIELD]: 'true' } : {};
}

/** Whether the request says anything of how to encrypt. */
export function asksEncryption(call: Call): boolean {
  return call.header(FIELD) !== undefined || namesClientKey(call, CLIENT_FIELD);
}

function checkedName(name: string): string {
  if (name !== '' && name.length <= NAME_LENGTH_MAX && /^[\x21-\x7e]+$/.test(name)) return name;
  throw invalidArgument('The name of the key is not valid', NAME_FIELD, name);
}

function namesClientKey(call: Call, prefix: string): boolean {
  return ['algorithm', 'key', 'key-md5'].some(
    (one) => call.header(`${prefix}-${one}`) !== undefined,
  );
}

/** The client's key, checked in the order of AWS. */
function clientKey(call: Call, prefix: string = CLIENT_FIELD): Uint8Array | undefined {
  if (!namesClientKey(call, prefix)) return undefined;
  const algorithm = call.header(`${prefix}-algorithm`);
  const needs = (what: string): S3Error =>
    invalidArgument(
      `Requests specifying Server Side Encryption with Customer provided keys must provide ${what}.`,
      FIELD,
      'null',
    );
  if (algorithm === undefined) throw needs('a valid encryption algorithm');
  if (algorithm !== 'AES256') {
    throw new S3Error('InvalidEncryptionAlgorithmError', undefined, {
      details: { ArgumentName: FIELD, ArgumentValue: algorithm },
    });
  }
  const text = call.header(`${prefix}-key`);
  const said = call.header(`${prefix}-key-md5`);
  if (text === undefined) throw needs('an appropriate secret key');
  if (said === undefined) throw needs('the client calculated MD5 of the secret key');
  const key = Buffer.from(text, 'base64');
  if (createHash('md5').update(key).digest('base64') !== said) {
    throw invalidArgument(
      'The calculated MD5 hash of the key did not match the hash that was provided.',
      FIELD,
      'null',
    );
  }
  if (key.length !== KEY_BYTES) {
    throw invalidArgument('The secret key was invalid for the specified algorithm.', FIELD, 'null');
  }
  return key;
}

/** The key that reading the object needs. Whether it is the right one, the store finds out. */
export function keyToRead(
  call: Call,
  object: ObjectInfo,
  whose: 'object' | 'source' = 'object',
): Uint8Array | undefined {
  const needless = [FIELD, NAME_FIELD].find((name) => call.header(name) !== undefined);
  if (whose === 'object' && needless !== undefined) {
    throw invalidArgument(
      `${needless} header is not supported for this operation.`,
      needless,
      call.header(needless) ?? '',
    );
  }
  const key = clientKey(call, whose === 'source' ? SOURCE_FIELD : CLIENT_FIELD);
  const needed = object.encryption?.by === 'client';
  if (needed === (key !== undefined)) return key;
  throw new S3Error(
    'InvalidRequest',
    needed
      ? 'The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.'
      : 'The encryption parameters are not applicable to this object.',
  );
}

/** The key that a part needs, as its upload was begun. */
export function keyOfPart(
  call: Call,
  bucket: BucketInfo,
  { fields }: UploadInfo,
): Uint8Array | undefined {
  const needed = fields.encryption?.by === 'client';
  const key = clientKey(call);
  if (needed) refuseBlocked(bucket);
  if (needed === (key !== undefined)) return key;
  throw new S3Error(
    'InvalidRequest',
    'The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate encryption parameters.',
  );
}

/** Of the end of an upload: the key is needed where it or a part has a checksum, and held against the upload's where it is given. */
export function keyOfUpload(
  call: Call,
  bucket: BucketInfo,
  { upload, hasChecksums }: { readonly upload: UploadInfo; readonly hasChecksums: boolean },
): Uint8Array | undefined {
  if (upload.fields.encryption?.by !== 'client') return undefined;
  refuseBlocked(bucket);
  const key = clientKey(call);
  if (key !== undefined || !hasChecksums) return key;
  throw invalidArgument(
    'Requests specifying Server Side Encryption with Customer provided keys must provide a valid encryption algorithm.',
    FIELD,
    'null',
  );
}

function refuseBlocked(bucket: BucketInfo): void {
  if (setting<BucketEncryption>(bucket, 'encryption')?.blocksClientKeys !== true) return;
  throw new S3Error(
    'AccessDenied',
    'This bucket has blocked upload requests that specify Server Side Encryption with Customer provided keys (SSE-C). Please specify a different server-side encryption type',
  );
}

/** What an answer says of it. The key's MD5 is that of the request: none is kept. */
export function encryptionHeaders(
  call: Call,
  { encryption: kept, headers = {} }: Pick<ObjectFields, 'encryption' | 'headers'>,
): Readonly<Record<string, string>> {
  switch (kept?.by) {
    case undefined:
      return {};
    case 'cluster':
      return { [FIELD]: 'AES256' };
    case 'named':
      return {
        [FIELD]: 'aws:kms',
        [NAME_FIELD]: kept.name ?? USUAL_NAME,
        ...(headers[BUCKET_KEY_FIELD] === 'true' ? { [BUCKET_KEY_FIELD]: 'true' } : {}),
      };
    case 'client': {
      const md5 = call.header(`${CLIENT_FIELD}-key-md5`);
      if (md5 === undefined) return {};
      return { [`${CLIENT_FIELD}-algorithm`]: 'AES256', [`${CLIENT_FIELD}-key-md5`]: md5 };
    }
  }
}

export function parseEncryption(bytes: Uint8Array): BucketEncryption {
  const root = readRoot(bytes, 'ServerSideEncryptionConfiguration');
  holdsOnly(root, ['Rule']);
  const rule = childNamed(root, 'Rule');
  if (rule === undefined) throw malformed();
  holdsOnly(rule, [USUAL, 'BucketKeyEnabled', BLOCKED]);
  const usual = childNamed(rule, USUAL);
  const blocked = childNamed(rule, BLOCKED);
  if (usual !== undefined) holdsOnly(usual, ['SSEAlgorithm', 'KMSMasterKeyID']);
  if (blocked !== undefined) holdsOnly(blocked, [], ['EncryptionType']);
  const bucketKey = truth(textIn(rule, 'BucketKeyEnabled'));
  const types = blocked === undefined ? [] : elements(blocked);
  const words = types.map((one) => oneOf(textOf(one), 'NONE', 'SSE-C'));
  return {
    ...(usual === undefined ? {} : { usual: usualOf(usual) }),
    ...(bucketKey === undefined ? {} : { bucketKey }),
    ...(blocked === undefined ? {} : { blocksClientKeys: words.includes('SSE-C') }),
  };
}

function usualOf(usual: XmlElement): NonNullable<BucketEncryption['usual']> {
  const method = oneOf(neededText(usual, 'SSEAlgorithm'), 'AES256', 'aws:kms', 'aws:kms:dsse');
  const name = textIn(usual, 'KMSMasterKeyID')?.trim();
  if (method === 'aws:kms:dsse')
    throw new S3Error('NotImplemented', 'Encryption in two layers is not implemented');
  if (method === 'aws:kms') return { by: 'named', name: checkedName(name ?? USUAL_NAME) };
  if (name === undefined) return { by: 'cluster' };
  throw new S3Error(
    'InvalidArgument',
    'a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse',
    { details: { ArgumentName: 'ApplyServerSideEncryptionByDefault' } },
  );
}

export function printEncryption(value: BucketEncryption): string {
  const { usual, bucketKey = false, blocksClientKeys } = value;
  const named = usual?.by === 'named' ? usual.name : undefined;
  const method =
    usual === undefined
      ? ''
      : `<ApplyServerSideEncryptionByDefault>${element('SSEAlgorithm', named === undefined ? 'AES256' : 'aws:kms')}` +
        `${named === USUAL_NAME ? '' : element('KMSMasterKeyID', named)}</ApplyServerSideEncryptionByDefault>`;
  const blocked =
    blocksClientKeys === undefined
      ? ''
      : `<BlockedEncryptionTypes>${element('EncryptionType', blocksClientKeys ? 'SSE-C' : 'NONE')}</BlockedEncryptionTypes>`;
  return (
    `${XML_HEAD}<ServerSideEncryptionConfiguration xmlns="${S3_NAMESPACE}"><Rule>${method}${blocked}` +
    `${element('BucketKeyEnabled', bucketKey)}</Rule></ServerSideEncryptionConfiguration>`
  );
}
