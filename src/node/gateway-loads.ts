/**
 * What is under way on instances, over the gateways of all nodes: a request to an instance here may have come in anywhere. A
 * node that does not answer in time is left out; whatever it has under way is bounded by the time-outs of draining.
 */
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { NodeMethods, Peers } from '../cluster/cluster.ts';
import type { UpstreamLoad } from '../gateway/config.ts';

const METHOD = 'gateway.loads';
const ASK_WITHIN_MS = 2_000;

type Loads = Readonly<Record<string, UpstreamLoad>>;

export interface GatewayLoadsOptions {
  readonly peers: Peers;
  /** Of each gateway process of this node. */
  readonly own: () => Promise<readonly Loads[]>;
  readonly log: Logger;
}

export class GatewayLoads {
  readonly #options: GatewayLoadsOptions;

  constructor(options: GatewayLoadsOptions) {
    this.#options = options;
  }

  methods(): NodeMethods['methods'] {
    return { [METHOD]: async () => ({ loads: await this.#options.own() }) };
  }

  /** By upstream id, one record a gateway process. */
  async everywhere(): Promise<readonly Loads[]> {
    const { peers, own } = this.#options;
    const others = peers.ready().filter(({ id }) => id !== peers.self);
    const all = await Promise.all([own(), ...others.map(({ id }) => this.#ask(id))]);
    return all.flat();
  }

  async #ask(node: string): Promise<readonly Loads[]> {
    const { peers, log } = this.#options;
    try {
      const said = await peers.call(node, METHOD, {}, { deadlineMs: ASK_WITHIN_MS });
      return (said as { readonly loads: readonly Loads[] }).loads;
    } catch (error) {
      log.debug('A node does not say what is under way', { node, reason: messageOf(error) });
      return [];
    }
  }
}
