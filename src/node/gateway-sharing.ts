/** With which nodes the gateways of this one share their caches: those that are well, by what the cluster says of them now. */
import { availableParallelism } from 'node:os';
import type { Peers, PeerNode } from '../cluster/cluster.ts';
import type { SharingConfig } from '../gateway/config.ts';

export interface GatewaySharingOptions {
  readonly peers: Pick<Peers, 'self' | 'all' | 'onChange'>;
  /** `config()` is another one. */
  readonly onChange: () => void;
}

export class GatewaySharing implements Disposable {
  readonly #options: GatewaySharingOptions;
  #known = '';
  #peersChange: Disposable | undefined;

  constructor(options: GatewaySharingOptions) {
    this.#options = options;
  }

  start(): void {
    const { peers, onChange } = this.#options;
    const text = (): string => JSON.stringify(this.config() ?? null);
    this.#known = text();
    this.#peersChange = peers.onChange(() => {
      const now = text();
      if (now === this.#known) return;
      this.#known = now;
      onChange();
    });
  }

  /** Undefined while there is no other node that is well. */
  config(): SharingConfig | undefined {
    const { peers } = this.#options;
    return sharingOf(peers.self, peers.all());
  }

  [Symbol.dispose](): void {
    this.#peersChange?.[Symbol.dispose]();
  }
}

/** Pure. Who is suspect or drains owns nothing: its keys are others' meanwhile. */
export function sharingOf(selfId: string, all: readonly PeerNode[]): SharingConfig | undefined {
  const self = all.find(({ id }) => id === selfId);
  const others = all.filter(({ id, state }) => id !== selfId && state === 'ready');
  if (self === undefined || others.length === 0) return undefined;
  return {
    self: { node: self.id, name: self.name, region: self.region },
    nodes: others.map(({ id, name, region, address, gatewayPort, gatewayWorkers = 1 }) => ({
      node: id,
      name,
      region,
      host: address,
      port: gatewayPort,
      workers: gatewayWorkers,
    })),
  };
}

/** Processes of this node's gateway. */
export function gatewayCount({ gateways }: { readonly gateways?: number | undefined }): number {
  return gateways ?? availableParallelism();
}
