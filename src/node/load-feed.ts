/**
 * Tells the gateways how busy the nodes are, so that of two instances the one on the quieter node is asked. Looks once a
 * second and says what is new; in company only, for alone there is nothing to choose between.
 */
import type { Logger } from '../base/log.ts';
import { type Clock, everySecond } from '../base/time.ts';
import type { Peers } from '../cluster/cluster.ts';
import type { RouteConfig } from '../gateway/config.ts';

/** A gateway process may be new and know nothing: said again after so many looks in any case. */
const SAY_AGAIN_EVERY = 10;
/** A node's processor time is told in such steps, so that a flicker is no news. */
const STEP = 0.05;

export interface LoadFeedOptions {
  readonly peers: Pick<Peers, 'all' | 'self'>;
  readonly routes: () => readonly RouteConfig[];
  /** To every gateway process; nothing is waited for. */
  readonly tell: (loads: Readonly<Record<string, number>>) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

export class LoadFeed implements Disposable {
  readonly #options: LoadFeedOptions;
  #timer: Disposable | undefined;
  #said = '{}';
  #looks = 0;

  constructor(options: LoadFeedOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = everySecond(this.#options.clock, () => this.#tell());
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
  }

  #tell(): void {
    const { peers, routes, tell, log } = this.#options;
    const nodes = peers.all();
    if (nodes.length < 2) return;
    const loads = loadsOf(routes(), new Map(nodes.map(({ id, load }) => [id, load])), peers.self);
    const said = JSON.stringify(loads);
    if (said === this.#said && this.#looks++ % SAY_AGAIN_EVERY > 0) return;
    this.#said = said;
    try {
      tell(loads);
    } catch (error) {
      log.debug('The gateways were not told how busy the nodes are', { error });
    }
  }
}

/** By upstream id, 0 to 1: how busy the node is that it runs on. Those of idle nodes are left out. Pure. */
export function loadsOf(
  routes: readonly RouteConfig[],
  nodes: ReadonlyMap<string, number>,
  self: string,
): Readonly<Record<string, number>> {
  const loads: Record<string, number> = {};
  for (const { target } of routes) {
    if (target.kind !== 'upstreams') continue;
    // Where there is nothing to choose, nothing has to be known.
    if (target.upstreams.length < 2) continue;
    for (const { id, address } of target.upstreams) {
      const node = address.kind === 'node' ? address.node : self;
      const load = Math.round((nodes.get(node) ?? 0) / STEP) * STEP;
      if (load > 0) loads[id] = Number(load.toFixed(2));
    }
  }
  return loads;
}
