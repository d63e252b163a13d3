/**
 * Carries routes from the registry to this node's gateway: lists `/routes/`, watches it, and hands the whole set to
 * `apply` whenever it changed. Several commits that arrive while one set is being applied become one further set.
 */
import { isMolnError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { RouteConfig } from '../gateway/config.ts';
import type { RegistryReader, Revision, WatchBatch } from '../registry/registry.ts';

export const ROUTES_PREFIX = '/routes/';

const RETRY_MS = 500;

export interface RouteMirrorOptions {
  readonly registry: RegistryReader;
  /** Resolves when every gateway process uses exactly these routes. */
  readonly apply: (routes: readonly RouteConfig[]) => Promise<unknown>;
  readonly log: Logger;
  readonly clock: Clock;
}

interface Waiter {
  readonly revision: Revision;
  readonly done: () => void;
}

export class RouteMirror implements AsyncDisposable {
  readonly #options: RouteMirrorOptions;
  readonly #stop = new AbortController();
  readonly #routes = new Map<string, RouteConfig>();
  readonly #waiters = new Set<Waiter>();
  #seen: Revision = 0;
  #applied: Revision = -1;
  /** Counts what the gateways have to hear of: changes of the routes, and of what goes with them. */
  #wanted = 1;
  #reached = 0;
  #applying: Promise<void> | undefined;
  #loop: Promise<void> = Promise.resolve();

  constructor(options: RouteMirrorOptions) {
    this.#options = options;
  }

  /** Resolves when the routes of now are applied; goes on watching until disposed. */
  async start(): Promise<void> {
    const from = await this.#list();
    await this.#applyAll();
    this.#loop = this.#follow(from);
  }

  routes(): readonly RouteConfig[] {
    return [...this.#routes.values()];
  }

  /** Hands the same routes over again: something else that goes with them has changed. */
  applyAgain(): void {
    this.#wanted++;
    this.#schedule();
  }

  /** Resolves when every gateway uses the routes as of `revision` or later, or the mirror was disposed of. */
  async appliedAt(revision: Revision): Promise<void> {
    if (this.#applied >= revision || this.#stop.signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiter = { revision, done: resolve };
    this.#waiters.add(waiter);
    await promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#loop;
    for (const waiter of this.#waiters) waiter.done();
  }

  async #list(): Promise<Revision> {
    const { entries, revision } = await this.#options.registry.list(ROUTES_PREFIX);
    this.#routes.clear();
    for (const entry of entries) this.#put(entry.key, entry.value);
    this.#seen = revision;
    return revision + 1;
  }

  #put(key: string, value: Uint8Array): void {
    this.#routes.set(key, JSON.parse(Buffer.from(value).toString()) as RouteConfig);
  }

  async #follow(firstRevision: Revision): Promise<void> {
    const signal = this.#stop.signal;
    let from: Revision | undefined = firstRevision;
    while (!signal.aborted) {
      try {
        from ??= await this.#listAgain();
        for await (const batch of this.#options.registry.watch(ROUTES_PREFIX, from, signal)) {
          this.#take(batch);
          from = batch.revision + 1;
        }
      } catch (error) {
        if (signal.aborted) break;
        if (isMolnError(error, 'REGISTRY_COMPACTED')) {
          from = undefined;
          continue;
        }
        this.#options.log.warn('Route watch failed and will retry', { error });
      }
      // Also after a watch that just ended: one that ends at once must not become a spin.
      await this.#pause();
    }
    await this.#applying;
  }

  async #listAgain(): Promise<Revision> {
    const from = await this.#list();
    this.#wanted++;
    this.#schedule();
    return from;
  }

  #take(batch: WatchBatch): void {
    for (const change of batch.changes) {
      if (change.kind === 'put') this.#put(change.entry.key, change.entry.value);
      else this.#routes.delete(change.key);
    }
    this.#seen = batch.revision;
    this.#wanted++;
    this.#schedule();
  }

  /** One apply at a time; whatever changed meanwhile goes into the next. */
  #schedule(): void {
    this.#applying ??= this.#applyUntilCurrent().finally(() => {
      this.#applying = undefined;
      // What came after the last look found an apply under way and left it at that.
      if (this.#isBehind) this.#schedule();
    });
  }

  get #isBehind(): boolean {
    return this.#reached < this.#wanted && !this.#stop.signal.aborted;
  }

  async #applyUntilCurrent(): Promise<void> {
    while (this.#isBehind) {
      try {
        await this.#applyAll();
      } catch (error) {
        this.#options.log.error('The gateway did not take the routes and is asked again', {
          error,
        });
        await this.#pause();
      }
    }
  }

  async #applyAll(): Promise<void> {
    const revision = this.#seen;
    const wanted = this.#wanted;
    await this.#options.apply(this.routes());
    this.#applied = revision;
    this.#reached = wanted;
    for (const waiter of this.#waiters) {
      if (waiter.revision > revision) continue;
      this.#waiters.delete(waiter);
      waiter.done();
    }
  }

  /** Ends early, without an error, when the mirror is disposed. */
  async #pause(): Promise<void> {
    await this.#options.clock.sleep(RETRY_MS, this.#stop.signal).catch(() => undefined);
  }
}
