/** Whether a caller may do something: what its key may, the bucket's policy, then access control lists. */
import type { BucketInfo, ObjectInfo } from '../files/files.ts';
import { type Acl, aclAllows, type Permission, privateAcl } from './acl.ts';
import { aclOf, type Call, setting } from './call.ts';
import { S3Error } from './errors.ts';
import {
  BUCKET_ACTIONS,
  evaluatePolicy,
  isPublicPolicy,
  parsePolicy,
  type Policy,
} from './policy.ts';

export interface Wish {
  /** `s3:GetObject`. */
  readonly action: string;
  /** Which list decides when the policy says nothing; none: only the bucket's owner. */
  readonly list?: { readonly of: 'bucket' | 'object'; readonly permission: Permission };
  /** Of the object, when it is not that of the call. */
  readonly key?: string;
  /** The object that is there. */
  readonly object?: ObjectInfo | undefined;
  /** More that policies may ask about, names in lower case. */
  readonly context?: Readonly<Record<string, string | undefined>>;
  readonly requestTags?: Readonly<Record<string, string>> | undefined;
}

export interface PublicAccess {
  readonly blockAcls: boolean;
  readonly ignoreAcls: boolean;
  readonly blockPolicy: boolean;
  readonly restrictBuckets: boolean;
}

export type Ownership = 'BucketOwnerEnforced' | 'BucketOwnerPreferred' | 'ObjectWriter';

/** Where the bucket's owner owns all, its list may grant nobody else anything. */
export function checkLists(value: Ownership, { owner, grants }: Acl): void {
  const isOwn = grants.every(({ grantee }) => grantee.kind === 'user' && grantee.id === owner);
  if (value === 'BucketOwnerEnforced' && !isOwn)
    throw new S3Error('InvalidBucketAclWithObjectOwnership');
}

export function publicAccess(bucket: BucketInfo): PublicAccess | undefined {
  return setting<PublicAccess>(bucket, 'publicAccess');
}

export function ownership(bucket: BucketInfo): Ownership {
  return setting<Ownership>(bucket, 'ownership') ?? 'ObjectWriter';
}

export function bucketAcl(bucket: BucketInfo): Acl {
  return aclOf(bucket.settings['acl']) ?? privateAcl(bucket.owner);
}

export function objectAcl(bucket: BucketInfo, object: ObjectInfo): Acl {
  return aclOf(object.acl) ?? privateAcl(object.owner ?? bucket.owner);
}

/** What of a version is a right of its own (AWS, "Actions defined by Amazon S3"). */
const OF_VERSIONS: Readonly<Record<string, string>> = {
  's3:GetObject': 's3:GetObjectVersion',
  's3:GetObjectAcl': 's3:GetObjectVersionAcl',
  's3:PutObjectAcl': 's3:PutObjectVersionAcl',
  's3:GetObjectAttributes': 's3:GetObjectVersionAttributes',
  's3:GetObjectTagging': 's3:GetObjectVersionTagging',
  's3:PutObjectTagging': 's3:PutObjectVersionTagging',
  's3:DeleteObjectTagging': 's3:DeleteObjectVersionTagging',
};

export function versionedAction(action: string, version: string | undefined): string {
  return version === undefined ? action : (OF_VERSIONS[action] ?? action);
}

const DAY_MS = 86_400_000;
const POLICIES_MAX = 200;
const policies = new Map<string, Policy>();

export function policyOf(bucket: BucketInfo): Policy | undefined {
  const text = setting<string>(bucket, 'policy');
  if (text === undefined) return undefined;
  const name = `${bucket.name}\n${text}`;
  let policy = policies.get(name);
  if (policy === undefined) {
    policy = parsePolicy(text, bucket.name);
    if (policies.size >= POLICIES_MAX) policies.clear();
    policies.set(name, policy);
  }
  return policy;
}

/** Never shut out of the policy itself. */
const POLICY_ACTIONS: ReadonlySet<string> = new Set([
  's3:GetBucketPolicy',
  's3:PutBucketPolicy',
  's3:DeleteBucketPolicy',
]);

