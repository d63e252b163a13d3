/** One step of a node's start: the databases of the cluster, and what their process has to know of it. */
import type { Accounts } from '../accounts/accounts.ts';
import type { Identity } from '../cluster/cluster.ts';
import { Databases, type LogPlace, type PeerAccess } from '../databases/databases.ts';
import type { NodeCluster } from './node-cluster.ts';
import type { Base } from './node-parts.ts';
import { etcdTls, type NodeRegistry } from './node-registry.ts';
import { hostOf, logPrefixOf, prefixOf } from './registry-place.ts';

/** The databases of the cluster, and the process of this node that serves them once there is one. */
export async function openDatabases(
  { folder, registry, nodeRegistry, identity, workers, clock, log }: Base,
  { cluster, accounts }: { readonly cluster: NodeCluster; readonly accounts: Accounts },
  stack: AsyncDisposableStack,
): Promise<Databases> {
  const databases = stack.use(
    new Databases({
      folders: { folder: folder.databases, runFolder: folder.run, logFolder: folder.logs },
      registry,
      sealer: identity.sealer,
      accounts,
      peers: cluster.peers,
      cluster: () => databaseCompany(nodeRegistry, identity, cluster),
      onDropped: () => workers.wake('snapshots'),
      clock,
      log: log.for('databases'),
    }),
  );
  await databases.start();
  stack.use(identity.onRenewed(() => databases.changed()));
  stack.use(nodeRegistry.onPlace(() => databases.changed()));
  return databases;
}

/** Where the logs of the databases are, and how their processes call each other; undefined while this node is alone. */
function databaseCompany(
  { place }: NodeRegistry,
  identity: Identity,
  { peers }: NodeCluster,
): { readonly log: LogPlace; readonly access: Omit<PeerAccess, 'nodes'> } | undefined {
  if (place === undefined) return undefined;
  const isTls = place.endpoints.some((endpoint) => endpoint.startsWith('https:'));
  const [oldest] = peers.all();
  const { certificate, trustedPem, cluster, node } = identity;
  const [only = ''] = place.endpoints;
  const isAlone = place.endpoints.length === 1 && place.foreign === undefined;
  return {
    log: {
      kind: 'etcd',
      endpoints: place.endpoints,
      prefix: logPrefixOf(cluster.id),
      client: `${node.id}-databases`,
      epoch: place.epoch,
      tls: isTls ? etcdTls(identity, place) : undefined,
      isFounder: oldest?.id === peers.self,
      node: peers.self,
      isHolder: isAlone && peers.get(peers.self)?.address === hostOf(only),
      standbyPrefix: isAlone ? prefixOf(cluster.id) : undefined,
    },
    access: {
      clusterId: cluster.id,
      cert: certificate.certificatePem,
      key: certificate.keyPem,
      authority: trustedPem,
    },
  };
}
