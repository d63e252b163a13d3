/** The settings of a bucket that are documents: each is checked when it is put, kept as JSON, and printed again. */
import type { BucketInfo, Json } from '../files/files.ts';
import { element, XML_HEAD } from '../xml/xml.ts';
import { authorise, type Ownership, policyOf, publicAccess, type PublicAccess } from './access.ts';
import { isPublicAcl, printAcl } from './acl.ts';
import { bucketAcl, checkLists } from './access.ts';
import { OWNERSHIPS } from './buckets.ts';
import {
  type Answer,
  type Call,
  EMPTY,
  type Handler,
  NO_CONTENT,
  setting,
  xmlAnswer,
} from './call.ts';
import { parseCors, printCors, type CorsRule } from './cors.ts';
import {
  childNamed,
  holdsOnly,
  malformed,
  oneOf,
  readRoot,
  S3_NAMESPACE,
  textIn,
  truth,
} from './document.ts';
import { type BucketEncryption, parseEncryption, printEncryption } from './encryption.ts';
import { invalidArgument, type S3Code, S3Error } from './errors.ts';
import { type LifecycleRule, parseLifecycle, printLifecycle } from './lifecycle.ts';
import { askedAcl } from './object-fields.ts';
import {
  type LockConfiguration,
  parseLockConfiguration,
  printLockConfiguration,
} from './object-lock.ts';
import { checkTarget, type Logging, parseLogging, printLogging } from './logging.ts';
import { checkNewPolicy, isPublicPolicy, parsePolicy } from './policy.ts';
import { BUCKET_TAGS_MAX, parseTagging, printTagging, type Tags } from './tagging.ts';
import { parseWebsite, printWebsite, type Website } from './website.ts';

interface Setting<T> {
  /** In the settings of the bucket. */
  readonly name: string;
  /** As in `s3:GetBucketCORS`: the rest of the action's name. */
  readonly action: string;
  /** Who may remove it; who may put it, unless it is said. */
  readonly removeAction?: string;
  readonly missing: S3Code;
  readonly parse: (bytes: Buffer, bucket: BucketInfo) => T;
  readonly print: (value: T) => string;
  /** A field of requests and answers that is kept as a setting of its own. */
  readonly field?: {
    readonly name: string;
    readonly setting: string;
    readonly words: readonly [usual: string, ...string[]];
  };
}

export interface SettingHandlers {
  readonly get: Handler;
  readonly put: Handler;
  readonly remove: Handler;
}

function handlers<T>(rules: Setting<T>): SettingHandlers {
  const change = async (call: Call, value: Json): Promise<BucketInfo> => {
    const { field } = rules;
    const more = field === undefined ? {} : { [field.setting]: wordOf(call, field) };
    const settings = { [rules.name]: value, ...more };
    return await call.store.changeBucket(call.bucketName, { settings });
  };
  const headers = (bucket: BucketInfo): Readonly<Record<string, string>> => {
    const { field } = rules;
    if (field === undefined) return {};
    return { [field.name]: setting<string>(bucket, field.setting) ?? field.words[0] };
  };
  return {
    async get(call) {
      const bucket = await call.bucket();
      authorise(call, bucket, { action: `s3:Get${rules.action}` });
      const value = setting<T>(bucket, rules.name);
      if (value === undefined) {
        throw new S3Error(rules.missing, undefined, { details: { BucketName: bucket.name } });
      }
      return xmlAnswer(rules.print(value), headers(bucket));
    },
    async put(call) {
      const bucket = await call.bucket();
      authorise(call, bucket, { action: `s3:Put${rules.action}` });
      const changed = await change(call, rules.parse(await call.document(), bucket));
      return { ...EMPTY, headers: headers(changed) };
    },
    async remove(call) {
      const bucket = await call.bucket();
      authorise(call, bucket, { action: rules.removeAction ?? `s3:Put${rules.action}` });
      await change(call, null);
      return NO_CONTENT;
    },
  };
}

/** Null for the usual one. */
function wordOf(
  call: Call,
  { name, words }: NonNullable<Setting<unknown>['field']>,
): string | null {
  const said = call.header(name);
  if (said === undefined || said === words[0]) return null;
  if (words.includes(said)) return said;
  throw invalidArgument(`The value of ${name} is not valid`, name, said);
}

export const encryption: SettingHandlers = handlers<BucketEncryption>({
  name: 'encryption',
  action: 'EncryptionConfiguration',
  missing: 'ServerSideEncryptionConfigurationNotFoundError',
  parse: parseEncryption,
  print: printEncryption,
});

export const cors: SettingHandlers = handlers<readonly CorsRule[]>({
  name: 'cors',
  action: 'BucketCORS',
  missing: 'NoSuchCORSConfiguration',
  parse: parseCors,
  print: printCors,
});

