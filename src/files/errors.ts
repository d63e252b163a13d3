/** The errors of files: a stable code, a sentence, and what to do. */
import { MolnError } from '../base/errors.ts';
import { unknownName } from '../base/suggest.ts';
import { formatBytes } from '../base/units.ts';

export function noBucket(name: string): MolnError {
  return new MolnError('FILES_NO_BUCKET', `There is no bucket "${name.slice(0, 100)}"`, {
    hint: 'See them with "moln files buckets", or make one with "moln files create NAME"',
  });
}

export function noFolder(bucket: string, folder: string): MolnError {
  return new MolnError('FILES_NO_FOLDER', `There is no folder "${folder}" in bucket "${bucket}"`, {
    hint: 'Make it over WebDAV or S3 (an empty object with a slash at its end), or ask for the whole bucket',
  });
}

/** To nodes and their apps; a user of the CLI is told by the CLI. */
export function noWebDav(why = 'it does not listen'): MolnError {
  return new MolnError('FILES_NO_WEBDAV', `WebDAV does not serve on this node: ${why}`, {
    hint: 'See why with "moln status"; "moln up --webdav-port PORT" takes another port',
    retryable: true,
  });
}

export function bucketExists(name: string, owner: string): MolnError {
  return new MolnError('FILES_BUCKET_EXISTS', `There is a bucket "${name}" already`, {
    hint: 'See them with "moln files buckets"',
    details: { owner },
  });
}

export function bucketName(name: string): MolnError {
  return new MolnError('FILES_BUCKET_NAME', `"${name.slice(0, 100)}" is no name for a bucket`, {
    hint: 'Take 3 to 63 lower-case letters, digits, dots and hyphens; a letter or digit first and last, and no IP address',
  });
}

export function bucketOfSystem(name: string): MolnError {
  return new MolnError('FILES_BUCKET_OF_SYSTEM', `Bucket "${name}" is Moln's own`, {
    hint: 'It keeps releases of apps, or snapshots of databases. Only its policy is yours to set: "moln files policy"',
  });
}

export function bucketNotEmpty(name: string): MolnError {
  return new MolnError('FILES_BUCKET_NOT_EMPTY', `Bucket "${name}" is not empty`, {
    hint: `Remove what is in it first: "moln files ls ${name}"`,
  });
}

export function bucketsMany(max: number): MolnError {
  return new MolnError('FILES_BUCKETS_MANY', `There are ${max} buckets already`, {
    hint: 'Remove one with "moln files rm BUCKET"',
  });
}

export function noObject(bucket: string, key: string): MolnError {
  return new MolnError(
    'FILES_NO_OBJECT',
    `There is no "${key.slice(0, 200)}" in bucket "${bucket}"`,
    {
      hint: `See what is there with "moln files ls ${bucket}"`,
    },
  );
}

export function keyInvalid(why: string): MolnError {
  return new MolnError('FILES_KEY', `This cannot be a key: ${why}`, {
    hint: 'Take 1 to 1,024 bytes of UTF-8',
  });
}

export function condition(what: string, exists: boolean): MolnError {
  return new MolnError('FILES_CONDITION', `The condition does not hold: ${what}`, {
    details: { condition: what, exists },
  });
}

export function sizeWrong(wanted: number, got: number): MolnError {
  return new MolnError('FILES_SIZE', `${wanted} bytes were announced, and ${got} came`, {
    hint: 'Send it again',
    details: { wanted, got },
  });
}

export function quotaMet(bucket: string, quotaBytes: number): MolnError {
  return new MolnError(
    'FILES_QUOTA',
    `Bucket "${bucket}" may hold ${formatBytes(quotaBytes)}, which this would exceed`,
    { hint: `Remove something, or raise it with "moln files quota ${bucket} SIZE"` },
  );
}

export function storageFull(): MolnError {
  return new MolnError('FILES_FULL', 'No storage has room for this', {
    hint: 'See "moln storage list"; add some with "moln storage add DIR"',
  });
}

