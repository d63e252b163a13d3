/** What the gateway tells upstreams about the client, as whole lines of a head. */
import { forwardedFields } from '../http/forwarded.ts';
import type { Connection } from './connection.ts';

/** Lines about the client; a client that asks the same host again costs nothing. */
export function clientFragment(connection: Connection, authority: string): string {
  if (connection.fragmentAuthority === authority) return connection.fragment;
  const fields = forwardedFields({
    clientAddress: connection.clientAddress,
    host: authority === '' ? connection.localAuthority : authority,
    protocol: connection.owner.protocol,
  });
  connection.fragmentAuthority = authority;
  connection.fragment =
    `X-Forwarded-For: ${fields.xForwardedFor}\r\nX-Forwarded-Host: ${fields.xForwardedHost}\r\n` +
    `X-Forwarded-Proto: ${fields.xForwardedProto}\r\nForwarded: ${fields.forwarded}\r\n`;
  return connection.fragment;
}
