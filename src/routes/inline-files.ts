/** Puts into a route the small files that it names: users, error pages, its edge module, authorities of upstreams. For whoever has the files, before it is sent. */
import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { ConfigError, messageOf } from '../base/errors.ts';
import { certificatesIn, isPem } from './pem.ts';
import type { Written } from './records.ts';

const FILE_BYTES_MAX = 64 * 1024;

/** Paths are relative to `folder`. Throws `ConfigError` with the key. */
export function inlineFiles(written: Written, folder: string): Written {
  const { auth, errors, edge, upstreams } = written as {
    readonly auth?: { readonly basic?: { readonly users?: unknown } };
    readonly errors?: unknown;
    readonly edge?: string | { readonly file?: unknown };
    readonly upstreams?: unknown;
  };
  const users = auth?.basic?.users;
  const changes: Record<string, unknown> = {};
  if (typeof users === 'string') {
    const lines = read(resolve(folder, users), 'auth.basic.users').split('\n');
    const kept = lines.map((line) => line.trim()).filter((line) => !/^(?:#|$)/.test(line));
    changes['auth'] = { ...auth, basic: { ...auth?.basic, users: kept } };
  }
  if (typeof errors === 'object' && errors !== null) {
    const pages = Object.entries(errors).map(([status, page]: [string, unknown]) => [
      status,
      typeof page === 'string' && status !== 'upstream'
        ? { html: read(resolve(folder, page), `errors.${status}`) }
        : page,
    ]);
    changes['errors'] = Object.fromEntries(pages);
  }
  const module = typeof edge === 'string' ? { file: edge } : edge;
  if (typeof module?.file === 'string') {
    const { file, ...rest } = module;
    changes['edge'] = { ...rest, code: read(resolve(folder, file), 'edge.file') };
  }
  if (upstreams !== undefined) {
    changes['upstreams'] = Array.isArray(upstreams)
      ? upstreams.map((one, at) => withAuthority(one, folder, `upstreams[${at}].tls.ca`))
      : withAuthority(upstreams, folder, 'upstreams.tls.ca');
  }
  return { ...written, ...changes };
}

/** What has another shape is left to the check. */
function withAuthority(upstream: unknown, folder: string, key: string): unknown {
  if (typeof upstream !== 'object' || upstream === null) return upstream;
  const { tls } = upstream as { readonly tls?: { readonly ca?: unknown } };
  const ca = tls?.ca;
  if (typeof ca !== 'string' || isPem(ca)) return upstream;
  const certificates = certificatesIn(read(resolve(folder, ca), key));
  if (certificates !== '') return { ...upstream, tls: { ...tls, ca: certificates } };
  throw new ConfigError(key, `Key "${key}" is "${ca}", which has no certificate in PEM`);
}

function read(file: string, key: string): string {
  try {
    const { size } = statSync(file);
    if (size <= FILE_BYTES_MAX) return readFileSync(file, 'utf8');
    const what = `Key "${key}" names a file of ${size} bytes, at most ${FILE_BYTES_MAX}`;
    throw new ConfigError(key, what);
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const what = `Key "${key}" names a file that cannot be read: ${messageOf(error)}`;
    throw new ConfigError(key, what, { cause: error });
  }
}
