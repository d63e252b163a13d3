/** What the file store refuses, in S3's words. */
import type { MolnError } from '../base/errors.ts';
import { type S3Code, S3Error } from './errors.ts';

const CODES: Readonly<Record<string, S3Code>> = {
  FILES_NO_BUCKET: 'NoSuchBucket',
  FILES_NO_OBJECT: 'NoSuchKey',
  FILES_NO_UPLOAD: 'NoSuchUpload',
  FILES_BUCKET_EXISTS: 'BucketAlreadyExists',
  FILES_BUCKET_NAME: 'InvalidBucketName',
  FILES_BUCKET_NOT_EMPTY: 'BucketNotEmpty',
  FILES_CONDITION: 'PreconditionFailed',
  FILES_QUOTA: 'QuotaExceeded',
  FILES_FULL: 'StorageFull',
  FILES_SIZE: 'IncompleteBody',
  FILES_PART: 'InvalidPart',
  FILES_PART_ORDER: 'InvalidPartOrder',
  FILES_PART_SMALL: 'EntityTooSmall',
  FILES_KEY: 'InvalidArgument',
  FILES_LOCKED: 'AccessDenied',
  FILES_BUCKET_OF_SYSTEM: 'AccessDenied',
  FILES_ENCRYPTED: 'InvalidRequest',
};

/** Undefined for what is nobody's fault but ours. */
export function storeError(error: MolnError): S3Error | undefined {
  if (error.code === 'FILES_CONDITION' && error.details?.['exists'] === false) {
    return new S3Error('NoSuchKey', undefined, { cause: error });
  }
  if (error.code === 'FILES_HELD') {
    return new S3Error('AccessDenied', 'Access Denied because object protected by object lock.', {
      cause: error,
    });
  }
  if (error.code === 'FILES_ENCRYPTION_KEY') {
    return new S3Error(
      'InvalidRequest',
      'The provided encryption parameters did not match the ones used originally.',
      { cause: error },
    );
  }
  const code = CODES[error.code];
  if (code !== undefined) {
    const message = code === 'QuotaExceeded' || code === 'StorageFull' ? error.message : undefined;
    return new S3Error(code, message, { cause: error });
  }
  return error.retryable
    ? new S3Error('ServiceUnavailable', error.message, { cause: error })
    : undefined;
}
