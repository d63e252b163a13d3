/** Makes a node of a cluster out of an empty data folder, before anything of a node runs in it. */
import { existsSync } from 'node:fs';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { MolnError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import { joinCluster, nodeNameOf } from '../cluster/cluster.ts';
import { hostname } from 'node:os';
import type { FolderLock } from './data-folder.ts';
import { API_PORT, GATEWAY_PORT } from './listen-choice.ts';
import type { NodeOptions } from './node-parts.ts';
import { ownAddresses } from './own-addresses.ts';
import { writePlace } from './registry-place.ts';

/** What instances may use of a node's memory; the rest is for Moln and the system. */
const MEMORY_SHARE = 0.75;

/** MiB that all instances of this machine together may use. */
export function instanceMemoryMiB(): number {
  return Math.floor((totalmem() * MEMORY_SHARE) / 1024 ** 2);
}

/** Refusals are one sentence each, and leave the folder as it was. A join that was cut off is completed by the next. */
export async function joinInto(
  lock: FolderLock,
  options: NodeOptions & { readonly invite: string },
  given: { readonly version: string; readonly clock: Clock; readonly log: Logger },
): Promise<void> {
  const { folder } = lock;
  const addresses = ownAddresses(options.address);
  if (addresses.length === 0) throw noAddress();
  try {
    await joinCluster({
      invite: options.invite,
      dataFolder: folder.path,
      name: options.name ?? nodeNameOf(hostname()),
      addresses,
      port: options.port ?? API_PORT,
      gatewayPort: options.gatewayPort ?? GATEWAY_PORT,
      memoryMiB: instanceMemoryMiB(),
      ...(options.address === undefined ? {} : { listenAddress: options.address }),
      region: options.region,
      labels: options.labels,
      keepRegistry: (place) => writePlace(folder.path, place),
      ...given,
    });
  } finally {
    // What a repeat needs to become the same node stays, whatever became of this attempt.
    const kept = ['join.json', 'ca.pem'].some((name) => existsSync(join(folder.keys, name)));
    if (kept) lock.keep();
  }
}

export function noAddress(): MolnError {
  return new MolnError('NODE_NO_ADDRESS', 'This machine has no address that others could reach', {
    hint: 'Connect it to a network, or name one with --address IP',
  });
}
