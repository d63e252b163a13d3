/** One step of a node's start: the virtual addresses that it may hold. */
import { Addresses } from '../addresses/addresses.ts';
import type { Events } from '../cluster/cluster.ts';
import type { NodeCluster } from './node-cluster.ts';
import type { Base, Gateway } from './node-parts.ts';

export function openAddresses(
  { nodeRegistry, registry, identity, workers, clock, log }: Base,
  given: { readonly cluster: NodeCluster; readonly gateway: Gateway; readonly events: Events },
  stack: AsyncDisposableStack,
): Addresses {
  const { cluster, gateway, events } = given;
  return stack.use(
    new Addresses({
      registry: nodeRegistry.live,
      known: registry,
      peers: cluster.peers,
      clusterId: identity.cluster.id,
      gatewayAddresses: gateway.choice.gateway.map(({ address }) => address),
      isServing: () => gateway.supervisor.workers().some(({ state }) => state === 'serving'),
      events,
      workers,
      clock,
      log: log.for('addresses'),
    }),
  );
}
