/**
 * Nodes that are not heard any more, and upstreams that say nothing. A request that waits there may wait for as long as a machine hangs, so it
 * is asked of another upstream that is well, where that does no harm; all others wait on, since who is silent may come back.
 */
import type { Upstream } from './upstream.ts';

export class SilentNodes {
  #nodes: readonly string[] = [];
  #upstreams: readonly string[] = [];

  /** `silent`: ids of nodes, and of upstreams, as of now; what waits at those that were not among them before is asked of others. */
  take(
    [nodes = [], ids = []]: readonly (readonly string[] | undefined)[],
    upstreams: Iterable<Upstream>,
    nowMs: number,
  ): void {
    const [isNode, isOne] = [newIn(nodes, this.#nodes), newIn(ids, this.#upstreams)];
    [this.#nodes, this.#upstreams] = [nodes, ids];
    const there = [...upstreams].filter(
      ({ id, config: { address } }) =>
        isOne(id) || (address.kind === 'node' && isNode(address.node)),
    );
    // All of them first: none takes over what waits at another one of the same node.
    for (const upstream of there) upstream.connectFailed(nowMs);
    for (const upstream of there) upstream.fellSilent();
  }
}

function newIn(now: readonly string[], before: readonly string[]): (id: string) => boolean {
  const known = new Set(before);
  const fresh = new Set(now.filter((id) => !known.has(id)));
  return (id) => fresh.has(id);
}
