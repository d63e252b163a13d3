/** Signature version 2, for clients of old: HMAC-SHA1 over method, a few fields, and the resource. */
import { createHmac } from 'node:crypto';
import type { Target } from './uri.ts';

/** Query parameters that are part of the resource. */
const SIGNED_PARAMETERS: ReadonlySet<string> = new Set(
  (
    'accelerate acl analytics cors delete encryption inventory lifecycle location logging metrics notification object-lock ' +
    'ownershipControls partNumber policy policyStatus publicAccessBlock replication requestPayment ' +
    'response-cache-control response-content-disposition response-content-encoding response-content-language ' +
    'response-content-type response-expires restore retention legal-hold attributes select select-type tagging torrent ' +
    'uploadId uploads versionId versioning versions website'
  ).split(' '),
);

export interface StringToSignV2 {
  readonly method: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly target: Target;
  /** When it is in the host: the resource begins with it. */
  readonly hostBucket: string | undefined;
  /** Of a presigned address, in place of the date. */
  readonly expires?: string | undefined;
  readonly withListType?: boolean;
}

export function stringToSignV2(parts: StringToSignV2): string {
  const { headers } = parts;
  const value = (name: string): string => {
    const field = headers[name];
    return typeof field === 'object' ? field.join(',') : (field ?? '').trim();
  };
  const date = parts.expires ?? (headers['x-amz-date'] === undefined ? value('date') : '');
  const amz = Object.keys(headers)
    .filter((name) => name.startsWith('x-amz-'))
    .sort()
    .map((name) => `${name}:${value(name)}\n`)
    .join('');
  const query = parts.target.query
    .filter(
      ([name]) =>
        SIGNED_PARAMETERS.has(name) || (name === 'list-type' && parts.withListType === true),
    )
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, text]) => (text === '' ? name : `${name}=${text}`))
    .join('&');
  const bucket = parts.hostBucket === undefined ? '' : `/${parts.hostBucket}`;
  const resource = `${bucket}${parts.target.rawPath}${query === '' ? '' : `?${query}`}`;
  return `${parts.method}\n${value('content-md5')}\n${value('content-type')}\n${date}\n${amz}${resource}`;
}

/** Base64. */
export function signV2(secret: string, text: string): string {
  return createHmac('sha1', secret).update(text, 'latin1').digest('base64');
}