export function mayDo(call: Call, bucket: BucketInfo, wish: Wish): boolean {
  const { caller } = call;
  const isOwner = caller !== undefined && caller === bucket.owner;
  const granted = keyGrants(call, bucket, wish.action);
  if (granted === 'no' || (!isOwner && !offersToPay(call, bucket))) return false;
  const verdict = policyVerdict(call, bucket, wish);
  if (verdict === 'deny' && !(isOwner && POLICY_ACTIONS.has(wish.action))) return false;
  if (verdict === 'allow' || granted === 'yes') return true;
  const { list } = wish;
  if (isOwner && !belongsToOther(bucket, wish)) return true;
  if (list === undefined || ownership(bucket) === 'BucketOwnerEnforced') return false;
  const options = { ignorePublic: publicAccess(bucket)?.ignoreAcls === true };
  const acl =
    list.of === 'object' && wish.object !== undefined
      ? objectAcl(bucket, wish.object)
      : bucketAcl(bucket);
  return aclAllows(acl, caller, list.permission, options);
}

/** Where the requester pays, it has to say so, and to be somebody (AWS, "Using Requester Pays buckets"). */
function offersToPay(call: Call, bucket: BucketInfo): boolean {
  if (setting<string>(bucket, 'requestPayment') !== 'Requester') return true;
  return call.caller !== undefined && call.offersToPay;
}

export function authorise(call: Call, bucket: BucketInfo, wish: Wish): void {
  if (!mayDo(call, bucket, wish)) throw new S3Error('AccessDenied');
}

/** An object that somebody else has put, while lists count. */
function belongsToOther(bucket: BucketInfo, { list, object }: Wish): boolean {
  return (
    list?.of === 'object' &&
    object?.owner !== undefined &&
    object.owner !== bucket.owner &&
    ownership(bucket) !== 'BucketOwnerEnforced'
  );
}

/** A key for some buckets only: `yes` and `no` are final but for a policy that denies. */
function keyGrants(call: Call, bucket: BucketInfo, action: string): 'yes' | 'no' | 'all' {
  const may = call.accessKey?.may ?? 'all';
  if (may === 'all') return 'all';
  const grant = may.find((one) => one.bucket === bucket.name);
  if (grant === undefined) return 'no';
  if (/^s3:(?:Get|List)/.test(action)) return 'yes';
  const writes =
    /^s3:(?:PutObject|DeleteObject|AbortMultipartUpload|ReplicateObject|BypassGovernance)/.test(
      action,
    );
  return grant.write && writes ? 'yes' : 'no';
}

function policyVerdict(call: Call, bucket: BucketInfo, wish: Wish): 'allow' | 'deny' | 'none' {
  const policy = policyOf(bucket);
  if (policy === undefined) return 'none';
  const { caller } = call;
  const isBucketWide = wish.list?.of !== 'object' && wish.key === undefined && call.key === '';
  const key = wish.key ?? call.key;
  const verdict = evaluatePolicy(policy, {
    caller,
    action: wish.action,
    resource:
      isBucketWide || BUCKET_ACTIONS.test(wish.action) ? bucket.name : `${bucket.name}/${key}`,
    context: contextOf(call, bucket, wish),
  });
  const shut = publicAccess(bucket)?.restrictBuckets === true && caller !== bucket.owner;
  return verdict === 'allow' && shut && isPublicPolicy(policy) ? 'none' : verdict;
}

const AUTH_TYPES: Readonly<Record<Call['sender']['how'], string | undefined>> = {
  anonymous: undefined,
  form: 'POST',
  'header-v2': 'REST-HEADER',
  'header-v4': 'REST-HEADER',
  'query-v2': 'REST-QUERY-STRING',
  'query-v4': 'REST-QUERY-STRING',
};

const LOCK_FIELDS: ReadonlySet<string> = new Set([
  'x-amz-object-lock-mode',
  'x-amz-object-lock-retain-until-date',
  'x-amz-object-lock-legal-hold',
]);

/** What policies may limit of a retention. */
export const REMAINING_DAYS = 's3:object-lock-remaining-retention-days';