export function noStorage(why: string): MolnError {
  return new MolnError('FILES_NO_STORAGE', `No storage took it: ${why}`, {
    hint: 'See "moln storage list"',
    retryable: true,
  });
}

export function unreadable(cid: string, why: string): MolnError {
  return new MolnError('FILES_UNREADABLE', `No copy of block ${cid} can be read now: ${why}`, {
    hint: 'See "moln files why BUCKET/KEY" and "moln storage list"',
    retryable: true,
  });
}

export function offsetWrong(length: number): MolnError {
  return new MolnError('FILES_OFFSET', `The object is ${length} bytes long`, {
    hint: 'Append at its end',
    details: { length },
  });
}

export function notAppendable(why: string): MolnError {
  return new MolnError('FILES_NOT_APPENDABLE', `Nothing can be appended: ${why}`);
}

export function noUpload(): MolnError {
  return new MolnError('FILES_NO_UPLOAD', 'There is no such upload: it was completed or aborted');
}

export function partWrong(number: number, why: string): MolnError {
  return new MolnError('FILES_PART', `Part ${number} ${why}`, { details: { number } });
}

export function encrypted(): MolnError {
  return new MolnError('FILES_ENCRYPTED', 'The object is encrypted with a key of its own', {
    hint: 'Read it over S3 with the key that it was put with (x-amz-server-side-encryption-customer-key)',
  });
}

export function encryptionKeyWrong(options: { readonly cause: unknown }): MolnError {
  return new MolnError(
    'FILES_ENCRYPTION_KEY',
    'This is not the key that the object is encrypted with',
    options,
  );
}

export function partOrder(): MolnError {
  return new MolnError('FILES_PART_ORDER', 'The parts are not in the order of their numbers');
}

export function partSmall(number: number, size: number, min: number): MolnError {
  return new MolnError(
    'FILES_PART_SMALL',
    `Part ${number} has ${size} bytes; all but the last need ${min}`,
    { details: { number, size } },
  );
}

export function locked(path: string): MolnError {
  return new MolnError('FILES_LOCKED', `"${path}" is locked`);
}

export function held(key: string): MolnError {
  return new MolnError('FILES_HELD', `A version of "${key}" is locked: it may not be removed yet`, {
    hint: 'See its retention and legal hold over S3 (get-object-retention, get-object-legal-hold)',
  });
}

export function exists(key: string): MolnError {
  return new MolnError('FILES_EXISTS', `There is something at "${key}" again`, {
    hint: 'Move it away first',
  });
}

export function policyInvalid(text: string, why: string): MolnError {
  return new MolnError(
    'FILES_POLICY',
    `The policy "${text.slice(0, 200)}" cannot be read: ${why}`,
    {
      hint: 'Such as "2 copies", "3 copies across zone", "2 copies: east, west"',
    },
  );
}

/** `missing`: the copies that have no place, as the policy says them. */
export function policyUnmet(
  { text, slots }: { readonly text: string; readonly slots: readonly unknown[] },
  missing: readonly string[],
  why: string,
): MolnError {
  return new MolnError(
    'FILES_POLICY_UNMET',
    `The policy "${text}" demands more than there is: ${why} ${missing.length} of ${slots.length} copies (${missing.join(', ')})`,
    {
      hint: 'Add storage with "moln storage add", or change it with "moln files policy"',
      retryable: true,
    },
  );
}

/** The catalogue's database does not answer. */
export function catalogueAway(why: string): MolnError {
  return new MolnError('FILES_CATALOGUE_AWAY', `The catalogue of files does not answer: ${why}`, {
    hint: 'See "moln db show moln-files"; it is tried again',
    retryable: true,
  });
}

/** What wrote it was thought dead: its blocks may be gone. */
export function sessionOver(): MolnError {
  return new MolnError('FILES_SESSION_OVER', 'This write took too long and was given up', {
    hint: 'Send it again',
    retryable: true,
  });
}

