/** Where the accesses to a bucket are logged: the setting, read and printed, and whether logs may go there. */
import { isoTime } from '../base/time.ts';
import type { BucketInfo } from '../files/files.ts';
import { element, XML_HEAD } from '../xml/xml.ts';
import { bucketAcl, ownership, policyOf } from './access.ts';
import { type FindPerson, type Grant, grantsIn, LOG_DELIVERY, printGrants } from './acl.ts';
import { setting } from './call.ts';
import {
  childNamed,
  elements,
  malformed,
  neededText,
  oneOf,
  readRoot,
  S3_NAMESPACE,
  textIn,
  type XmlElement,
} from './document.ts';
import { S3Error } from './errors.ts';
import type { LockConfiguration } from './object-lock.ts';
import { evaluatePolicy } from './policy.ts';

/** The setting `logging` of a bucket. */
export interface Logging {
  readonly bucket: string;
  readonly prefix: string;
  /** Who else may do what with the logs; `WRITE` for a log means nothing. */
  readonly grants?: readonly Grant[] | undefined;
  /** How their keys are made; `simple` unless it is said. */
  readonly keys?: 'simple' | 'by-event' | 'by-delivery' | undefined;
}

const GRANTEE_SERVICE = 'logging.s3.amazonaws.com';
const PERMISSIONS: ReadonlySet<string> = new Set(['FULL_CONTROL', 'READ', 'WRITE']);

/** Undefined: the document turns it off. */
export async function parseLogging(
  bytes: Uint8Array,
  find: FindPerson,
): Promise<Logging | undefined> {
  const root = readRoot(bytes, 'BucketLoggingStatus');
  const enabled = childNamed(root, 'LoggingEnabled');
  if (enabled === undefined) {
    if (elements(root).length > 0) throw malformed();
    return undefined;
  }
  const prefix = textIn(enabled, 'TargetPrefix');
  if (prefix === undefined) throw malformed();
  const list = childNamed(enabled, 'TargetGrants');
  const grants = list === undefined ? undefined : await grantsIn(list, find);
  if (grants?.some(({ permission }) => !PERMISSIONS.has(permission)) === true) throw malformed();
  return { bucket: neededText(enabled, 'TargetBucket'), prefix, grants, keys: keysOf(enabled) };
}

function keysOf(enabled: XmlElement): Logging['keys'] {
  const format = childNamed(enabled, 'TargetObjectKeyFormat');
  if (format === undefined) return undefined;
  const partitioned = childNamed(format, 'PartitionedPrefix');
  if ((childNamed(format, 'SimplePrefix') === undefined) === (partitioned === undefined))
    throw malformed();
  if (partitioned === undefined) return 'simple';
  const source = textIn(partitioned, 'PartitionDateSource') ?? 'DeliveryTime';
  return oneOf(source, 'EventTime', 'DeliveryTime') === 'EventTime' ? 'by-event' : 'by-delivery';
}

export async function printLogging(
  logging: Logging | undefined,
  find: FindPerson,
): Promise<string> {
  const inside = logging === undefined ? '' : await printEnabled(logging, find);
  return `${XML_HEAD}<BucketLoggingStatus xmlns="${S3_NAMESPACE}">${inside}</BucketLoggingStatus>`;
}

async function printEnabled(
  { bucket, prefix, grants, keys }: Logging,
  find: FindPerson,
): Promise<string> {
  const given =
    grants === undefined ? '' : `<TargetGrants>${await printGrants(grants, find)}</TargetGrants>`;
  const partitions = element(
    'PartitionDateSource',
    keys === 'by-event' ? 'EventTime' : 'DeliveryTime',
  );
  const format =
    keys === 'simple' ? '<SimplePrefix/>' : `<PartitionedPrefix>${partitions}</PartitionedPrefix>`;
  return (
    `<LoggingEnabled>${element('TargetBucket', bucket)}${given}${element('TargetPrefix', prefix)}` +
    `${keys === undefined ? '' : `<TargetObjectKeyFormat>${format}</TargetObjectKeyFormat>`}</LoggingEnabled>`
  );
}

/** Throws what AWS says of a target that cannot be one (AWS, "Enabling Amazon S3 server access logging"). */
export function checkTarget(
  source: BucketInfo,
  target: BucketInfo | undefined,
  logging: Logging,
): void {
  const refuse = (message: string): never => {
    throw new S3Error('InvalidTargetBucketForLogging', message, {
      details: { TargetBucket: logging.bucket },
    });
  };
  if (target === undefined) return refuse('The target bucket for logging does not exist');
  if (target.owner !== source.owner)
    return refuse('The owner for the bucket to be logged and the target bucket must be the same.');
  if (setting<LockConfiguration>(target, 'lock')?.mode !== undefined)
    return refuse('The target bucket for logging must not have a default retention');
  if (setting<string>(target, 'requestPayment') === 'Requester')
    return refuse('The target bucket for logging must not be one whose requester pays');
  if (logging.grants !== undefined && ownership(target) === 'BucketOwnerEnforced')
    throw new S3Error('AccessControlListNotSupported');
  if (!mayDeliver(source, target, logging.prefix)) {
    refuse(
      `You must give ${GRANTEE_SERVICE} the right s3:PutObject on the target bucket by its policy, or the log-delivery group WRITE and READ_ACP permissions to the target bucket`,
    );
  }
}

/** By the target's policy for the service that delivers, or by its list for the group. */
export function mayDeliver(source: BucketInfo, target: BucketInfo, key: string): boolean {
  const policy = policyOf(target);
  const verdict =
    policy === undefined
      ? 'none'
      : evaluatePolicy(policy, {
          caller: undefined,
          service: GRANTEE_SERVICE,
          action: 's3:PutObject',
          resource: `${target.name}/${key}`,
          context: new Map([
            ['aws:sourcearn', [`arn:aws:s3:::${source.name}`]],
            ['aws:sourceaccount', [source.owner]],
          ]),
        });
  if (verdict !== 'none') return verdict === 'allow';
  if (ownership(target) === 'BucketOwnerEnforced') return false;
  const given = bucketAcl(target).grants.filter(
    ({ grantee }) => grantee.kind === 'group' && grantee.uri === LOG_DELIVERY,
  );
  const has = (wanted: string): boolean =>
    given.some(({ permission }) => permission === wanted || permission === 'FULL_CONTROL');
  return has('WRITE') && has('READ_ACP');
}

/** The key of a log of some requests; `unique` is of letters and digits. */
export function logKey(
  source: Pick<BucketInfo, 'name' | 'owner'>,
  { prefix, keys }: Logging,
  of: {
    readonly region: string;
    readonly eventAt: number;
    readonly nowMs: number;
    readonly unique: string;
  },
): string {
  const time = (ms: number): string => isoTime(ms).slice(0, 19).replace(/[T:]/g, '-');
  if (keys === undefined || keys === 'simple') return `${prefix}${time(of.nowMs)}-${of.unique}`;
  const at = time(keys === 'by-event' ? of.eventAt : of.nowMs);
  const day = at.slice(0, 10).replaceAll('-', '/');
  // Logs of events are of one day each, and their names begin with it.
  const name = keys === 'by-event' ? `${at.slice(0, 10)}-00-00-00` : at;
  return `${prefix}${source.owner}/${of.region}/${source.name}/${day}/${name}-${of.unique}`;
}
