/** Which operation a request asks for. The address and the method decide; a copy is told by its field. */
import {
  getBucketAcl,
  getLogging,
  cors,
  encryption,
  fixed,
  lifecycle,
  none,
  nothingToRemove,
  objectLock,
  onlyEmpty,
  ownershipControls,
  policy,
  policyStatus,
  publicAccessBlock,
  putBucketAcl,
  putLogging,
  requestPayment,
  type SettingHandlers,
  tagging,
  website,
} from './bucket-settings.ts';
import {
  createBucket,
  deleteBucket,
  getLocation,
  getVersioning,
  headBucket,
  putVersioning,
} from './buckets.ts';
import type { Call, Handler } from './call.ts';
import { S3_NAMESPACE } from './document.ts';
import { invalidArgument, S3Error } from './errors.ts';
import { listBuckets, listObjects, listObjectsV2, listUploads, listVersions } from './listing.ts';
import {
  abortUpload,
  completeUpload,
  copyPart,
  createUpload,
  listParts,
  putPart,
} from './multipart.ts';
import { checkKey } from './object-fields.ts';
import {
  deleteObjectTagging,
  getLegalHold,
  getObjectAcl,
  getObjectTagging,
  getRetention,
  putLegalHold,
  putObjectAcl,
  putObjectTagging,
  putRetention,
  restoreObject,
} from './object-settings.ts';
import { deleteObject, deleteObjects } from './objects-delete.ts';
import { getObject, getObjectAttributes } from './objects-get.ts';
import { copyObject, putObject } from './objects-put.ts';
import { postObject } from './post-object.ts';

type Methods = Readonly<Record<string, Handler>>;

function of({ get, put, remove }: SettingHandlers): Methods {
  return { GET: get, PUT: put, DELETE: remove };
}

/** By the parameter that names them. */
const BUCKET: Readonly<Record<string, Methods>> = {
  acl: { GET: getBucketAcl, PUT: putBucketAcl },
  accelerate: {
    GET: fixed({
      action: 's3:GetAccelerateConfiguration',
      xml: `<AccelerateConfiguration xmlns="${S3_NAMESPACE}"/>`,
    }),
  },
  analytics: none('Analytics', 'ListBucketAnalyticsConfigurationResult'),
  cors: of(cors),
  delete: { POST: deleteObjects },
  encryption: of(encryption),
  'intelligent-tiering': none(
    'IntelligentTiering',
    'ListBucketIntelligentTieringConfigurationsOutput',
  ),
  inventory: none('Inventory', 'ListInventoryConfigurationsResult'),
  lifecycle: of(lifecycle),
  location: { GET: getLocation },
  logging: {
    GET: getLogging,
    PUT: putLogging,
  },
  metrics: none('Metrics', 'ListMetricsConfigurationsResult'),
  notification: {
    GET: fixed({
      action: 's3:GetBucketNotification',
      xml: `<NotificationConfiguration xmlns="${S3_NAMESPACE}"/>`,
    }),
    PUT: onlyEmpty('s3:PutBucketNotification', 'NotificationConfiguration'),
  },
  'object-lock': { GET: objectLock.get, PUT: objectLock.put },
  ownershipControls: of(ownershipControls),
  policy: of(policy),
  policyStatus: { GET: policyStatus },
  publicAccessBlock: of(publicAccessBlock),
  replication: {
    GET: fixed({
      action: 's3:GetReplicationConfiguration',
      missing: 'ReplicationConfigurationNotFoundError',
    }),
    DELETE: nothingToRemove('s3:PutReplicationConfiguration'),
  },
  requestPayment: { GET: requestPayment.get, PUT: requestPayment.put },
  tagging: of(tagging),
  uploads: { GET: listUploads },
  versioning: { GET: getVersioning, PUT: putVersioning },
  versions: { GET: listVersions },
  website: of(website),
};

const OBJECT: Readonly<Record<string, Methods>> = {
  acl: { GET: getObjectAcl, PUT: putObjectAcl },
  attributes: { GET: getObjectAttributes },
  encryption: {},
  'legal-hold': { GET: getLegalHold, PUT: putLegalHold },
  restore: { POST: restoreObject },
  retention: { GET: getRetention, PUT: putRetention },
  tagging: { GET: getObjectTagging, PUT: putObjectTagging, DELETE: deleteObjectTagging },
  uploads: { POST: createUpload },
};

/** Operations of AWS that there are none of here. A name that is missing would be taken for a put or get of the object itself. */
const BUCKET_ELSEWHERE: ReadonlySet<string> = new Set([
  'abac',
  'metadataConfiguration',
  'metadataInventoryTable',
  'metadataJournalTable',
  'metadataTable',
  'session',
]);
const OBJECT_ELSEWHERE: ReadonlySet<string> = new Set(['renameObject', 'select', 'torrent']);

function named(call: Call, table: Readonly<Record<string, Methods>>): Handler | undefined {
  const elsewhere = table === BUCKET ? BUCKET_ELSEWHERE : OBJECT_ELSEWHERE;
  for (const [name] of call.target.query) {
    if (elsewhere.has(name))
      throw new S3Error('NotImplemented', `The operation "${name}" is not implemented`);
    if (!Object.hasOwn(table, name)) continue;
    const handler = table[name]?.[call.method];
    if (handler !== undefined) return handler;
    if (call.method === 'PUT')
      throw new S3Error('NotImplemented', `The operation "${name}" is not implemented`);
    throw new S3Error('MethodNotAllowed', undefined, {
      details: { Method: call.method, ResourceType: name.toUpperCase() },
    });
  }
  return undefined;
}

export function handlerOf(call: Call): Handler {
  const { method } = call;
  if (call.bucketName === '') {
    if (method === 'GET' || method === 'HEAD') return listBuckets;
  } else if (call.key === '') {
    const handler = named(call, BUCKET) ?? bucketHandler(call);
    if (handler !== undefined) return handler;
  } else {
    checkKey(call.key);
    const handler = named(call, OBJECT) ?? objectHandler(call);
    if (handler !== undefined) return handler;
  }
  const ResourceType = call.bucketName === '' ? 'SERVICE' : call.key === '' ? 'BUCKET' : 'OBJECT';
  throw new S3Error('MethodNotAllowed', undefined, { details: { Method: method, ResourceType } });
}

function bucketHandler(call: Call): Handler | undefined {
  switch (call.method) {
    case 'GET':
      return listing(call.query.get('list-type'));
    case 'HEAD':
      return headBucket;
    case 'PUT':
      return createBucket;
    case 'DELETE':
      return deleteBucket;
    case 'POST':
      return postObject;
    default:
      return undefined;
  }
}

function listing(type: string | undefined): Handler {
  if (type === undefined) return listObjects;
  if (type === '2') return listObjectsV2;
  throw invalidArgument('Invalid List Type specified in Request', 'list-type', type);
}

function objectHandler(call: Call): Handler | undefined {
  const isPart = call.query.has('uploadId');
  const isCopy = call.header('x-amz-copy-source') !== undefined;
  switch (call.method) {
    case 'GET':
      return isPart ? listParts : getObject;
    case 'HEAD':
      return getObject;
    case 'PUT':
      if (isPart) return isCopy ? copyPart : putPart;
      // As a put it would make the part the whole object.
      if (call.query.has('partNumber'))
        throw invalidArgument('A part number is for a part of an upload', 'uploadId', '');
      return isCopy ? copyObject : putObject;
    case 'DELETE':
      return isPart ? abortUpload : deleteObject;
    case 'POST':
      return isPart ? completeUpload : undefined;
    default:
      return undefined;
  }
}
