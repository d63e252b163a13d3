/**
 * Who may lead where somebody else looks after etcd: as many nodes as would hold the registry otherwise get the authority's
 * key and stand for election, so that the loss of one of them leaves others.
 */
import { type PeerNode, wantedManagers } from '../cluster/cluster.ts';

/** The oldest node that is to become a manager now, if any. Nobody is taken back: what a node knows it does not forget. */
export function nextManager(peers: readonly PeerNode[]): PeerNode | undefined {
  const living = peers.filter(({ isManager, state }) => isManager && state !== 'lost');
  if (living.length >= wantedManagers(peers.length)) return undefined;
  return peers.find(({ isManager, state }) => !isManager && state === 'ready');
}
