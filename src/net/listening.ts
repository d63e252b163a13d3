/** Binding a server, with the world's refusals turned into sentences. */
import type { ListenOptions, Server } from 'node:net';
import { MolnError, systemCode } from '../base/errors.ts';
import { NET_ADDRESS_UNUSABLE, NET_PORT_TAKEN } from './errors.ts';
import { describePortHolder } from './port-holder.ts';

/** Resolves once bound; rejects with the system's error. */
export function bind(server: Server, options: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(options, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** Binds a TCP port; a taken port says who has it. Port 0 takes any free one. */
export async function bindTcp(
  server: Server,
  options: { readonly address: string; readonly port: number },
): Promise<void> {
  const { address, port } = options;
  try {
    await bind(server, { host: address, port });
  } catch (error) {
    throw bindError(error, options);
  }
}

function bindError(
  error: unknown,
  { address, port }: { readonly address: string; readonly port: number },
): unknown {
  switch (systemCode(error)) {
    case 'EADDRINUSE': {
      const holder = describePortHolder(port, address);
      return new MolnError(
        NET_PORT_TAKEN,
        `Port ${port} on ${address} is taken${holder === undefined ? '' : ` by ${holder}`}`,
        {
          hint: 'Stop that process or choose another port',
          details: { address, port },
          cause: error,
        },
      );
    }
    case 'EACCES':
      return new MolnError(
        NET_ADDRESS_UNUSABLE,
        `Port ${port} on ${address} needs more rights than this user has`,
        { hint: 'Choose a port from 1024 on, or run as root', cause: error },
      );
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new MolnError(NET_ADDRESS_UNUSABLE, `Address ${address} is not on this machine`, {
        hint: 'Choose an address that "ip address" lists',
        cause: error,
      });
    default:
      return error;
  }
}
