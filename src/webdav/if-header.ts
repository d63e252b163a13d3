/** The `If` field of WebDAV (RFC 4918, 10.4): read as a whole, and weighed against what the resources are. Pure. */

export interface IfCondition {
  readonly not: boolean;
  readonly kind: 'token' | 'etag';
  /** The token without its angles, or the tag with its quotes. */
  readonly value: string;
}

export interface IfList {
  /** As written between the angles; undefined: the resource of the request. */
  readonly resource: string | undefined;
  readonly conditions: readonly IfCondition[];
}

export interface ResourceState {
  /** With its quotes. */
  readonly etag: string | undefined;
  readonly tokens: ReadonlySet<string>;
}

const LISTS_MAX = 64;
const CONDITIONS_MAX = 64;
const SPACE = /[ \t]*/y;
const ANGLED = /<([^<>\s]+)>/y;
const TAG = /\[[ \t]*((?:W\/)?"[^"]*")[ \t]*\]/y;
const NOT = /Not(?=[ \t<[])/iy;

/** Undefined when it is malformed. */
export function parseIf(text: string): readonly IfList[] | undefined {
  const lists: IfList[] = [];
  let at = 0;
  let resource: string | undefined;
  let tagged: boolean | undefined;
  const match = (pattern: RegExp): RegExpExecArray | undefined => {
    SPACE.lastIndex = at;
    at += SPACE.exec(text)?.[0].length ?? 0;
    pattern.lastIndex = at;
    const found = pattern.exec(text) ?? undefined;
    at += found?.[0].length ?? 0;
    return found;
  };
  for (;;) {
    const url = match(ANGLED);
    if (url !== undefined) {
      if (tagged === false) return undefined;
      tagged = true;
      resource = url[1];
    } else if (tagged === undefined) tagged = false;
    let count = 0;
    while (match(/\(/y) !== undefined) {
      const conditions = readList(match);
      if (conditions === undefined || lists.length >= LISTS_MAX) return undefined;
      lists.push({ resource, conditions });
      count++;
    }
    if (count === 0) return undefined;
    match(/(?=[^])/y);
    if (at >= text.length) return lists;
  }
}

function readList(
  match: (pattern: RegExp) => RegExpExecArray | undefined,
): readonly IfCondition[] | undefined {
  const conditions: IfCondition[] = [];
  while (match(/\)/y) === undefined) {
    if (conditions.length >= CONDITIONS_MAX) return undefined;
    const not = match(NOT) !== undefined;
    const token = match(ANGLED)?.[1];
    const value = token ?? match(TAG)?.[1];
    if (value === undefined) return undefined;
    conditions.push({ not, kind: token === undefined ? 'etag' : 'token', value });
  }
  return conditions.length === 0 ? undefined : conditions;
}

/** One list that holds is enough. */
export function ifHolds(
  lists: readonly IfList[],
  stateOf: (resource: string | undefined) => ResourceState,
): boolean {
  return lists.some(({ resource, conditions }) => {
    const state = stateOf(resource);
    return conditions.every(({ not, kind, value }) => {
      const holds = kind === 'token' ? state.tokens.has(value) : state.etag === value;
      return holds !== not;
    });
  });
}

/** Tokens that the client shows that it knows. */
export function submittedTokens(lists: readonly IfList[]): ReadonlySet<string> {
  const tokens = lists.flatMap(({ conditions }) =>
    conditions.filter(({ kind }) => kind === 'token').map(({ value }) => value),
  );
  return new Set(tokens);
}
