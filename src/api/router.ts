/** Finds the operation of a method and path. Strict: no trailing slashes, no empty or dotted segments. */
import { methodNotAllowed, notFound } from './errors.ts';
import type { Operation } from './operation.ts';

export interface Match {
  readonly operation: Operation;
  readonly params: ReadonlyMap<string, string>;
}

/** Throws `API_NOT_FOUND`, or `API_METHOD_NOT_ALLOWED` with the methods that the path has. */
export type Router = (method: string, path: string) => Match;

interface Route {
  readonly operation: Operation;
  readonly segments: readonly string[];
}

/** Characters of one path parameter after decoding. */
const PARAM_CHARACTERS_MAX = 128;

export function createRouter(operations: readonly Operation[]): Router {
  const routes = operations.map((operation): Route => ({
    operation,
    segments: operation.path.split('/'),
  }));
  return (method, path) => {
    const segments = path.split('/');
    const found = routes.flatMap((route) => {
      const params = matchSegments(route.segments, segments);
      return params === undefined ? [] : [{ operation: route.operation, params }];
    });
    if (found.length === 0) throw notFound(path);
    const asked = method === 'HEAD' ? 'GET' : method;
    const match = found.find(({ operation }) => operation.method === asked);
    // A stream has no answer to a HEAD: its length and end are not known before it is over.
    if (match !== undefined && (method !== 'HEAD' || match.operation.answer.kind !== 'ndjson')) {
      return match;
    }
    throw methodNotAllowed(method, allowedMethods(found));
  };
}

function allowedMethods(found: readonly Match[]): string[] {
  return found.flatMap(({ operation }) =>
    operation.method === 'GET' && operation.answer.kind !== 'ndjson'
      ? ['GET', 'HEAD']
      : [operation.method],
  );
}

function matchSegments(
  pattern: readonly string[],
  segments: readonly string[],
): ReadonlyMap<string, string> | undefined {
  if (pattern.length !== segments.length) return undefined;
  const params = new Map<string, string>();
  for (const [index, wanted] of pattern.entries()) {
    const actual = segments[index] ?? '';
    if (!wanted.startsWith('{')) {
      if (wanted !== actual) return undefined;
      continue;
    }
    const value = decodeSegment(actual);
    if (value === undefined) return undefined;
    params.set(wanted.slice(1, -1), value);
  }
  return params;
}

/** A segment that could mean another path, or that no name can be, matches nothing. */
function decodeSegment(segment: string): string | undefined {
  let value: string;
  try {
    value = decodeURIComponent(segment);
  } catch {
    return undefined;
  }
  // oxlint-disable-next-line no-control-regex -- control characters are what is refused
  const printable = !/[\u0000-\u001f\u007f/\\]/.test(value);
  const named = value !== '' && value !== '.' && value !== '..';
  return printable && named && value.length <= PARAM_CHARACTERS_MAX ? value : undefined;
}
