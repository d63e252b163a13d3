/**
 * Gets a cluster's authority from one of its nodes and compares it with the pin of an invite. Not one byte of the joiner's
 * goes over this connection, which trusts nobody; the next one trusts this authority only.
 */
import { X509Certificate } from 'node:crypto';
import { connect, type TLSSocket } from 'node:tls';
import { MolnError } from '../base/errors.ts';
import { type Clock, isoTime, withDeadline } from '../base/time.ts';
import { connectFailed, hostAndPort } from '../net/net.ts';
import { fingerprintOf, isIssuedBy } from './certificate.ts';
import type { InviteAddress } from './invite.ts';
import { otherCluster } from './join-errors.ts';
import { JOIN_PROTOCOL } from './join-wire.ts';

const TIMEOUT_MS = 5_000;
/** Certificates in a chain that are looked at. */
const CHAIN_MAX = 5;

/**
 * PEM of the pinned authority, after the node has shown that it, or one that it has signed for, issued its certificate. Throws `CLUSTER_PIN_MISMATCH`, `CLUSTER_CLOCK_OFF` and
 * `NET_RPC_UNREACHABLE`.
 */
export async function fetchAuthority(
  { host, port }: InviteAddress,
  options: { readonly pin: string; readonly clock: Clock },
): Promise<string> {
  const where = { address: host, port };
  const chain = await withDeadline(
    TIMEOUT_MS,
    () => connectFailed(where),
    (signal) => chainOf(where, signal),
  );
  const [leaf, ...others] = chain;
  const authority = others.find((pem) => fingerprintOf(pem).startsWith(options.pin));
  if (leaf === undefined || authority === undefined) throw otherCluster(hostAndPort(where));
  // Itself, or one that it has signed for.
  const between = [authority, ...others.filter((pem) => isIssuedBy(pem, authority))];
  if (!between.some((pem) => isIssuedBy(leaf, pem))) throw otherCluster(hostAndPort(where));
  checkClock([leaf, authority], options.clock);
  return authority;
}

/** PEM, the server's own first. */
function chainOf(
  where: { readonly address: string; readonly port: number },
  signal: AbortSignal,
): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: where.address,
      port: where.port,
      ALPNProtocols: [JOIN_PROTOCOL],
      minVersion: 'TLSv1.3',
      // Nothing is trusted yet, and nothing is sent: what comes is compared with the pin.
      rejectUnauthorized: false,
    });
    signal.addEventListener('abort', () => socket.destroy(), { once: true });
    socket.once('error', (error) => reject(connectFailed(where, error)));
    socket.once('close', () => reject(connectFailed(where)));
    socket.once('secureConnect', () => {
      resolve(certificatesOf(socket));
      socket.destroy();
    });
  });
}

/** In the order in which they were sent, whether or not one has issued the other. */
function certificatesOf(socket: TLSSocket): readonly string[] {
  const chain: string[] = [];
  let at = socket.getPeerX509Certificate();
  while (at !== undefined && chain.length < CHAIN_MAX) {
    chain.push(at.toString());
    at = at.issuerCertificate;
  }
  return chain;
}

/** Said here in words, before TLS would say it in a code. */
function checkClock(certificates: readonly string[], clock: Clock): void {
  const now = clock.now();
  for (const pem of certificates) {
    const { validFromDate, validToDate } = new X509Certificate(pem);
    const [from, to] = [validFromDate.getTime(), validToDate.getTime()];
    if (now >= from && now <= to) continue;
    const span = `${isoTime(from)} to ${isoTime(to)}`;
    throw new MolnError(
      'CLUSTER_CLOCK_OFF',
      `The clock of this machine says ${isoTime(now)}, the cluster's certificate is good from ${span}`,
      { hint: 'Set the clock of the machine that is wrong, then join again' },
    );
  }
}
