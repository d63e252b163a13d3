/**
 * Reads from the records of apps, releases and reports the little that routes go by. A record that cannot be read is said
 * once in the log and passed over, so that one app's strange record does not hold up the routes of all.
 */
import type { Logger } from '../base/log.ts';
import { Collection, type Entry, type Registry } from '../registry/registry.ts';
import type { RouteApp, RouteRelease, RouteReport } from './compose-route.ts';
import type { App, Release } from './model.ts';
import { type Report, REPORTS_PREFIX } from './reporter.ts';

export const APPS_PREFIX = '/apps/';
export const RELEASES_PREFIX = '/releases/';

export class RouteRecords {
  readonly #apps: Collection<App>;
  readonly #releases: Collection<Release>;
  readonly #reports: Collection<Report>;
  readonly #log: Logger;

  constructor(options: { readonly registry: Registry; readonly log: Logger }) {
    const { registry, log } = options;
    this.#apps = collection(registry, APPS_PREFIX);
    this.#releases = collection(registry, RELEASES_PREFIX);
    this.#reports = collection(registry, REPORTS_PREFIX);
    this.#log = log;
  }

  /** Undefined when it cannot be read. */
  app(entry: Entry): RouteApp | undefined {
    return this.#read(this.#apps, entry, (app) => app);
  }

  /** Undefined when it cannot be read. */
  release(entry: Entry): RouteRelease | undefined {
    return this.#read(this.#releases, entry, ({ id, plan }) => ({
      id,
      httpProcesses: Object.keys(plan.processes).filter(
        (process) => plan.processes[process]?.kind === 'http',
      ),
      site:
        plan.staticRoot === undefined
          ? undefined
          : { root: plan.staticRoot, fallback: plan.fallback, notFound: plan.notFound },
      isCached: plan.cache !== false,
    }));
  }

  /** Undefined when it cannot be read. */
  report(entry: Entry): RouteReport | undefined {
    return this.#read(this.#reports, entry, ({ releases, instances }) => ({
      releases,
      instances: instances.map(({ id, process, generation, state, draining, address }) => ({
        id,
        process,
        generation,
        state,
        draining,
        address,
      })),
    }));
  }

  #read<Record, Part>(
    from: Collection<Record>,
    entry: Entry,
    part: (record: Record) => Part,
  ): Part | undefined {
    try {
      return part(from.decode(entry).value);
    } catch (error) {
      this.#log.warn('A record that routes are made of cannot be read', { key: entry.key, error });
      return undefined;
    }
  }
}

function collection<T>(registry: Registry, prefix: string): Collection<T> {
  return new Collection<T>({ registry, prefix, schema: (value) => value as T });
}
