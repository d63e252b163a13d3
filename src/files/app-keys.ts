/**
 * The keys of S3 that apps find in their environment. They are kept nowhere: a key's id says whose it is and for which bucket, its secret is derived
 * from the cluster's key of files, so that every node knows it.
 */
import { createHmac } from 'node:crypto';
import type { AccessKey } from './model.ts';
import { deriveKey } from './secrets.ts';

const PREFIX = 'MA';

/** `app:NAME`: who owns what an app makes. */
export function appKey(clusterKey: Uint8Array, app: string, bucket: string): AccessKey {
  const id = PREFIX + Buffer.from(`${bucket}/${app}`).toString('base64url');
  const secret = createHmac('sha256', deriveKey(clusterKey, 'keys of apps')).update(id);
  return {
    id,
    secret: secret.digest('base64url'),
    owner: `app:${app}`,
    may: [{ bucket, write: true }],
    makes: bucket,
  };
}

/** Undefined when it is not the id of an app's key. */
export function appKeyOf(clusterKey: Uint8Array, id: string): AccessKey | undefined {
  if (!id.startsWith(PREFIX)) return undefined;
  const text = Buffer.from(id.slice(PREFIX.length), 'base64url').toString();
  const [, bucket = '', app = ''] = /^([^/]+)\/([^/]+)$/.exec(text) ?? [];
  if (bucket === '') return undefined;
  const key = appKey(clusterKey, app, bucket);
  return key.id === id ? key : undefined;
}
