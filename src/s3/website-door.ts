/** Websites as gateways ask for them: for which bucket, for which client, and how long their caches may use the answer. */
import type { IncomingHttpHeaders } from 'node:http';
import type { FileStore } from '../files/files.ts';
import { policyOf } from './access.ts';
import type { Answer, CallParts } from './call.ts';
import { websiteAnswer } from './website-answer.ts';

/** Set by the gateway in place of what a client sends (`src/routes/written-route.ts`). */
const BUCKET_FIELD = 'x-moln-bucket';
/** RFC 9213: the gateway asks again after this long, as it does for files of apps; browsers ask each time. */
const FRESH: Readonly<Record<string, string>> = {
  'cache-control': 'no-cache',
  'cdn-cache-control': 'max-age=1',
};
/** What others would get is not what this one got. */
const NOT_SHARED: Readonly<Record<string, string>> = { 'cache-control': 'private, no-cache' };

export function gatewayBucket(headers: IncomingHttpHeaders): string {
  return String(headers[BUCKET_FIELD] ?? '');
}

/** The gateway drops what clients say of this. */
export function gatewayClient(
  headers: IncomingHttpHeaders,
): Pick<CallParts, 'clientAddress' | 'isSecure'> {
  return {
    clientAddress: String(headers['x-real-ip'] ?? ''),
    isSecure: headers['x-forwarded-proto'] === 'https',
  };
}

export async function gatewayAnswer(parts: CallParts): Promise<Answer> {
  const answer = await websiteAnswer({ ...parts, headers: withoutWishes(parts.headers) });
  const isForAll = !(await dependsOnClient(parts.store, parts.bucketName));
  const { headers = {} } = answer;
  if (!isForAll) return { ...answer, headers: { ...headers, ...NOT_SHARED } };
  return 'cache-control' in headers ? answer : { ...answer, headers: { ...headers, ...FRESH } };
}

/**
 * Without what S3 clients ask for in fields, such as the key of an object or whose bucket it has to be: the cache would
 * give the answer, or the refusal, to everybody.
 */
function withoutWishes(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith('x-amz-')));
}

/** A policy with conditions may be about addresses, times or where a client comes from. */
async function dependsOnClient(store: FileStore, name: string): Promise<boolean> {
  const bucket = await store.bucket(name);
  const policy = bucket === undefined ? undefined : policyOf(bucket);
  return policy?.statements.some(({ conditions }) => conditions.length > 0) ?? false;
}