export function versioningChanged(): MolnError {
  return new MolnError('FILES_VERSIONING_CHANGED', 'The bucket began to keep versions just now', {
    hint: 'Do it again',
    retryable: true,
  });
}

export function keyNotFound(id: string): MolnError {
  return new MolnError('FILES_KEY_NOT_FOUND', `There is no access key "${id.slice(0, 100)}"`, {
    hint: 'See them with "moln files keys list"',
  });
}

export function storageExists(path: string): MolnError {
  return new MolnError('FILES_STORAGE_EXISTS', `"${path}" is a storage of this node already`, {
    hint: 'See "moln storage list"',
  });
}

export function storageNotFound(name: string, known: readonly string[]): MolnError {
  return new MolnError('FILES_STORAGE_NOT_FOUND', unknownName('storage', name, known), {
    hint: 'See them with "moln storage list"',
  });
}

/** The process does not answer; it is being started again. */
export function filesAway(why: string): MolnError {
  return new MolnError('FILES_AWAY', `The file process does not answer: ${why}`, {
    hint: 'Ask again in a moment; "moln doctor" tells more if it stays so',
    retryable: true,
  });
}

/** It was asked and then said nothing. */
export function filesLost(): MolnError {
  return new MolnError('FILES_OUTCOME_UNKNOWN', 'The file process ended before it answered', {
    hint: 'What was asked may have happened: look before you repeat what changes files',
  });
}

export function unauthorized(): MolnError {
  return new MolnError('FILES_UNAUTHORIZED', 'Files need a token of the API', {
    hint: 'Make one with "moln token create", and send it as "Authorization: Bearer TOKEN"',
  });
}

export function forbidden(needs: string): MolnError {
  return new MolnError('FILES_FORBIDDEN', `This needs a token of scope ${needs}`, {
    hint: 'Make one with "moln token create"',
  });
}

export function requestInvalid(why: string, hint: string): MolnError {
  return new MolnError('FILES_REQUEST_INVALID', why, { hint });
}

export function pathUnknown(method: string, path: string): MolnError {
  return new MolnError('FILES_PATH_NOT_FOUND', `Nothing answers ${method} ${path.slice(0, 200)}`, {
    hint: 'Objects are at /files/BUCKET/KEY; see docs/files.md',
  });
}

/** A folder that was given for recovery. */
export function noDisk(
  folder: string,
  why = 'neither a storage nor a data folder is in it',
): MolnError {
  return new MolnError('FILES_NO_DISK', `Nothing can be brought back from "${folder}": ${why}`, {
    hint: 'Give the data folder of a node that is lost, or a folder that "moln storage add" was given',
  });
}

export function recoveryRuns(): MolnError {
  return new MolnError('FILES_RECOVERY_RUNS', 'A recovery is under way on this node already', {
    hint: 'It says how far it is to whoever started it; wait for its end',
  });
}

export function blockNotThere(cid: string): MolnError {
  return new MolnError('FILES_BLOCK', `Block ${cid} is not where it should be copied from`, {
    retryable: true,
  });
}

export function publicBlocked(bucket: string): MolnError {
  return new MolnError(
    'FILES_PUBLIC_BLOCKED',
    `Bucket "${bucket}" has a public access block: nothing in it can be shown to everybody`,
    { hint: 'Remove that with "aws s3api delete-public-access-block" first' },
  );
}

export function rentedKeyMissing(): MolnError {
  return new MolnError(
    'FILES_RECOVERY_KEY_MISSING',
    'What lies on a rented storage is sealed, and the recovery key of the lost cloud opens it',
    { hint: 'Give the file that "moln files recovery-key FILE" wrote there: --key FILE' },
  );
}

export function recoveryKeyWrong(): MolnError {
  return new MolnError(
    'FILES_RECOVERY_KEY',
    'This is no recovery key, or a part of it is missing',
    {
      hint: 'Give it as "moln files recovery-key" printed it: moln-recovery-1-…',
    },
  );
}
