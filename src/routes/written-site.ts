/** From what a file says around a route's target to what workers are told. Files that it names are read here, once. */
import { readFileSync, statSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { ConfigError, messageOf } from '../base/errors.ts';
import type { GatewayConfigContent } from '../gateway/gateway.ts';
import { fileOf } from './ground.ts';
import type { WrittenSite } from './site-schema.ts';

type SiteConfig = NonNullable<GatewayConfigContent['routes'][number]['site']>;

const FILE_BYTES_MAX = 1024 * 1024;
const EDGE_TIMEOUT_MS = 1000;

/** `path` is the route's key. Undefined when it wants nothing. */
export function siteOf(
  one: WrittenSite,
  path: string,
  folder: string | undefined,
): SiteConfig | undefined {
  const { headers, rewrite, compress, errors, allow, deny, trust, rate, cors, auth, buffer, edge } =
    one;
  const access = allow ?? deny ?? trust;
  const site: SiteConfig = {
    ...(headers === undefined ? {} : { headers }),
    ...(rewrite === undefined ? {} : { rewrite }),
    ...(compress === undefined || compress === false ? {} : { compress: compressOf(compress) }),
    ...(errors === undefined ? {} : errorsOf(errors, `${path}.errors`, folder)),
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
    ...(edge === undefined ? {} : { edge: edgeOf(edge, `${path}.edge`, folder) }),
  };
  return Object.keys(site).length === 0 ? undefined : site;
}

function compressOf(
  compress: true | Exclude<WrittenSite['compress'], boolean | undefined>,
): NonNullable<SiteConfig['compress']> {
  if (compress === true) return {};
  const { min, ...rest } = compress;
  return { ...rest, ...(min === undefined ? {} : { bytesMin: min }) };
}

function errorsOf(
  { pages, upstream }: NonNullable<WrittenSite['errors']>,
  path: string,
  folder: string | undefined,
): Pick<SiteConfig, 'errors' | 'errorsOfUpstreams'> {
  const errors = Object.entries(pages).map(([status, file]) => ({
    status,
    html: typeof file === 'string' ? pageIn(file, `${path}.${status}`, folder) : file.html,
  }));
  if (upstream === undefined) return { errors };
  const known = errors.map(({ status }) => status);
  const errorsOfUpstreams = upstream === true ? known : upstream;
  // A class is a page for each of its statuses; a class in the list needs the page of the class.
  const strange = errorsOfUpstreams.find(
    (one) => !known.includes(one) && !known.includes(`${one.slice(0, 1)}xx`),
  );
  if (strange === undefined) return { errors, errorsOfUpstreams };
  const key = `${path}.upstream`;
  const what = `Key "${key}" has ${strange}, for which there is no page`;
  throw new ConfigError(key, what, { hint: `Write "${strange}: FILE" beside it` });
}

function pageIn(file: string, key: string, folder: string | undefined): string {
  const instead = 'Write the page itself: "404: { html: <h1>Nothing here</h1> }"';
  return readSmall(fileOf(folder, file, key, instead), key);
}

/** `client`, or `header X-Api-Key`. */
function rateOf(
  { by = 'client', scope, requests, per, burst }: NonNullable<WrittenSite['rate']>,
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
    ...(scope === undefined ? {} : { scope }),
    ...(header === undefined ? {} : { header }),
    ...(burst === undefined ? {} : { burst }),
  };
}

function corsOf({
  maxAge,
  ...rest
}: NonNullable<WrittenSite['cors']>): NonNullable<SiteConfig['cors']> {
  return { ...rest, ...(maxAge === undefined ? {} : { maxAgeS: Math.round(maxAge / 1000) }) };
}

/** A line a user: `NAME:HASH`. Empty lines and those that begin with # do not count. */
function authOf(
  { basic }: NonNullable<WrittenSite['auth']>,
  path: string,
  folder: string | undefined,
): NonNullable<SiteConfig['auth']> {
  const key = `${path}.basic.users`;
  const users = linesOf(basic.users, key, folder).flatMap((line) => {
    const text = line.trim();
    if (text === '' || text.startsWith('#')) return [];
    const colon = text.indexOf(':');
    if (colon > 0) return [{ name: text.slice(0, colon), hash: text.slice(colon + 1) }];
    throw new ConfigError(key, `Key "${key}" has a line that is not NAME:HASH`);
  });
  if (users.length === 0) {
    throw new ConfigError(key, `Key "${key}" has no user`);
  }
  return { realm: basic.realm, users };
}

function linesOf(
  users: string | readonly string[],
  key: string,
  folder: string | undefined,
): readonly string[] {
  if (typeof users !== 'string') return users;
  const instead = 'Write the lines themselves: "users: [NAME:HASH]"';
  return readSmall(fileOf(folder, users, key, instead), key).split('\n');
}

/** TypeScript whose types can be left out is made JavaScript here, so that what is no program is refused with the route. */
function edgeOf(
  written: NonNullable<WrittenSite['edge']>,
  path: string,
  folder: string | undefined,
): NonNullable<SiteConfig['edge']> {
  const {
    file,
    code,
    timeout = EDGE_TIMEOUT_MS,
  } = typeof written === 'string' ? { file: written } : written;
  if ((file === undefined) === (code === undefined)) {
    throw new ConfigError(path, `Key "${path}" wants one of "file" and "code"`);
  }
  const instead = 'Write the module itself: "edge: { code: … }"';
  const text = code ?? readSmall(fileOf(folder, file ?? '', path, instead), path);
  try {
    return { source: stripTypeScriptTypes(text), timeoutMs: timeout };
  } catch (error) {
    const what = `Key "${path}" is no module that can be run: ${messageOf(error)}`;
    throw new ConfigError(path, what, { cause: error });
  }
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
