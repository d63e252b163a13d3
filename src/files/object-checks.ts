/** What each change of an object is held against. Pure. */
import type { Current } from './conditions.ts';
import { keyInvalid, quotaMet, sessionOver, versioningChanged } from './errors.ts';
import { KEY_BYTES_MAX } from './limits.ts';
import type { ObjectInfo } from './model.ts';
import type { BucketState, VersionRow } from './rows.ts';

/** Throws `FILES_QUOTA`. */
export function checkQuota(bucket: string, state: BucketState, bytes: number): void {
  if (bytes <= 0 || state.quota === null || state.bytes + bytes <= state.quota) return;
  throw quotaMet(bucket, state.quota);
}

/** Throws `FILES_SESSION_OVER` and `FILES_VERSIONING_CHANGED`. */
export function checkState(
  known: BucketState,
  latest: BucketState,
  session: number | undefined,
): void {
  if (session !== undefined && session < latest.fence) throw sessionOver();
  if (known.versioning === 'off' && latest.versioning !== 'off') throw versioningChanged();
}

/** Throws `FILES_KEY`. */
export function checkKey(key: string): void {
  const bytes = Buffer.byteLength(key);
  if (bytes === 0) throw keyInvalid('it is empty');
  if (bytes > KEY_BYTES_MAX) throw keyInvalid(`it has ${bytes} bytes, more than ${KEY_BYTES_MAX}`);
  if (!key.isWellFormed()) throw keyInvalid('it is not UTF-8');
}

/** What conditions are judged by: a delete marker is nothing. */
export function present(one: VersionRow | ObjectInfo | undefined): Current | undefined {
  if (one === undefined) return undefined;
  if ('marker' in one) return one.marker ? undefined : one;
  return one.isDeleteMarker ? undefined : { etag: one.etag, mtime: one.modifiedAt, size: one.size };
}
