/** Where a redirect leads: a fixed place, or one made of the request. */
import { statusLine } from '../http/status.ts';
import { clientScheme } from './client-fragment.ts';
import type { RouteTarget } from './config.ts';
import type { Connection } from './connection.ts';
import { filledIn, PathPattern } from './path-pattern.ts';

export type RedirectTarget = RouteTarget & { readonly kind: 'redirect' };

/** What a location may be made of, beside the names of its pattern. `uri` is path and query. */
export const REDIRECT_VARIABLES: readonly string[] = [
  'scheme',
  'host',
  'authority',
  'uri',
  'path',
  'query',
];

/** No variable but the host's may get into an authority: `https://a.example$rest` could become another host's name. */
const SAFE_AUTHORITY =
  /^https?:\/\/(?:\$host|\$authority|[A-Za-z0-9.:[\]-])+(?:$|[/?#]|\$uri|\$path)/;

/** What is wrong with a location, or undefined. */
export function locationMistake(location: string): string | undefined {
  if (!location.includes('$') || SAFE_AUTHORITY.test(location)) return undefined;
  if (location.startsWith('/') || /^\$(?:uri|path)/.test(location)) return undefined;
  return 'want a path, or a host that only $host and $authority are part of';
}

const patterns = new WeakMap<RedirectTarget, PathPattern>();

export function redirect(connection: Connection, target: RedirectTarget): void {
  const location = locationFor(connection, target);
  if (location === undefined) {
    connection.fail(404, 'The pattern of the redirect does not match');
    return;
  }
  const { dateLine } = connection.plane;
  connection.answerBodyless(
    target.status,
    `${statusLine(target.status)}\r\n${dateLine}Location: ${location}\r\nContent-Length: 0\r\n`,
  );
}

function locationFor(connection: Connection, target: RedirectTarget): string | undefined {
  const { from, location } = target;
  if (from === undefined && !location.includes('$')) return location;
  const { target: asked, path, host, authority } = connection.plane.target;
  const captures = from === undefined ? undefined : patternOf(target, from).match(path);
  if (from !== undefined && captures === undefined) return undefined;
  const uri = asked.startsWith('/') ? asked : '/';
  const local = connection.localAuthority;
  const values = new Map([
    ['scheme', clientScheme(connection)],
    ['host', host === '' ? local.replace(/:\d+$/, '') : host],
    ['authority', authority === '' ? local : authority],
    ['uri', uri],
    ['path', path],
    ['query', uri.slice(path.length + 1)],
  ]);
  const made = filledIn(location, (name) => captures?.get(name) ?? values.get(name) ?? '');
  // A path that began with two slashes would lead to another host.
  return location.startsWith('//') ? made : made.replace(/^\/[/\\]+/, '/');
}

function patternOf(target: RedirectTarget, from: string): PathPattern {
  const known = patterns.get(target);
  if (known !== undefined) return known;
  const made = new PathPattern(from);
  patterns.set(target, made);
  return made;
}
