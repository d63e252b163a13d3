/**
 * Keeps each app's published route equal to what its wishes and instances say. Every change goes through `refresh`,
 * which reads the newest of both, one at a time per app: an older route never overwrites a newer one.
 */
import type { AppRoute, Router } from './app-route.ts';
import { routeOf } from './app-route.ts';
import type { AppStore } from './app-store.ts';
import type { InstanceSupervisor } from './instance-supervisor.ts';
import { isServing } from './plan-actions.ts';
import type { ReleaseStore } from './release-store.ts';

export interface PublisherOptions {
  readonly store: AppStore;
  readonly releases: ReleaseStore;
  readonly supervisor: InstanceSupervisor;
  readonly router: Router;
}

interface Published {
  readonly route: AppRoute | undefined;
}

export class RoutePublisher {
  readonly #options: PublisherOptions;
  readonly #published = new Map<string, Published>();
  /** By app: the end of the line of refreshes. */
  readonly #lines = new Map<string, Promise<void>>();

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  /** Apps that have a route now. */
  apps(): string[] {
    return [...this.#published.keys()];
  }

  /** True while a gateway may send requests to the instance. Before the first refresh nobody knows. */
  isRouted(app: string, instance: string): boolean {
    const published = this.#published.get(app);
    if (published === undefined) return true;
    const target = published.route?.target;
    return target?.kind === 'upstreams' && target.upstreams.some(({ id }) => id === instance);
  }

  /** Publishes what is true now, if it differs; resolves when all gateways use it. */
  async refresh(app: string): Promise<void> {
    const line = (this.#lines.get(app) ?? Promise.resolve()).then(() => this.#refresh(app));
    const settled = line.catch(() => {});
    this.#lines.set(app, settled);
    try {
      await line;
    } finally {
      if (this.#lines.get(app) === settled) this.#lines.delete(app);
    }
  }

  async #refresh(name: string): Promise<void> {
    const { store, releases, supervisor, router } = this.#options;
    const app = (await store.find(name))?.value;
    const before = this.#published.get(name);
    if (app === undefined) {
      await router.publish(name, undefined);
      this.#published.set(name, { route: undefined });
      return;
    }
    const release = app.release === undefined ? undefined : await store.release(name, app.release);
    const isStatic = release?.plan.staticRoot !== undefined;
    const route = routeOf({
      app,
      release,
      releaseFolder: isStatic ? await releases.open(name, release.id) : '',
      instances: supervisor
        .of(name)
        .filter((each) => !each.trial && each.record.release === app.release)
        .filter((each) => isServing(each.life))
        .map((each) => each.view()),
      last: before?.route?.target,
    });
    if (JSON.stringify(route) === JSON.stringify(before?.route)) return;
    await router.publish(name, route);
    this.#published.set(name, { route });
  }

  /** The app is gone for good. */
  forget(app: string): void {
    this.#published.delete(app);
  }
}
