/** A bucket, or a folder of it, as an app mounts it: an address of WebDAV and the app's key for that bucket. */
import { messageOf } from '../base/errors.ts';
import { FOLDER_ASK_MS } from './limits.ts';
import { noBucket, noFolder, noWebDav } from './errors.ts';

export interface AppFolder {
  /** With a slash at its end. */
  readonly url: string;
  readonly user: string;
  readonly password: string;
}

/** Asks WebDAV itself, as whoever mounts it will. `place`: `BUCKET` or `BUCKET/FOLDER`. */
export async function requireFolder(
  { url, user, password }: AppFolder,
  place: string,
): Promise<void> {
  const status = await propfind(url, { user, password });
  if (status === 207) return;
  const [bucket = '', ...path] = place.split('/');
  if (status !== 404) throw noWebDav(`it answers ${status}`);
  if (path.length === 0) throw noBucket(bucket);
  const top = await propfind(new URL(`/${bucket}/`, url).href, { user, password });
  throw top === 207 ? noFolder(bucket, path.join('/')) : noBucket(bucket);
}

/** The status of the answer (RFC 4918, section 9.1). */
async function propfind(
  url: string,
  { user, password }: Pick<AppFolder, 'user' | 'password'>,
): Promise<number> {
  const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  try {
    const answer = await fetch(url, {
      method: 'PROPFIND',
      headers: { authorization, depth: '0' },
      signal: AbortSignal.timeout(FOLDER_ASK_MS),
    });
    await answer.body?.cancel();
    return answer.status;
  } catch (error) {
    throw noWebDav(messageOf(error));
  }
}
