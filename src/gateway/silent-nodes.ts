/**
 * Nodes that are not heard any more. A request that waits there may wait for as long as a machine hangs, so it is asked of
 * another upstream that is well, where that does no harm; all others wait on, since a silent node may come back.
 */
import type { Upstream } from './upstream.ts';

export class SilentNodes {
  #known: ReadonlySet<string> = new Set();

  /** `silent`: node ids as of now; what waits at those that were not among them before is asked of others. */
  take(silent: readonly string[], upstreams: Iterable<Upstream>, nowMs: number): void {
    const before = this.#known;
    this.#known = new Set(silent);
    const there = [...upstreams].filter(
      ({ config: { address } }) =>
        address.kind === 'node' && this.#known.has(address.node) && !before.has(address.node),
    );
    // All of them first: none takes over what waits at another one of the same node.
    for (const upstream of there) upstream.connectFailed(nowMs);
    for (const upstream of there) upstream.fellSilent();
  }
}
