/**
 * To a process of another node, through its gateways' door: TLS 1.3 with certificates of the cluster on both sides, then the name of what is
 * wanted, then its bytes. The other side is `src/gateway/node-door.ts`.
 */
import { connect, type TLSSocket } from 'node:tls';

export interface NodeDoorAccess {
  readonly clusterId: string;
  readonly cert: string;
  readonly key: string;
  readonly authority: string;
}

export interface NodeDoorPlace {
  /** Of the node. */
  readonly id: string;
  readonly host: string;
  readonly port: number;
}

/** What the gateways' door is asked for. */
const DOOR_PROTOCOL = 'moln-instance/1';
const REACHED = 0x2b;

/** Resolves when the process called `name` at the other end is reached. */
export function openNodeDoor(
  access: NodeDoorAccess,
  place: NodeDoorPlace,
  name: '@databases' | '@files',
  signal: AbortSignal,
): Promise<TLSSocket> {
  const { clusterId, cert, key, authority } = access;
  const wanted = `URI:spiffe://${clusterId}/node/${place.id}`;
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: place.host,
      port: place.port,
      ca: authority,
      cert,
      key,
      minVersion: 'TLSv1.3',
      ALPNProtocols: [DOOR_PROTOCOL],
      checkServerIdentity: (_host, { subjectaltname }) =>
        (subjectaltname ?? '').split(', ').includes(wanted)
          ? undefined
          : new Error(`Another one than node ${place.id} answers at ${place.host}`),
    });
    socket.setNoDelay(true);
    signal.addEventListener('abort', () => socket.destroy(), { once: true });
    const fail = (error?: Error): void => {
      socket.destroy();
      reject(error ?? new Error('it hung up'));
    };
    socket.once('error', fail);
    socket.once('close', fail);
    socket.once('secureConnect', () => {
      if (socket.alpnProtocol !== DOOR_PROTOCOL) fail(new Error('no gateway of a node answers'));
      else socket.write(`${name}\n`);
    });
    socket.once('data', (chunk: Buffer) => {
      if (chunk[0] !== REACHED) return fail(new Error('its process does not run'));
      socket.off('error', fail).off('close', fail);
      socket.pause();
      if (chunk.length > 1) socket.unshift(chunk.subarray(1));
      resolve(socket);
    });
  });
}
