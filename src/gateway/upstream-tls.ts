/** Connections over TLS to one upstream: whom it has to prove to be, and the session that makes the next handshake short. */
import { isIP } from 'node:net';
import {
  checkServerIdentity,
  connect,
  type ConnectionOptions,
  createSecureContext,
  type TLSSocket,
} from 'node:tls';
import type { UpstreamTlsConfig } from './config.ts';

export class UpstreamTls {
  readonly #options: ConnectionOptions & { readonly allowHalfOpen: boolean };
  #session: Buffer | undefined;

  constructor(
    config: UpstreamTlsConfig,
    { host, port }: { readonly host: string; readonly port: number },
    protocol: 'h2' | 'http/1.1',
  ) {
    const { ca, name = host, verify = true } = config;
    this.#options = {
      host,
      port,
      // The types of Node 24 do not know it here; its documentation does.
      allowHalfOpen: protocol === 'http/1.1',
      ALPNProtocols: [protocol],
      secureContext: createSecureContext({
        minVersion: 'TLSv1.2',
        ...(ca === undefined ? {} : { ca }),
      }),
      rejectUnauthorized: verify,
      // An address is no server name (RFC 6066 3); it is looked for in the certificate all the same.
      ...(isIP(name) === 0 ? { servername: name } : {}),
      checkServerIdentity: (_host, shown) => checkServerIdentity(name, shown),
    };
  }

  /** It says `secureConnect` when the other side has proved who it is, else `error`. */
  connect(): TLSSocket {
    const session = this.#session;
    const socket = connect({ ...this.#options, ...(session === undefined ? {} : { session }) });
    socket.setNoDelay(true);
    // Only of one that has proved it: with its session nobody looks at the certificate again.
    socket.once('secureConnect', () =>
      socket.on('session', (next: Buffer) => (this.#session = next)),
    );
    return socket;
  }
}
