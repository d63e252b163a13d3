/**
 * Where this node's gateways find buckets that are websites: at the file process beside them, and while that is away or says nothing by way of
 * the gateways of other nodes. Pure.
 */
import type { PeerNode } from '../cluster/cluster.ts';
import type { UpstreamConfig } from '../gateway/config.ts';

/** Other nodes that may be asked: one that answers is enough. */
export const WEBSITE_BACKUPS_MAX = 3;

/** What gateways of other nodes may reach here; `socket` is where this node's file process shows websites. */
export function ownWebsites(self: string, socket: string): UpstreamConfig {
  return { id: idOf(self), address: { kind: 'socket', path: socket } };
}

/** The nearest of `peers` that are well, behind what is here; before it while that `isSilent`. */
export function websitePlaces(
  peers: readonly PeerNode[],
  {
    self,
    socket,
    isSilent,
  }: { readonly self: string; readonly socket: string; readonly isSilent: boolean },
): readonly UpstreamConfig[] {
  const region = peers.find(({ id }) => id === self)?.region;
  const others = peers.filter(({ id, state }) => id !== self && state === 'ready');
  const near = behind(
    self,
    others.filter((one) => one.region === region),
  );
  const far = behind(
    self,
    others.filter((one) => one.region !== region),
  );
  const elsewhere = [...near, ...far].slice(0, WEBSITE_BACKUPS_MAX).map((one): UpstreamConfig => {
    const { id, address: host, gatewayPort: port } = one;
    return {
      id: idOf(id),
      region: one.region,
      address: { kind: 'node', node: id, host, port },
    };
  });
  const here = ownWebsites(self, socket);
  if (isSilent && elsewhere.length > 0) return [...elsewhere, { ...here, backup: true }];
  return [here, ...elsewhere.map((one) => ({ ...one, backup: true }))];
}

/** In a ring, so that not all nodes have the same few to fall back on. */
function behind(self: string, peers: readonly PeerNode[]): readonly PeerNode[] {
  const ring = peers.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  return [...ring.filter(({ id }) => id > self), ...ring.filter(({ id }) => id < self)];
}

function idOf(node: string): string {
  return `websites/${node}`;
}
