/**
 * What the gateway tells an upstream about the client: `X-Forwarded-*` and `Forwarded` (RFC 7239). What a client
 * itself sent in these fields is dropped by the caller, never continued.
 */
import { isIPv6 } from 'node:net';

export interface ForwardedInput {
  /** Remote IP as the socket says it; `::ffff:1.2.3.4` is written as `1.2.3.4`. */
  readonly clientAddress: string;
  /** Authority as the client sent it, port included. Checked by `parseHost` before. */
  readonly host: string;
  readonly protocol: 'http' | 'https';
}

/** Field values to send upstream. */
export interface ForwardedFields {
  readonly xForwardedFor: string;
  readonly xForwardedHost: string;
  readonly xForwardedProto: 'http' | 'https';
  readonly forwarded: string;
}

/** `1.2.3.4` of `::ffff:1.2.3.4`; zone ids are cut off. */
export function plainAddress(address: string): string {
  const zone = address.indexOf('%');
  const bare = zone < 0 ? address : address.slice(0, zone);
  return bare.startsWith('::ffff:') && bare.includes('.') ? bare.slice('::ffff:'.length) : bare;
}

/** A node identifier of RFC 7239 section 6: IPv6 in brackets and quotes, `unknown` when there is none. */
export function forwardedNode(address: string): string {
  const plain = plainAddress(address);
  if (plain === '') return 'unknown';
  return isIPv6(plain) ? `"[${plain}]"` : plain;
}

export function forwardedFields(input: ForwardedInput): ForwardedFields {
  const { host, protocol } = input;
  const address = plainAddress(input.clientAddress);
  const quotedHost = TOKEN.test(host) ? host : `"${host.replaceAll(/["\\]/g, '\\$&')}"`;
  return {
    xForwardedFor: address === '' ? 'unknown' : address,
    xForwardedHost: host,
    xForwardedProto: protocol,
    forwarded: `for=${forwardedNode(address)};host=${quotedHost};proto=${protocol}`,
  };
}

/** RFC 9110 5.6.2; anything else is quoted. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
