/** What the gateway tells upstreams about the client, as whole lines of a head. */
import { forwardedFields } from '../http/forwarded.ts';
import type { ClientSocket } from './client-socket.ts';
import type { Connection } from './connection.ts';
import { viaLine } from './via.ts';

/** Where the client connected to, for one that sent no Host. */
export function localAuthority({ localAddress = 'localhost', localPort }: ClientSocket): string {
  const host = localAddress.includes(':') ? `[${localAddress}]` : localAddress;
  return localPort === undefined ? host : `${host}:${localPort}`;
}

/** By which the client came: a proxy that is trusted may say otherwise than the listener. */
export function clientScheme({ shape, owner }: Connection): 'http' | 'https' {
  return shape?.clientScheme ?? owner.protocol;
}

/** Lines about the client and its way, `Via` first; a client that asks the same host again costs nothing. */
export function clientFragment(connection: Connection, authority: string): string {
  const { shape, request } = connection;
  // One connection may have requests of both versions.
  if (shape?.client !== undefined || request.minor === 0) {
    return linesAbout(connection, authority, {
      clientAddress: shape?.client ?? connection.clientAddress,
      protocol: clientScheme(connection),
    });
  }
  if (connection.fragmentAuthority === authority) return connection.fragment;
  connection.fragmentAuthority = authority;
  connection.fragment = linesAbout(connection, authority, {
    clientAddress: connection.clientAddress,
    protocol: connection.owner.protocol,
  });
  return connection.fragment;
}

function linesAbout(
  connection: Connection,
  authority: string,
  client: { readonly clientAddress: string; readonly protocol: 'http' | 'https' },
): string {
  const host = authority === '' ? connection.localAuthority : authority;
  return `${viaLine(connection.request)}${forwardedLines({ ...client, host })}`;
}

export function forwardedLines(about: Parameters<typeof forwardedFields>[0]): string {
  const fields = forwardedFields(about);
  return (
    `X-Forwarded-For: ${fields.xForwardedFor}\r\nX-Forwarded-Host: ${fields.xForwardedHost}\r\n` +
    `X-Forwarded-Proto: ${fields.xForwardedProto}\r\nForwarded: ${fields.forwarded}\r\n`
  );
}