export const lifecycle: SettingHandlers = handlers<readonly LifecycleRule[]>({
  name: 'lifecycle',
  action: 'LifecycleConfiguration',
  missing: 'NoSuchLifecycleConfiguration',
  parse: parseLifecycle,
  print: printLifecycle,
  // They differ in archives only, and rules that archive are refused: it is told of.
  field: {
    name: 'x-amz-transition-default-minimum-object-size',
    setting: 'lifecycleMinimum',
    words: ['all_storage_classes_128K', 'varies_by_storage_class'],
  },
});

export const website: SettingHandlers = handlers<Website>({
  name: 'website',
  action: 'BucketWebsite',
  removeAction: 's3:DeleteBucketWebsite',
  missing: 'NoSuchWebsiteConfiguration',
  parse: parseWebsite,
  print: printWebsite,
});

export const tagging: SettingHandlers = handlers<Tags>({
  name: 'tagging',
  action: 'BucketTagging',
  missing: 'NoSuchTagSet',
  parse: (bytes) => parseTagging(bytes, BUCKET_TAGS_MAX),
  print: printTagging,
});

export const objectLock: SettingHandlers = handlers<LockConfiguration>({
  name: 'lock',
  action: 'BucketObjectLockConfiguration',
  missing: 'ObjectLockConfigurationNotFoundError',
  parse(bytes, bucket) {
    const value = parseLockConfiguration(bytes);
    if (bucket.versioning !== 'enabled') {
      throw new S3Error(
        'InvalidBucketState',
        "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
      );
    }
    return value;
  },
  print: printLockConfiguration,
});

export const ownershipControls: SettingHandlers = handlers<Ownership>({
  name: 'ownership',
  action: 'BucketOwnershipControls',
  missing: 'OwnershipControlsNotFoundError',
  parse(bytes, bucket) {
    const root = readRoot(bytes, 'OwnershipControls');
    holdsOnly(root, ['Rule']);
    const rule = childNamed(root, 'Rule');
    if (rule === undefined) throw malformed();
    holdsOnly(rule, ['ObjectOwnership']);
    const value = oneOf(textIn(rule, 'ObjectOwnership'), ...OWNERSHIPS);
    checkLists(value, bucketAcl(bucket));
    return value;
  },
  print: (value) =>
    `${XML_HEAD}<OwnershipControls xmlns="${S3_NAMESPACE}"><Rule>${element('ObjectOwnership', value)}</Rule></OwnershipControls>`,
});

const BLOCKS = [
  'BlockPublicAcls',
  'IgnorePublicAcls',
  'BlockPublicPolicy',
  'RestrictPublicBuckets',
];

export const publicAccessBlock: SettingHandlers = handlers<PublicAccess>({
  name: 'publicAccess',
  action: 'BucketPublicAccessBlock',
  missing: 'NoSuchPublicAccessBlockConfiguration',
  parse(bytes) {
    const root = readRoot(bytes, 'PublicAccessBlockConfiguration');
    holdsOnly(root, BLOCKS);
    const flag = (name: string): boolean => truth(textIn(root, name)) ?? false;
    return {
      blockAcls: flag('BlockPublicAcls'),
      ignoreAcls: flag('IgnorePublicAcls'),
      blockPolicy: flag('BlockPublicPolicy'),
      restrictBuckets: flag('RestrictPublicBuckets'),
    };
  },
  print: (value) =>
    `${XML_HEAD}<PublicAccessBlockConfiguration xmlns="${S3_NAMESPACE}">${element('BlockPublicAcls', value.blockAcls)}${element('IgnorePublicAcls', value.ignoreAcls)}` +
    `${element('BlockPublicPolicy', value.blockPolicy)}${element('RestrictPublicBuckets', value.restrictBuckets)}</PublicAccessBlockConfiguration>`,
});

/** Only `BucketOwner` pays: nobody sends bills. */
export const requestPayment: SettingHandlers = {
  async get(call) {
    authorise(call, await call.bucket(), { action: 's3:GetBucketRequestPayment' });
    return payer(setting<string>(await call.bucket(), 'requestPayment') ?? 'BucketOwner');
  },
  async put(call) {
    authorise(call, await call.bucket(), { action: 's3:PutBucketRequestPayment' });
    const root = readRoot(await call.document(), 'RequestPaymentConfiguration');
    holdsOnly(root, ['Payer']);
    const who = oneOf(textIn(root, 'Payer'), 'BucketOwner', 'Requester');
    await call.store.changeBucket(call.bucketName, { settings: { requestPayment: who } });
    return EMPTY;
  },
  remove: () => Promise.reject(new S3Error('MethodNotAllowed')),
};

function payer(who: string): Answer {
  return xmlAnswer(
    `${XML_HEAD}<RequestPaymentConfiguration xmlns="${S3_NAMESPACE}">${element('Payer', who)}</RequestPaymentConfiguration>`,
  );
}

