/** What a request is hashed or kept together by, read from the head that goes upstream: it is the same with and without a cache. */
import type { HashConfig } from './balance-config.ts';

/** Empty when the request has none, so that all of those go to one upstream. */
export function requestKey(headText: string, { by, name = '' }: HashConfig): string {
  switch (by) {
    case 'uri':
      return targetOf(headText);
    case 'header':
      return fieldOf(headText, name) ?? '';
    case 'cookie':
      return cookieOf(headText, name) ?? '';
    case 'client':
      // The gateway's own word: fields of that name from outside are dropped.
      return fieldOf(headText, 'X-Forwarded-For') ?? '';
  }
}

function targetOf(headText: string): string {
  const from = headText.indexOf(' ') + 1;
  return headText.slice(from, headText.indexOf(' ', from));
}

/** The first field of that name. */
function fieldOf(headText: string, name: string): string | undefined {
  const wanted = `${name.toLowerCase()}:`;
  for (let at = headText.indexOf('\r\n'); at >= 0; at = headText.indexOf('\r\n', at + 2)) {
    const from = at + 2;
    if (headText.slice(from, from + wanted.length).toLowerCase() !== wanted) continue;
    const end = headText.indexOf('\r\n', from);
    return headText.slice(from + wanted.length, end).trim();
  }
  return undefined;
}

/** RFC 6265 5.4: `a=1; b=2`. */
export function cookieOf(headText: string, name: string): string | undefined {
  for (const pair of fieldOf(headText, 'Cookie')?.split(';') ?? []) {
    const equals = pair.indexOf('=');
    if (equals > 0 && pair.slice(0, equals).trim() === name) return pair.slice(equals + 1).trim();
  }
  return undefined;
}
