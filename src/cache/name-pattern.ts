/** Names as an operator writes them, of parameters of a query and of cookies. Pure. */

/** A name, or with `*` at its end all that begin so. */
export type NamePattern = string;

export function isNamed(name: string, pattern: NamePattern): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}

/** The values of all cookies of that name, for which of them counts is the app's affair (RFC 6265 5.4); undefined when there is none. */
export function cookieNamed(cookies: string, pattern: NamePattern): string | undefined {
  let values: string | undefined;
  for (const pair of cookies.split(';')) {
    const at = pair.indexOf('=');
    if (at <= 0 || !isNamed(pair.slice(0, at).trim(), pattern)) continue;
    const value = pair.slice(at + 1).trim();
    values = values === undefined ? value : `${values}; ${value}`;
  }
  return values;
}
