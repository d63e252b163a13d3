/**
 * Pure checks of where a request comes from: the Host header against DNS rebinding, and Origin and
 * Sec-Fetch-Site against requests that another site makes in a logged-in browser.
 */
import { isIP } from 'node:net';

/** Host name of a Host header (RFC 9110 §7.2), lower case, without port; undefined when it is not one. */
export function hostName(header: string | undefined): string | undefined {
  const match = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?$/i.exec(header ?? '');
  return match?.[1]?.toLowerCase().replace(/\.$/, '');
}

/**
 * Whether this node answers to the name. An address cannot be rebound: the browser resolved nothing.
 * `names` are the node's own, in lower case.
 */
export function answersTo(header: string | undefined, names: Iterable<string>): boolean {
  const name = hostName(header);
  if (name === undefined) return false;
  if (name === 'localhost' || isIP(name.replace(/^\[|\]$/g, '')) !== 0) return true;
  for (const known of names) if (known === name) return true;
  return false;
}

export interface OriginFacts {
  readonly origin: string | undefined;
  readonly secFetchSite: string | undefined;
  readonly host: string | undefined;
  readonly encrypted: boolean;
}

/**
 * Whether a request that changes something was made by a page of this very origin. Browsers send at least
 * one of the two headers with every such request; both must agree. Ports count: an app of this cluster on
 * another port is another origin, though the same "site" for SameSite cookies. Under our referrer policy a
 * form sends `Origin: null` (Fetch standard, "append a request Origin header"), which says nothing by itself.
 */
export function isSameOrigin({ origin, secFetchSite, host, encrypted }: OriginFacts): boolean {
  if (secFetchSite !== undefined && secFetchSite !== 'same-origin') return false;
  if (origin === undefined || origin === 'null') return secFetchSite === 'same-origin';
  return host !== undefined && origin === `${encrypted ? 'https' : 'http'}://${host}`.toLowerCase();
}

export const SESSION_COOKIE = 'moln_session';

/** The session of a Cookie header; undefined when there is none or more than one. RFC 6265 §5.4. */
export function sessionCookie(header: string | undefined): string | undefined {
  const values = (header ?? '')
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${SESSION_COOKIE}=`))
    .map((pair) => pair.slice(SESSION_COOKIE.length + 1));
  const [value] = values;
  return values.length === 1 && value !== undefined && /^[\w.~-]{1,512}$/.test(value)
    ? value
    : undefined;
}

/** A Set-Cookie value; an age of 0 removes it. */
export function setSessionCookie(
  session: string,
  options: { readonly maxAgeMs: number; readonly encrypted: boolean },
): string {
  const age = Math.floor(options.maxAgeMs / 1000);
  const secure = options.encrypted ? '; Secure' : '';
  return `${SESSION_COOKIE}=${session}; Path=/; Max-Age=${age}; HttpOnly; SameSite=Strict${secure}`;
}
