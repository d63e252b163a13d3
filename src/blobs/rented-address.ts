/** Addresses of rented storages: what is reached how. Pure. */
import { invalid } from './errors.ts';

export interface RentedAddress {
  readonly scheme: 'sftp' | 's3' | 's3+http';
  /** Of SFTP the user, of S3 the name under which the keys are kept. */
  readonly user: string | undefined;
  readonly host: string;
  readonly port: number | undefined;
  /** Begins with a slash and ends without; of S3 the bucket and what the names begin with. */
  readonly folder: string;
}

const SCHEME = /^(sftp|s3|s3\+http):\/\//;
const USER = /^[A-Za-z0-9._][A-Za-z0-9._-]{0,63}$/;
const HOST = /^[A-Za-z0-9._:][A-Za-z0-9._:-]{0,254}$/;

export function isRented(path: string): boolean {
  return SCHEME.test(path);
}

/** `sftp://USER@HOST:PORT/FOLDER` or `s3://PROFILE@HOST:PORT/BUCKET/PREFIX`. Undefined when it is anything else; passwords have no place in it. */
export function parseRented(text: string): RentedAddress | undefined {
  const scheme = SCHEME.exec(text)?.[1] as RentedAddress['scheme'] | undefined;
  if (scheme === undefined || !URL.canParse(text)) return undefined;
  const { username, password, hostname, port, pathname, search, hash } = new URL(text);
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  const folder = decoded(pathname)?.replace(/\/+$/, '') ?? '';
  const isGood =
    password === '' &&
    search === '' &&
    hash === '' &&
    HOST.test(host) &&
    folder.startsWith('/') &&
    !/\p{Cc}/u.test(folder) &&
    (username === '' || USER.test(username)) &&
    (scheme === 'sftp' || !/\/(?:\.{0,2})(?:\/|$)/.test(folder));
  if (!isGood) return undefined;
  return {
    scheme,
    user: username === '' ? undefined : username,
    host,
    port: port === '' ? undefined : Number(port),
    folder,
  };
}

/** Throws `BLOBS_INVALID`, which does not repeat the address: a password may be in it. */
export function checkRented(url: string): RentedAddress {
  const address = parseRented(url);
  if (address === undefined)
    throw invalid(
      'A rented storage is given as sftp://USER@HOST:PORT/FOLDER or s3://PROFILE@HOST:PORT/BUCKET/PREFIX, without a password',
    );
  return address;
}

/** Undefined when it is badly encoded. */
function decoded(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}
