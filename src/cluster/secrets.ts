/**
 * Apps' secrets: sealed values under `/secrets/<app>/<NAME>`, each bound to its key. Names can be listed, values are
 * opened only to start an instance.
 */
import type { Operation, Registry } from '../registry/registry.ts';
import type { Sealer } from './sealing.ts';

export interface SecretChange {
  readonly set?: Readonly<Record<string, string>>;
  readonly unset?: readonly string[];
}

export class Secrets {
  readonly #registry: Registry;
  readonly #sealer: Sealer;

  constructor(options: { readonly registry: Registry; readonly sealer: Sealer }) {
    this.#registry = options.registry;
    this.#sealer = options.sealer;
  }

  /** Sorted by name. */
  async names(app: string): Promise<readonly string[]> {
    const prefix = prefixOf(app);
    const { entries } = await this.#registry.list(prefix);
    return entries.map((entry) => entry.key.slice(prefix.length));
  }

  /** Opens all of an app's. Throws `CLUSTER_SEAL_BROKEN` when one was tampered with. */
  async open(app: string): Promise<Readonly<Record<string, string>>> {
    const prefix = prefixOf(app);
    const { entries } = await this.#registry.list(prefix);
    return Object.fromEntries(
      entries.map(({ key, value }) => [
        key.slice(prefix.length),
        this.#sealer.open(value, key).toString('utf8'),
      ]),
    );
  }

  /** All of the change at once. */
  async change(app: string, change: SecretChange): Promise<void> {
    await this.#registry.commit([], this.operations(app, change));
  }

  /** The same for a commit of the caller's that changes more. */
  operations(app: string, change: SecretChange): readonly Operation[] {
    const unset = new Set(change.unset);
    const set = Object.entries(change.set ?? {}).filter(([name]) => !unset.has(name));
    return [
      ...[...unset].map((name): Operation => ({ kind: 'delete', key: prefixOf(app) + name })),
      ...set.map(([name, value]): Operation => {
        const key = prefixOf(app) + name;
        return { kind: 'put', key, value: this.#sealer.seal(value, key) };
      }),
    ];
  }

  async removeAll(app: string): Promise<void> {
    await this.#registry.commit([], [{ kind: 'deletePrefix', prefix: prefixOf(app) }]);
  }
}

function prefixOf(app: string): string {
  return `/secrets/${app}/`;
}
