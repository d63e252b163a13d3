/** Names as an operator writes them, of parameters of a query and of cookies. Pure. */

/** A name, or with `*` at its end all that begin so. */
export type NamePattern = string;

export function isNamed(name: string, pattern: NamePattern): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}

/** The value of the first cookie of that name (RFC 6265 4.2.1); undefined when there is none. */
export function cookieNamed(cookies: string, pattern: NamePattern): string | undefined {
  for (const pair of cookies.split(';')) {
    const at = pair.indexOf('=');
    if (at > 0 && isNamed(pair.slice(0, at).trim(), pattern)) return pair.slice(at + 1).trim();
  }
  return undefined;
}
