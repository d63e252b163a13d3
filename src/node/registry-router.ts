/**
 * What apps need of the gateways, by way of the registry: a published route is a registry entry first, so that every
 * node of a cluster will see it, and counts as published when this node's gateways use it.
 */
import type { AppRoute } from '../apps/apps.ts';
import type { UpstreamLoad } from '../gateway/config.ts';
import type { Registry } from '../registry/registry.ts';
import { ROUTES_PREFIX } from './route-mirror.ts';

export interface RegistryRouterOptions {
  readonly registry: Registry;
  /** Resolves when the gateways use the routes as of the revision. */
  readonly appliedAt: (revision: number) => Promise<void>;
  /** What is under way, by upstream id, of each gateway process. */
  readonly loads: () => Promise<readonly Readonly<Record<string, UpstreamLoad>>[]>;
}

export class RegistryRouter {
  readonly #options: RegistryRouterOptions;

  constructor(options: RegistryRouterOptions) {
    this.#options = options;
  }

  /** Undefined removes the app's route. Resolves when every gateway of this node uses it. */
  async publish(app: string, route: AppRoute | undefined): Promise<void> {
    const key = `${ROUTES_PREFIX}app/${app}`;
    const { registry, appliedAt } = this.#options;
    // A deletion that changes nothing makes no revision that anybody would wait to see.
    if (route === undefined && (await registry.get(key)) === undefined) return;
    const result = await registry.commit(
      [],
      [
        route === undefined
          ? { kind: 'delete', key }
          : { kind: 'put', key, value: encode({ id: `app/${app}`, path: '/', ...route }) },
      ],
    );
    await appliedAt(result.revision);
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

function encode(route: AppRoute & { readonly id: string; readonly path: string }): Uint8Array {
  return Buffer.from(JSON.stringify(route));
}