export const policy: SettingHandlers = {
  async get(call) {
    const bucket = await call.bucket();
    authorise(call, bucket, { action: 's3:GetBucketPolicy' });
    const text = setting<string>(bucket, 'policy');
    if (text === undefined)
      throw new S3Error('NoSuchBucketPolicy', undefined, { details: { BucketName: bucket.name } });
    return { status: 200, headers: { 'content-type': 'application/json' }, body: text };
  },
  async put(call) {
    const bucket = await call.bucket();
    authorise(call, bucket, { action: 's3:PutBucketPolicy' });
    const text = (await call.document()).toString('utf8');
    const parsed = parsePolicy(text, bucket.name);
    checkNewPolicy(parsed);
    if (publicAccess(bucket)?.blockPolicy === true && isPublicPolicy(parsed))
      throw new S3Error('AccessDenied');
    await call.store.changeBucket(bucket.name, { settings: { policy: text } });
    return NO_CONTENT;
  },
  async remove(call) {
    const bucket = await call.bucket();
    authorise(call, bucket, { action: 's3:DeleteBucketPolicy' });
    await call.store.changeBucket(bucket.name, { settings: { policy: null } });
    return NO_CONTENT;
  },
};

export async function policyStatus(call: Call): Promise<Answer> {
  const bucket = await call.bucket();
  authorise(call, bucket, { action: 's3:GetBucketPolicyStatus' });
  const parsed = policyOf(bucket);
  const byPolicy = parsed !== undefined && isPublicPolicy(parsed);
  const isPublic = byPolicy || isPublicAcl(bucketAcl(bucket));
  return xmlAnswer(
    `${XML_HEAD}<PolicyStatus xmlns="${S3_NAMESPACE}">${element('IsPublic', isPublic)}</PolicyStatus>`,
  );
}

export async function getBucketAcl(call: Call): Promise<Answer> {
  const bucket = await call.bucket();
  authorise(call, bucket, {
    action: 's3:GetBucketAcl',
    list: { of: 'bucket', permission: 'READ_ACP' },
  });
  return xmlAnswer(await printAcl(bucketAcl(bucket), call.people));
}

export async function putBucketAcl(call: Call): Promise<Answer> {
  const bucket = await call.bucket();
  authorise(call, bucket, {
    action: 's3:PutBucketAcl',
    list: { of: 'bucket', permission: 'WRITE_ACP' },
  });
  const acl = await askedAcl(call, bucket, bucket.owner);
  await call.store.changeBucket(bucket.name, { settings: { acl } });
  return EMPTY;
}

export async function getLogging(call: Call): Promise<Answer> {
  const bucket = await call.bucket();
  authorise(call, bucket, { action: 's3:GetBucketLogging' });
  return xmlAnswer(await printLogging(setting<Logging>(bucket, 'logging'), call.people));
}

export async function putLogging(call: Call): Promise<Answer> {
  const bucket = await call.bucket();
  authorise(call, bucket, { action: 's3:PutBucketLogging' });
  const logging = await parseLogging(await call.document(), call.people);
  if (logging !== undefined) checkTarget(bucket, await call.store.bucket(logging.bucket), logging);
  await call.store.changeBucket(bucket.name, { settings: { logging: logging ?? null } });
  return EMPTY;
}

/** What is always as it is here: the answer of a bucket on which nobody has set it. */
export function fixed(
  options:
    | { readonly action: string; readonly xml: string }
    | { readonly action: string; readonly missing: S3Code },
): Handler {
  return async (call) => {
    const bucket = await call.bucket();
    authorise(call, bucket, { action: options.action });
    if ('missing' in options)
      throw new S3Error(options.missing, undefined, { details: { BucketName: bucket.name } });
    return xmlAnswer(`${XML_HEAD}${options.xml}`);
  };
}

/** Settings that have an id each, of which a bucket has none. */
export function none(kind: string, root: string): Readonly<Record<'GET' | 'DELETE', Handler>> {
  const missing = (call: Call): S3Error =>
    new S3Error('NoSuchConfiguration', undefined, {
      details: { ConfigurationId: call.query.get('id') ?? '' },
    });
  return {
    async GET(call) {
      authorise(call, await call.bucket(), { action: `s3:Get${kind}Configuration` });
      if (call.query.has('id')) throw missing(call);
      return xmlAnswer(
        `${XML_HEAD}<${root} xmlns="${S3_NAMESPACE}">${element('IsTruncated', false)}</${root}>`,
      );
    },
    async DELETE(call) {
      authorise(call, await call.bucket(), { action: `s3:Put${kind}Configuration` });
      throw missing(call);
    },
  };
}

export function nothingToRemove(action: string): Handler {
  return async (call) => {
    authorise(call, await call.bucket(), { action });
    return NO_CONTENT;
  };
}

/** Turned on it would promise what does not happen; turned off it is as it is. */
export function onlyEmpty(action: string, root: string): Handler {
  return async (call) => {
    authorise(call, await call.bucket(), { action });
    const document = readRoot(await call.document(), root);
    if (document.children.some((child) => typeof child !== 'string' || child.trim() !== '')) {
      throw new S3Error('NotImplemented', `${root} is not implemented`);
    }
    return EMPTY;
  };
}
