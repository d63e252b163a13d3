/**
 * Pure: a route as it is shown. The hashes of passwords stay in the registry: shown is `NAME:(kept)`, and whoever writes
 * that back keeps the hash that is there.
 */
import { ConfigError } from '../base/errors.ts';
import type { Written } from './records.ts';

const KEPT = '(kept)';

export function hideUsers(written: Written): Written {
  return withUsers(written, (line) => {
    const [name] = split(line);
    return name === undefined ? line : `${name}:${KEPT}`;
  });
}

/** Throws `ConfigError` when there is nothing to keep. */
export function keepUsers(written: Written, before: Written | undefined): Written {
  const known = new Map<string, string>();
  if (before !== undefined) {
    withUsers(before, (line) => {
      const [name] = split(line);
      if (name !== undefined) known.set(name, line);
      return line;
    });
  }
  return withUsers(written, (line, at) => {
    const [name, hash] = split(line);
    if (name === undefined || hash !== KEPT) return line;
    const kept = known.get(name);
    if (kept !== undefined) return kept;
    const key = `auth.basic.users[${at}]`;
    throw new ConfigError(key, `Key "${key}" keeps the hash of "${name}", of whom there is none`);
  });
}

function split(line: string): readonly [name?: string, hash?: string] {
  const colon = line.indexOf(':');
  return colon > 0 ? [line.slice(0, colon).trim(), line.slice(colon + 1)] : [];
}

/** What has another shape is left to the check. */
function withUsers(written: Written, change: (line: string, at: number) => string): Written {
  const { auth } = written as { readonly auth?: { readonly basic?: { readonly users?: unknown } } };
  const users = auth?.basic?.users;
  if (!Array.isArray(users)) return written;
  const changed = users.map((line: unknown, at) =>
    typeof line === 'string' ? change(line, at) : line,
  );
  return { ...written, auth: { ...auth, basic: { ...auth?.basic, users: changed } } };
}
