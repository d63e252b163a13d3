/** Making, finding and removing buckets. */
import { isMolnError } from '../base/errors.ts';
import { aclOfHeaders } from './acl.ts';
import { authorise, checkLists, type Ownership } from './access.ts';
import { isBucketName } from './bucket-names.ts';
import { type Answer, type Call, NO_CONTENT, xmlAnswer } from './call.ts';
import type { BucketInfo } from '../files/files.ts';
import { childNamed, holdsOnly, readRoot, S3_NAMESPACE, textIn } from './document.ts';
import { invalidArgument, S3Error } from './errors.ts';
import { BUCKET_TAGS_MAX, type Tags, tagsIn } from './tagging.ts';
import { element, escapeText, XML_HEAD } from '../xml/xml.ts';

const USUAL_REGION = 'us-east-1';
/** Any will do that looks like one. */
const REGION = /^[A-Za-z0-9._-]{0,64}$/;
export const OWNERSHIPS: readonly Ownership[] = [
  'BucketOwnerEnforced',
  'BucketOwnerPreferred',
  'ObjectWriter',
];

function ownershipOf(text: string | undefined): Ownership {
  const found = OWNERSHIPS.find((one) => one === text);
  if (found === undefined)
    throw invalidArgument(
      `Invalid x-amz-object-ownership header: ${text ?? ''}`,
      'x-amz-object-ownership',
      text ?? '',
    );
  return found;
}

export async function createBucket(call: Call): Promise<Answer> {
  const { caller, bucketName } = call;
  if (!isBucketName(bucketName)) {
    throw new S3Error('InvalidBucketName', undefined, { details: { BucketName: bucketName } });
  }
  const made: Answer = { status: 200, headers: { location: `/${bucketName}` } };
  if (call.accessKey?.makes === bucketName) {
    await call.bucket();
    return made;
  }
  if (caller === undefined || call.accessKey?.may !== 'all') throw new S3Error('AccessDenied');
  const document = await call.document();
  const { region, tags } = document.length === 0 ? NOTHING_SAID : parseCreation(document);
  const acl = await aclOfHeaders(call.headers, { owner: caller, bucketOwner: caller }, call.people);
  const asked = call.header('x-amz-object-ownership');
  const ownership = asked === undefined ? undefined : ownershipOf(asked);
  if (ownership !== undefined && acl !== undefined) checkLists(ownership, acl);
  const locks = call.header('x-amz-bucket-object-lock-enabled')?.toLowerCase() === 'true';
  const settings = {
    ...(acl === undefined ? {} : { acl }),
    ...(ownership === undefined ? {} : { ownership }),
    ...(region === undefined || region === '' ? {} : { region }),
    ...(locks ? { lock: {} } : {}),
    ...(tags === undefined ? {} : { tagging: tags }),
  };
  try {
    const versioning = locks ? 'enabled' : 'off';
    await call.store.createBucket(bucketName, { owner: caller, settings, versioning });
  } catch (error) {
    if (!isMolnError(error, 'FILES_BUCKET_EXISTS')) throw error;
    const existing = await call.store.bucket(bucketName);
    const own = existing?.owner === caller;
    if (own && isUsual(region) && isUsual(existing.settings['region'])) {
      await call.store.changeBucket(bucketName, { settings: { acl: acl ?? null } });
      return made;
    }
    throw new S3Error(own ? 'BucketAlreadyOwnedByYou' : 'BucketAlreadyExists', undefined, {
      details: { BucketName: bucketName },
      cause: error,
    });
  }
  return made;
}

const NOTHING_SAID = { region: undefined, tags: undefined };

function parseCreation(document: Buffer): {
  readonly region: string | undefined;
  readonly tags: Tags | undefined;
} {
  const root = readRoot(document, 'CreateBucketConfiguration');
  holdsOnly(root, ['LocationConstraint', 'Location', 'Bucket', 'Tags']);
  const region = textIn(root, 'LocationConstraint');
  if (region !== undefined && !REGION.test(region)) {
    throw new S3Error('InvalidLocationConstraint', undefined, {
      details: { LocationConstraint: region },
    });
  }
  const tags = childNamed(root, 'Tags');
  return { region, tags: tags === undefined ? undefined : tagsIn(tags, BUCKET_TAGS_MAX) };
}

export function regionOf(bucket: BucketInfo): string {
  const region = bucket.settings['region'];
  return typeof region === 'string' ? region : USUAL_REGION;
}

/** In that region a bucket of one's own is made once more, which resets its access control list (AWS, "Error responses", BucketAlreadyOwnedByYou). */
function isUsual(region: unknown): boolean {
  return region === undefined || region === '' || region === USUAL_REGION;
}

export async function deleteBucket(call: Call): Promise<Answer> {
  const bucket = await call.bucket();
  authorise(call, bucket, { action: 's3:DeleteBucket' });
  await call.store.deleteBucket(bucket.name);
  return NO_CONTENT;
}

export async function headBucket(call: Call): Promise<Answer> {
  const bucket = await call.bucket();
  authorise(call, bucket, { action: 's3:ListBucket', list: { of: 'bucket', permission: 'READ' } });
  return {
    status: 200,
    headers: { 'x-amz-bucket-region': regionOf(bucket), 'x-amz-access-point-alias': 'false' },
  };
}

export async function getLocation(call: Call): Promise<Answer> {
  const bucket = await call.bucket();
  authorise(call, bucket, { action: 's3:GetBucketLocation' });
  const region = regionOf(bucket);
  const text = region === USUAL_REGION ? '' : escapeText(region);
  return xmlAnswer(
    `${XML_HEAD}<LocationConstraint xmlns="${S3_NAMESPACE}">${text}</LocationConstraint>`,
  );
}

export async function getVersioning(call: Call): Promise<Answer> {
  const bucket = await call.bucket();
  authorise(call, bucket, { action: 's3:GetBucketVersioning' });
  const words = { off: undefined, enabled: 'Enabled', suspended: 'Suspended' } as const;
  return xmlAnswer(
    `${XML_HEAD}<VersioningConfiguration xmlns="${S3_NAMESPACE}">${element('Status', words[bucket.versioning])}</VersioningConfiguration>`,
  );
}

export async function putVersioning(call: Call): Promise<Answer> {
  const bucket = await call.bucket();
  authorise(call, bucket, { action: 's3:PutBucketVersioning' });
  const root = readRoot(await call.document(), 'VersioningConfiguration');
  holdsOnly(root, ['Status', 'MfaDelete']);
  const status = textIn(root, 'Status')?.trim();
  if (textIn(root, 'MfaDelete')?.trim() === 'Enabled') {
    throw new S3Error('NotImplemented', 'MFA delete is not implemented');
  }
  if (status !== 'Enabled' && status !== 'Suspended')
    throw new S3Error('IllegalVersioningConfigurationException');
  if (status === 'Suspended' && (bucket.settings['lock'] ?? undefined) !== undefined) {
    throw new S3Error(
      'InvalidBucketState',
      'An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.',
    );
  }
  await call.store.changeBucket(bucket.name, {
    versioning: status === 'Enabled' ? 'enabled' : 'suspended',
  });
  return { status: 200 };
}
