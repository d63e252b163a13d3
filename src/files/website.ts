/** A bucket as a public website: what is set for it, in the shapes of S3, which answers (`src/s3/website-answer.ts`). Pure. */
import { publicBlocked, requestInvalid } from './errors.ts';
import type { BucketInfo, Json } from './model.ts';

export interface WebsiteWish {
  /** What is shown of a folder. */
  readonly index: string;
  /** Its key: the page for what is not there. */
  readonly error?: string | undefined;
}

const KEY_BYTES_MAX = 1024;
const HINT = 'Give website as { "index": "index.html", "error": "404.html" }, or null';

/** Throws `FILES_REQUEST_INVALID`. */
export function readWebsite(value: unknown): WebsiteWish | null {
  if (value === null) return null;
  const { index = 'index.html', error, ...rest } = (value ?? {}) as Record<string, unknown>;
  const [strange] = Object.keys(rest);
  if (typeof value !== 'object' || Array.isArray(value) || strange !== undefined)
    throw requestInvalid('The website of a bucket has a wrong shape', HINT);
  if (!isName(index) || index.includes('/'))
    throw requestInvalid('The index of a website is the name of a file, without folders', HINT);
  if (error !== undefined && !isName(error))
    throw requestInvalid('The error page of a website is the key of an object', HINT);
  return { index, error };
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && Buffer.byteLength(value) <= KEY_BYTES_MAX;
}

/**
 * The settings to be changed. Everybody may read the bucket's objects from then on, unless it has a policy of its own, which then decides; what was
 * given here is taken back here. Throws `FILES_PUBLIC_BLOCKED`.
 */
export function websiteSettings(
  { name, settings }: BucketInfo,
  wish: WebsiteWish | null,
): Readonly<Record<string, Json>> {
  const open = publicPolicy(name);
  const { policy } = settings;
  if (wish === null) return { website: null, ...(policy === open ? { policy: null } : {}) };
  const block = settings['publicAccess'] as Readonly<Record<string, boolean>> | undefined;
  if (block?.['blockPolicy'] === true || block?.['restrictBuckets'] === true)
    throw publicBlocked(name);
  return { website: { ...wish, rules: [] }, ...(policy === undefined ? { policy: open } : {}) };
}

function publicPolicy(bucket: string): string {
  const statement = {
    Sid: 'Website',
    Effect: 'Allow',
    Principal: '*',
    Action: 's3:GetObject',
    Resource: `arn:aws:s3:::${bucket}/*`,
  };
  return JSON.stringify({ Version: '2012-10-17', Statement: [statement] });
}
