/**
 * The routes and listeners of the registry on one node, kept up with it. Told of changes by whoever follows the registry; a
 * record that cannot be read is said once and passed over, so that it does not hold up all others.
 */
import type { Logger } from '../base/log.ts';
import { Collection, type Entry, type Registry } from '../registry/registry.ts';
import {
  checkPort,
  checkRoute,
  type PortConfig,
  type PortGround,
  readPort,
  readRoute,
  type RecordGround,
} from './check-record.ts';
import type { RouteConfig } from './ground.ts';
import {
  PREFIXES,
  type RecordKind,
  recordSchema,
  TURN_KEY,
  type Written,
  type WrittenRecord,
} from './records.ts';

const KINDS: readonly RecordKind[] = ['route', 'listener'];

export class RecordedRoutes {
  readonly #log: Logger;
  readonly #collections: Readonly<Record<RecordKind, Collection<WrittenRecord>>>;
  readonly #written: Readonly<Record<RecordKind, Map<string, Written>>> = {
    route: new Map(),
    listener: new Map(),
  };

  constructor(options: { readonly registry: Registry; readonly log: Logger }) {
    const { registry, log } = options;
    this.#log = log;
    this.#collections = {
      route: new Collection({ registry, prefix: PREFIXES.route, schema: recordSchema }),
      listener: new Collection({ registry, prefix: PREFIXES.listener, schema: recordSchema }),
    };
  }

  static isAbout(key: string): boolean {
    return key !== TURN_KEY && KINDS.some((kind) => key.startsWith(PREFIXES[kind]));
  }

  clear(): void {
    for (const kind of KINDS) this.#written[kind].clear();
  }

  /** Keys of others are passed over. */
  put(entry: Entry): void {
    const kind = KINDS.find((each) => entry.key.startsWith(PREFIXES[each]));
    if (kind === undefined) return;
    const name = entry.key.slice(PREFIXES[kind].length);
    try {
      const { written } = this.#collections[kind].decode(entry).value;
      if (kind === 'route') checkRoute(name, written);
      else checkPort(name, written);
      this.#written[kind].set(name, written);
    } catch (error) {
      this.#written[kind].delete(name);
      this.#log.warn(`A ${kind} cannot be read and is passed over`, { name, error });
    }
  }

  remove(key: string): void {
    for (const kind of KINDS) {
      if (key.startsWith(PREFIXES[kind]))
        this.#written[kind].delete(key.slice(PREFIXES[kind].length));
    }
  }

  /** By name. */
  routes(ground: RecordGround): readonly RouteConfig[] {
    return this.#all('route', (name, written) => readRoute(name, written, ground));
  }

  /** By name. */
  ports(ground: PortGround): readonly PortConfig[] {
    return this.#all('listener', (name, written) => readPort(name, written, ground));
  }

  #all<T>(kind: RecordKind, read: (name: string, written: Written) => T): readonly T[] {
    const names = [...this.#written[kind].keys()].toSorted();
    return names.flatMap((name) => {
      const written = this.#written[kind].get(name);
      return written === undefined ? [] : [read(name, written)];
    });
  }
}
