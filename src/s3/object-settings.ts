/** What belongs to an object beside its bytes and can be changed by itself: tags, access control list, retention, legal hold. */
import { isMolnError } from '../base/errors.ts';
import { isoTime } from '../base/time.ts';
import type { ObjectInfo, ObjectLock } from '../files/files.ts';
import { objectAcl, REMAINING_DAYS, remainingDays, type Wish } from './access.ts';
import { printAcl } from './acl.ts';
import {
  type Answer,
  type Call,
  EMPTY,
  NO_CONTENT,
  setting,
  versionHeader,
  xmlAnswer,
} from './call.ts';
import { S3Error } from './errors.ts';
import { askedAcl } from './object-fields.ts';
import {
  mayChangeRetention,
  parseLegalHold,
  parseRetention,
  printLegalHold,
  printRetention,
} from './object-lock.ts';
import { bypasses } from './objects-delete.ts';
import { findObject } from './objects-get.ts';
import { OBJECT_TAGS_MAX, parseTagging, printTagging } from './tagging.ts';

/** What was found is changed, unless it has gone meanwhile. */
async function change(
  call: Call,
  object: ObjectInfo,
  what: Parameters<Call['store']['changeObject']>[1],
): Promise<void> {
  try {
    await call.store.changeObject(object, what);
  } catch (error) {
    if (call.version === undefined || !isMolnError(error, 'FILES_NO_OBJECT')) throw error;
    throw new S3Error('NoSuchVersion', undefined, { cause: error });
  }
}

export async function getObjectTagging(call: Call): Promise<Answer> {
  const { bucket, object } = await findObject(call, 's3:GetObjectTagging', {
    permission: 'READ_ACP',
  });
  return xmlAnswer(printTagging(object.tags), versionHeader(bucket, object.version));
}

export async function putObjectTagging(call: Call): Promise<Answer> {
  const tags = parseTagging(await call.document(), OBJECT_TAGS_MAX);
  const { bucket, object } = await findObject(call, 's3:PutObjectTagging', {
    permission: 'WRITE_ACP',
    requestTags: tags,
  });
  await change(call, object, { tags });
  return { status: 200, headers: versionHeader(bucket, object.version) };
}

export async function deleteObjectTagging(call: Call): Promise<Answer> {
  const { bucket, object } = await findObject(call, 's3:DeleteObjectTagging', {
    permission: 'WRITE_ACP',
  });
  await change(call, object, { tags: {} });
  return { ...NO_CONTENT, headers: versionHeader(bucket, object.version) };
}

export async function getObjectAcl(call: Call): Promise<Answer> {
  const { bucket, object } = await findObject(call, 's3:GetObjectAcl', { permission: 'READ_ACP' });
  return xmlAnswer(
    await printAcl(objectAcl(bucket, object), call.people),
    versionHeader(bucket, object.version),
  );
}

export async function putObjectAcl(call: Call): Promise<Answer> {
  const { bucket, object } = await findObject(call, 's3:PutObjectAcl', { permission: 'WRITE_ACP' });
  const acl = await askedAcl(call, bucket, object.owner ?? bucket.owner);
  await change(call, object, { acl });
  return { status: 200, headers: versionHeader(bucket, object.version) };
}

async function lockable(
  call: Call,
  action: string,
  context: Wish['context'] = {},
): Promise<ObjectInfo> {
  const bucket = await call.bucket();
  if (setting(bucket, 'lock') === undefined) {
    throw new S3Error('InvalidRequest', 'Bucket is missing Object Lock Configuration');
  }
  return (await findObject(call, action, { permission: 'WRITE_ACP', context })).object;
}

export async function getRetention(call: Call): Promise<Answer> {
  const object = await lockable(call, 's3:GetObjectRetention');
  const { lock } = object;
  if (lock?.mode === undefined) throw new S3Error('NoSuchObjectLockConfiguration');
  return xmlAnswer(printRetention(lock));
}

export async function putRetention(call: Call): Promise<Answer> {
  const wanted = parseRetention(await call.document());
  const asked = wanted ?? { mode: undefined, until: undefined };
  const object = await lockable(call, 's3:PutObjectRetention', {
    's3:object-lock-mode': asked.mode,
    's3:object-lock-retain-until-date':
      asked.until === undefined ? undefined : isoTime(asked.until),
    [REMAINING_DAYS]:
      asked.until === undefined ? undefined : remainingDays(asked.until, call.nowMs),
  });
  const bypassGovernance = bypasses(call, await call.bucket(), call.key);
  const check = (lock: ObjectLock | undefined): void => {
    if (mayChangeRetention(lock, wanted, { nowMs: call.nowMs, bypassGovernance })) return;
    throw new S3Error('AccessDenied', 'Access Denied because object protected by object lock.');
  };
  check(object.lock);
  if (wanted !== undefined && wanted.until <= call.nowMs) {
    throw new S3Error('InvalidArgument', 'The retain until date must be in the future!');
  }
  // Judged by what is there when it is written: a hold or a longer time may have come meanwhile.
  await change(call, object, (now) => {
    const { lock } = now;
    check(lock);
    const hold = lock?.hold === undefined ? {} : { hold: lock.hold };
    return { lock: { ...hold, ...wanted } };
  });
  return EMPTY;
}

/** No storage class of ours is an archive: there is nothing to bring back. */
export async function restoreObject(call: Call): Promise<Answer> {
  const { object } = await findObject(call, 's3:RestoreObject');
  throw new S3Error(
    'InvalidObjectState',
    "Restore is not allowed for the object's current storage class",
    { details: { StorageClass: object.headers['x-amz-storage-class'] ?? 'STANDARD' } },
  );
}

export async function getLegalHold(call: Call): Promise<Answer> {
  const { lock } = await lockable(call, 's3:GetObjectLegalHold');
  if (lock?.hold === undefined) throw new S3Error('NoSuchObjectLockConfiguration');
  return xmlAnswer(printLegalHold(lock));
}

export async function putLegalHold(call: Call): Promise<Answer> {
  const hold = parseLegalHold(await call.document());
  const object = await lockable(call, 's3:PutObjectLegalHold', {
    's3:object-lock-legal-hold': hold ? 'ON' : 'OFF',
  });
  await change(call, object, (now) => ({ lock: { ...now.lock, hold } }));
  return EMPTY;
}
