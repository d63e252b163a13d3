/** Certificates as a node holds them: what its gateways are told, and the records for who changes them. */
import type { Logger } from '../base/log.ts';
import { CertMirror, RegistryStore, type RegistryStoreOptions } from '../certs/certs.ts';
import type { Identity } from '../cluster/cluster.ts';
import type { Registry } from '../registry/registry.ts';

export class GatewayCertificates {
  readonly mirror: CertMirror;
  readonly sealer: RegistryStoreOptions['sealer'];
  readonly #registry: Registry;
  readonly #listeners = new Set<() => void>();

  constructor(options: {
    readonly registry: Registry;
    readonly identity: Pick<Identity, 'sealer'>;
    readonly log: Logger;
  }) {
    const { registry, identity, log } = options;
    const { sealer } = identity;
    this.#registry = registry;
    this.sealer = {
      seal: (plain, context) => sealer.seal(plain, context),
      open: (sealed, context) => sealer.open(sealed, context).toString(),
    };
    // It only reads: nobody waits for the gateways.
    this.mirror = new CertMirror({ store: this.store(() => Promise.resolve()), log });
  }

  store(settled: RegistryStoreOptions['settled']): RegistryStore {
    return new RegistryStore({ registry: this.#registry, sealer: this.sealer, settled });
  }

  /** The gateways have taken new routes or certificates. */
  changed(): void {
    for (const call of this.#listeners) call();
  }

  onChange(call: () => void): Disposable {
    this.#listeners.add(call);
    return { [Symbol.dispose]: () => void this.#listeners.delete(call) };
  }
}
