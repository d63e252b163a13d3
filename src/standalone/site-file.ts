/** From what a file says around a route's target to what workers are told. Files that it names are read here, once. */
import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { ConfigError, messageOf } from '../base/errors.ts';
import type { GatewayConfigContent } from '../gateway/gateway.ts';
import type { FileSite } from './site-schema.ts';

type SiteConfig = NonNullable<GatewayConfigContent['routes'][number]['site']>;

const FILE_BYTES_MAX = 1024 * 1024;

/** `path` is the route's key. Undefined when it wants nothing. */
export function siteOf(one: FileSite, path: string, folder: string): SiteConfig | undefined {
  const { headers, rewrite, compress, errors, allow, deny, trust, rate, cors, auth, buffer } = one;
  const access = allow ?? deny ?? trust;
  const site: SiteConfig = {
    ...(headers === undefined ? {} : { headers }),
    ...(rewrite === undefined ? {} : { rewrite }),
    ...(compress === undefined || compress === false ? {} : { compress: compressOf(compress) }),
    ...(errors === undefined ? {} : { errors: pagesOf(errors, `${path}.errors`, folder) }),
    ...(access === undefined
      ? {}
      : {
          access: {
            ...(allow === undefined ? {} : { allow }),
            ...(deny === undefined ? {} : { deny }),
            ...(trust === undefined ? {} : { trust }),
          },
        }),
    ...(rate === undefined ? {} : { rate: rateOf(rate, `${path}.rate`) }),
    ...(cors === undefined ? {} : { cors: corsOf(cors) }),
    ...(auth === undefined ? {} : { auth: authOf(auth, `${path}.auth`, folder) }),
    ...(buffer === undefined ? {} : { bufferBytes: buffer }),
  };
  return Object.keys(site).length === 0 ? undefined : site;
}

function compressOf(
  compress: true | Exclude<FileSite['compress'], boolean | undefined>,
): NonNullable<SiteConfig['compress']> {
  if (compress === true) return {};
  const { min, ...rest } = compress;
  return { ...rest, ...(min === undefined ? {} : { bytesMin: min }) };
}

function pagesOf(
  errors: NonNullable<FileSite['errors']>,
  path: string,
  folder: string,
): NonNullable<SiteConfig['errors']> {
  return Object.entries(errors).map(([status, file]) => ({
    status,
    html: readSmall(resolve(folder, file), `${path}.${status}`),
  }));
}

/** `client`, or `header X-Api-Key`. */
function rateOf(
  { by = 'client', requests, per, burst }: NonNullable<FileSite['rate']>,
  path: string,
): NonNullable<SiteConfig['rate']> {
  const header = /^header (\S+)$/.exec(by)?.[1]?.toLowerCase();
  if (header === undefined && by !== 'client') {
    const what = `Key "${path}.by" is "${by}", want client or "header NAME"`;
    throw new ConfigError(`${path}.by`, what);
  }
  return {
    requests,
    perMs: per,
    ...(header === undefined ? {} : { header }),
    ...(burst === undefined ? {} : { burst }),
  };
}

function corsOf({
  maxAge,
  ...rest
}: NonNullable<FileSite['cors']>): NonNullable<SiteConfig['cors']> {
  return { ...rest, ...(maxAge === undefined ? {} : { maxAgeS: Math.round(maxAge / 1000) }) };
}

/** A line a user: `NAME:HASH`. Empty lines and those that begin with # do not count. */
function authOf(
  { basic }: NonNullable<FileSite['auth']>,
  path: string,
  folder: string,
): NonNullable<SiteConfig['auth']> {
  const key = `${path}.basic.users`;
  const lines = readSmall(resolve(folder, basic.users), key).split('\n');
  const users = lines.flatMap((line) => {
    const text = line.trim();
    if (text === '' || text.startsWith('#')) return [];
    const colon = text.indexOf(':');
    if (colon > 0) return [{ name: text.slice(0, colon), hash: text.slice(colon + 1) }];
    throw new ConfigError(key, `Key "${key}" names a file with a line that is not NAME:HASH`);
  });
  if (users.length === 0) {
    throw new ConfigError(key, `Key "${key}" names a file without a user`);
  }
  return { realm: basic.realm, users };
}

function readSmall(file: string, path: string): string {
  try {
    const { size } = statSync(file);
    if (size <= FILE_BYTES_MAX) return readFileSync(file, 'utf8');
    throw new ConfigError(
      path,
      `Key "${path}" names a file of ${size} bytes, at most ${FILE_BYTES_MAX}`,
    );
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const what = `Key "${path}" names a file that cannot be read: ${messageOf(error)}`;
    throw new ConfigError(path, what, { cause: error });
  }
}
