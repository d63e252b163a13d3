/** What the gateways of one node are to be told, kept up with the registry. Whoever follows the registry hands it in. */
import type { Logger } from '../base/log.ts';
import type { Change, Entry } from '../registry/registry.ts';
import { forGateways, type GatewayShare } from './for-gateways.ts';
import type { CertState } from './model.ts';
import { CERTS_PREFIX, type RegistryStore } from './registry-store.ts';

export interface MirroredCertificates extends GatewayShare {
  readonly state: CertState;
  /** Base64, the newest first; undefined: none were made yet. */
  readonly ticketKeys: readonly string[] | undefined;
}

const NOTHING: MirroredCertificates = {
  state: { settings: undefined, certificates: [], orders: [], failures: [] },
  certificates: [],
  challenges: undefined,
  ticketKeys: undefined,
};

export class CertMirror {
  readonly #store: Pick<RegistryStore, 'decode'>;
  readonly #log: Logger;
  readonly #entries = new Map<string, Entry>();
  #made: MirroredCertificates | undefined;

  constructor(options: { readonly store: Pick<RegistryStore, 'decode'>; readonly log: Logger }) {
    this.#store = options.store;
    this.#log = options.log;
  }

  /** Everything anew, out of a list of the whole registry. */
  reset(entries: readonly Entry[]): void {
    this.#entries.clear();
    for (const entry of entries) {
      if (entry.key.startsWith(CERTS_PREFIX)) this.#entries.set(entry.key, entry);
    }
    this.#made = undefined;
  }

  /** What one commit changed. True when gateways have to hear of it. */
  take(changes: readonly Change[]): boolean {
    const keys = changes.map((change) => (change.kind === 'put' ? change.entry.key : change.key));
    if (!keys.some((key) => key.startsWith(CERTS_PREFIX))) return false;
    for (const change of changes) {
      if (change.kind === 'delete') this.#entries.delete(change.key);
      else if (change.entry.key.startsWith(CERTS_PREFIX)) {
        this.#entries.set(change.entry.key, change.entry);
      }
    }
    this.#made = undefined;
    return true;
  }

  now(): MirroredCertificates {
    this.#made ??= this.#make();
    return this.#made;
  }

  /** One record that cannot be read keeps none of the others from the gateways. */
  #make(): MirroredCertificates {
    const readable = [...this.#entries.values()].filter((entry) => {
      try {
        this.#store.decode([entry]);
        return true;
      } catch (error) {
        this.#log.error('A record of certificates cannot be read and is passed over', {
          key: entry.key,
          error,
        });
        return false;
      }
    });
    if (readable.length === 0) return NOTHING;
    const { state, ticketKeys } = this.#store.decode(readable);
    const keys = ticketKeys.map(({ key }) => key);
    return { ...forGateways(state), state, ticketKeys: keys.length === 0 ? undefined : keys };
  }
}
