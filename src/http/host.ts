/**
 * The authority of a request (RFC 9110 section 7.2, RFC 3986 section 3.2): checked strictly, because routing and
 * caching trust it. User information, percent escapes and anything that is not a DNS name or an IP address is refused;
 * underscores pass, since real names have them.
 */
import { isIPv6 } from 'node:net';

export interface HostPort {
  /** Lower-case; an IPv6 address keeps its brackets. A trailing dot of a name is dropped. */
  readonly host: string;
  readonly port: number | undefined;
}

/** A DNS name is at most 253 characters (RFC 1035 2.3.4), an IPv6 literal is shorter. */
export const HOST_CHARACTERS_MAX = 253;
/** One label of a name (RFC 1035 2.3.4). */
const LABEL_CHARACTERS_MAX = 63;

const PORT = /^\d{1,5}$/;
const LABEL = /^[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?$/;
const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.|$)){4}$/;
const DIGITS_AND_DOTS = /^[\d.]+$/;

/** Splits a Host field value or authority; undefined when it is not exactly `host` or `host:port`. */
export function parseHost(authority: string): HostPort | undefined {
  const split = authority.startsWith('[') ? splitLiteral(authority) : splitName(authority);
  if (split === undefined) return undefined;
  const [host, portText] = split;
  if (portText === undefined) return { host, port: undefined };
  // An empty port is allowed (RFC 3986 3.2.3) and means the scheme's default.
  if (portText === '') return { host, port: undefined };
  const port = Number(portText);
  if (!PORT.test(portText) || port > 65_535) return undefined;
  return { host, port };
}

type Split = readonly [host: string, port: string | undefined];

function splitLiteral(authority: string): Split | undefined {
  const end = authority.indexOf(']');
  if (end < 0) return undefined;
  const address = authority.slice(1, end).toLowerCase();
  // Zone ids (`fe80::1%eth0`) mean nothing outside the client.
  if (!isIPv6(address) || address.includes('%')) return undefined;
  const rest = authority.slice(end + 1);
  if (rest !== '' && !rest.startsWith(':')) return undefined;
  return [`[${address}]`, rest === '' ? undefined : rest.slice(1)];
}

function splitName(authority: string): Split | undefined {
  const colon = authority.indexOf(':');
  const name = (colon < 0 ? authority : authority.slice(0, colon)).toLowerCase();
  const host = name.endsWith('.') ? name.slice(0, -1) : name;
  if (!isHostName(host) && !IPV4.test(host)) return undefined;
  return [host, colon < 0 ? undefined : authority.slice(colon + 1)];
}

/** A lower-case reg-name of DNS labels. All digits and dots is an address or nothing. */
export function isHostName(host: string): boolean {
  if (host === '' || host.length > HOST_CHARACTERS_MAX || DIGITS_AND_DOTS.test(host)) return false;
  return host
    .split('.')
    .every((label) => label.length <= LABEL_CHARACTERS_MAX && LABEL.test(label));
}
