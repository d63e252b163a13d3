/** Whether the gateway may have a port, and a sentence that says who has it when it may not. */
import { createSocket } from 'node:dgram';
import { createServer, isIPv6 } from 'node:net';
import { MolnError, systemCode } from '../base/errors.ts';
import { type PortHolder, portUse } from '../net/net.ts';
import { GATEWAY_LISTEN_FAILED, GATEWAY_PORT_TAKEN } from './errors.ts';

export interface PortWanted {
  readonly address: string;
  readonly port: number;
  /** `http` and `https` name the option in the hint. */
  readonly protocol: 'http' | 'https' | 'tcp' | 'udp';
}

/**
 * Binds the port for a moment, without SO_REUSEPORT: workers share their ports by it, and two nodes of one user would
 * otherwise share one without a word. Listeners of `own` processes are fine. Throws `GATEWAY_PORT_TAKEN`, or
 * `GATEWAY_LISTEN_FAILED` when the address is not ours or the port needs root.
 */
export async function requireFreePort(wanted: PortWanted, own: ReadonlySet<number>): Promise<void> {
  try {
    await bindOnce(wanted);
  } catch (error) {
    const code = systemCode(error);
    if (code !== 'EADDRINUSE') throw listenFailed(wanted, error, code);
    // Who holds a port of UDP is not looked up.
    if (wanted.protocol === 'udp') throw portTaken(wanted, [], error);
    const use = portUse(wanted.port, wanted.address);
    const foreign = use.holders.filter((holder) => !own.has(holder.pid));
    const ownCount = use.holders.length - foreign.length;
    if (ownCount > 0 && foreign.length === 0) return;
    throw portTaken(wanted, foreign, error);
  }
}

function bindOnce({ address, port, protocol }: PortWanted): Promise<void> {
  if (protocol === 'udp') return bindDatagramsOnce(address, port);
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ host: address, port, exclusive: true }, () => server.close(() => resolve()));
  });
}

function bindDatagramsOnce(address: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
    socket.once('error', (error) => {
      socket.close();
      reject(error);
    });
    socket.bind({ address, port, exclusive: true }, () => socket.close(() => resolve()));
  });
}

function portTaken(
  { port, protocol }: PortWanted,
  holders: readonly PortHolder[],
  cause: unknown,
): MolnError {
  const [first] = holders;
  const by =
    first === undefined
      ? 'by a program of another user, which cannot be seen from here'
      : `by ${first.program} (pid ${first.pid})`;
  const option = choiceOf(protocol);
  const list = protocol === 'udp' ? 'ss -lunp' : 'ss -ltnp';
  return new MolnError(GATEWAY_PORT_TAKEN, `Port ${port} is taken ${by}`, {
    hint:
      first === undefined
        ? `Run "${list} sport = :${port}" as root to see it, or choose another ${option}`
        : `Stop it, or choose another port ${option}`,
    details: { port, ...(first === undefined ? {} : { ...first }) },
    cause,
  });
}

/** Where a person says it. */
function choiceOf(protocol: PortWanted['protocol']): string {
  return protocol === 'http' || protocol === 'https' ? `with --${protocol} PORT` : 'in the file';
}

function listenFailed(wanted: PortWanted, cause: unknown, code: string | undefined): MolnError {
  const { address, port, protocol } = wanted;
  const place = `${address} port ${port}`;
  const details = { port };
  if (code === 'EACCES') {
    return new MolnError(GATEWAY_LISTEN_FAILED, `Cannot listen on ${place}: it needs root`, {
      hint: `Choose a port above 1023 ${choiceOf(protocol)}`,
      details,
      cause,
    });
  }
  if (code === 'EADDRNOTAVAIL') {
    return new MolnError(
      GATEWAY_LISTEN_FAILED,
      `Cannot listen on ${place}: this machine does not have that address`,
      {
        hint: 'Run "ip address" to see its addresses and choose one with --address IP',
        details,
        cause,
      },
    );
  }
  return new MolnError(
    GATEWAY_LISTEN_FAILED,
    `Cannot listen on ${place}: ${cause instanceof Error ? cause.message : String(cause)}`,
    { details, cause },
  );
}
