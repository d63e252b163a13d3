/** What is under way on this node's instances, summed over its gateway processes. */
import type { UpstreamLoad } from '../gateway/config.ts';

export interface RegistryRouterOptions {
  /** What is under way, by upstream id, of each gateway process. */
  readonly loads: () => Promise<readonly Readonly<Record<string, UpstreamLoad>>[]>;
}

export class RegistryRouter {
  readonly #options: RegistryRouterOptions;

  constructor(options: RegistryRouterOptions) {
    this.#options = options;
  }

  async load(upstreamIds: readonly string[]): Promise<Readonly<Record<string, UpstreamLoad>>> {
    const sums: Record<string, UpstreamLoad> = {};
    for (const upstreams of await this.#options.loads()) {
      for (const id of upstreamIds) {
        const load = Object.hasOwn(upstreams, id) ? upstreams[id] : undefined;
        if (load === undefined) continue;
        const sum = sums[id] ?? { requests: 0, upgrades: 0 };
        sums[id] = {
          requests: sum.requests + load.requests,
          upgrades: sum.upgrades + load.upgrades,
        };
      }
    }
    return sums;
  }
}