export function remainingDays(untilMs: number, nowMs: number): string {
  return String(Math.floor((untilMs - nowMs) / DAY_MS));
}

function contextOf(
  call: Call,
  bucket: BucketInfo,
  wish: Wish,
): ReadonlyMap<string, readonly string[]> {
  const context = new Map<string, readonly string[]>();
  const add = (name: string, value: string | undefined): void => {
    if (value !== undefined) context.set(name, [value]);
  };
  add('aws:sourceip', call.clientAddress);
  add('aws:securetransport', String(call.isSecure));
  add('aws:referer', call.header('referer'));
  add('aws:useragent', call.header('user-agent'));
  add('aws:currenttime', String(Math.floor(call.nowMs / 1000)));
  add('aws:epochtime', String(Math.floor(call.nowMs / 1000)));
  add('aws:username', call.caller);
  add('aws:userid', call.caller);
  add('aws:principalaccount', call.caller);
  // None of the cloud's own services comes this way.
  add('aws:principalisawsservice', 'false');
  add('aws:viaawsservice', 'false');
  if (call.caller !== undefined) add('aws:principalarn', `arn:aws:iam::${call.caller}:root`);
  add('aws:principaltype', call.caller === undefined ? 'Anonymous' : 'User');
  add('s3:prefix', call.query.get('prefix'));
  add('s3:delimiter', call.query.get('delimiter'));
  add('s3:max-keys', call.query.get('max-keys'));
  add('s3:versionid', call.query.get('versionId'));
  if (call.sender.how !== 'anonymous')
    add('s3:signatureversion', call.sender.how.endsWith('v2') ? 'AWS' : 'AWS4-HMAC-SHA256');
  add('s3:authtype', AUTH_TYPES[call.sender.how]);
  const { signedAt } = call.sender;
  if (signedAt !== undefined) add('s3:signatureage', String(Math.max(0, call.nowMs - signedAt)));
  add('aws:resourceaccount', bucket.owner);
  add('s3:resourceaccount', bucket.owner);
  for (const name of Object.keys(call.headers)) {
    if (name.startsWith('x-amz-')) add(`s3:${name}`, call.header(name));
    if (LOCK_FIELDS.has(name)) add(`s3:${name.slice(6)}`, call.header(name));
  }
  const until = Date.parse(call.header('x-amz-object-lock-retain-until-date') ?? '');
  if (!Number.isNaN(until)) add(REMAINING_DAYS, remainingDays(until, call.nowMs));
  // What makes an upload's parts makes no object (AWS, "Enforce conditional writes").
  const isOfUpload =
    call.query.has('uploads') || (call.method === 'PUT' && call.query.has('uploadId'));
  if (wish.action === 's3:PutObject') add('s3:objectcreationoperation', String(!isOfUpload));
  add('s3:if-none-match', call.header('if-none-match'));
  add('s3:if-match', call.header('if-match'));
  for (const [name, value] of Object.entries(wish.object?.tags ?? {})) {
    add(`s3:existingobjecttag/${name.toLowerCase()}`, value);
  }
  for (const [name, value] of Object.entries(wish.requestTags ?? {})) {
    add(`s3:requestobjecttag/${name.toLowerCase()}`, value);
  }
  if (wish.requestTags !== undefined) {
    context.set('s3:requestobjecttagkeys', Object.keys(wish.requestTags));
  }
  for (const [name, value] of Object.entries(wish.context ?? {})) add(name, value);
  return context;
}

/** One who may not list the bucket does not learn what is not there. */
export function missingObject(call: Call, bucket: BucketInfo, version?: string): S3Error {
  const list = { of: 'bucket', permission: 'READ' } as const;
  // As the list that would have it: policies may allow those of some prefixes.
  const context = { 's3:prefix': call.key };
  const mayList = mayDo(call, bucket, { action: 's3:ListBucket', list, context });
  if (!mayList) return new S3Error('AccessDenied');
  return version === undefined
    ? new S3Error('NoSuchKey', undefined, { details: { Key: call.key } })
    : new S3Error('NoSuchVersion', undefined, { details: { Key: call.key, VersionId: version } });
}
