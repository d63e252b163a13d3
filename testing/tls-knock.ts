/** Whether a TLS server lets somebody in. */
import { connect } from 'node:tls';

interface Credentials {
  readonly certificatePem: string;
  readonly keyPem: string;
}

/**
 * True when an HTTP server behind TLS answers whoever has this certificate, or none; false when it ends the connection without a
 * byte. In TLS 1.3 the handshake alone proves nothing: the client has finished before it is refused.
 */
export async function knocks(
  url: string,
  { certificatePem: ca }: Pick<Credentials, 'certificatePem'>,
  credentials?: Credentials,
): Promise<boolean> {
  const { hostname, port } = new URL(url);
  const own =
    credentials === undefined ? {} : { key: credentials.keyPem, cert: credentials.certificatePem };
  const socket = connect({ host: hostname, port: Number(port), ca, ...own });
  const answered = Promise.withResolvers<boolean>();
  socket.once('data', () => answered.resolve(true));
  // A reset is an end as well.
  socket.once('error', () => answered.resolve(false));
  socket.once('close', () => answered.resolve(false));
  socket.write('GET /version HTTP/1.0\r\n\r\n');
  return answered.promise.finally(() => socket.destroy());
}
