/**
 * What the registry says of apps, for those who look often: read again only when a watch told of a change, and now and then all
 * the same. It may lack the newest commit, so it is good for seeing that nothing has to be done; whoever acts asks `read` first.
 */
import { isMolnError } from '../base/errors.ts';
import type { Clock } from '../base/time.ts';
import type { StepResult, Worker } from '../base/worker.ts';
import type { Registry, Revision } from '../registry/registry.ts';
import type { AppStore } from './app-store.ts';
import type { App, Release } from './model.ts';
import { PLANNED_PREFIX, removalsPrefix } from './removals.ts';
import { type NodeReport, REPORTS_PREFIX, reportsOf } from './reporter.ts';
import { APPS_PREFIX, RELEASES_PREFIX } from './route-records.ts';
import { ASSIGNMENTS_PREFIX, type Slot } from './slots.ts';

export interface FollowedApp {
  /** Undefined when there is no such app (any more). */
  readonly app: App | undefined;
  /** The release that serves; undefined when there is none. */
  readonly release: Release | undefined;
  readonly slots: readonly Slot[];
  readonly slotsRevision: Revision;
  /** What the nodes say that they run of it. */
  readonly reports: readonly NodeReport[];
  /** This node has yet to remove an app of that name; whatever `app` is, it must not begin on what is left of that one. */
  readonly isLeaving: boolean;
}

export interface FollowedAppsOptions {
  readonly nodeId: string;
  readonly registry: Registry;
  readonly store: AppStore;
  readonly clock: Clock;
}

const PREFIXES = [APPS_PREFIX, RELEASES_PREFIX, ASSIGNMENTS_PREFIX, REPORTS_PREFIX] as const;
/** etcd has lost events before. */
const READ_AGAIN_MS = 30_000;
const RETRY_MS = 500;

export class FollowedApps implements Worker {
  readonly name = 'app-watch';
  readonly #options: FollowedAppsOptions;
  readonly #all: Kept<readonly App[]>;
  readonly #leaving: Kept<readonly string[]>;
  readonly #apps = new Map<string, Kept<FollowedApp>>();
  readonly #listeners = new Set<() => void>();
  #isFollowing = false;

  constructor(options: FollowedAppsOptions) {
    const { clock, store, nodeId } = options;
    this.#options = options;
    this.#all = new Kept(clock, () => store.list());
    this.#leaving = new Kept(clock, () => store.removals.of(nodeId));
  }

  status(): string {
    return this.#isFollowing ? 'Follows what the registry says of apps' : 'Cannot follow the apps';
  }

  /** All apps, by name, as far as is known. */
  list(): Promise<readonly App[]> {
    return this.#isFollowing ? this.#all.last() : this.#all.now();
  }

  /** Names of the apps that this node has yet to remove, as far as is known. */
  leaving(): Promise<readonly string[]> {
    return this.#isFollowing ? this.#leaving.last() : this.#leaving.now();
  }

  /** As far as is known. */
  of(app: string): Promise<FollowedApp> {
    return this.#isFollowing ? this.#kept(app).last() : this.read(app);
  }

  /** As of now. */
  read(app: string): Promise<FollowedApp> {
    return this.#kept(app).now();
  }

  /** The next `of` reads it: whoever committed something need not wait for the watch to say so. */
  forget(app: string): void {
    this.#apps.get(app)?.forget();
  }

  /** Calls after every change. */
  onChange(call: () => void): Disposable {
    this.#listeners.add(call);
    return { [Symbol.dispose]: () => this.#listeners.delete(call) };
  }

  /** One step is one watch: until the history is gone, the registry has to be read elsewhere, or the signal aborts. */
  async step(signal: AbortSignal): Promise<StepResult> {
    const { revision } = await this.#options.registry.list(APPS_PREFIX);
    const over = new AbortController();
    const stop = AbortSignal.any([signal, over.signal]);
    this.#all.forget();
    this.#leaving.forget();
    this.#apps.clear();
    this.#isFollowing = true;
    this.#tell();
    const leaving = [PLANNED_PREFIX, removalsPrefix(this.#options.nodeId)];
    const prefixes = [...PREFIXES, ...leaving];
    const watches = prefixes.map((prefix) =>
      this.#follow(prefix, revision + 1, stop).finally(() => over.abort()),
    );
    const ends = await Promise.allSettled(watches);
    this.#isFollowing = false;
    const failed = ends.find((end) => end.status === 'rejected');
    if (signal.aborted) return { kind: 'done' };
    if (failed === undefined) return { kind: 'idle', retryInMs: RETRY_MS };
    if (!isMolnError(failed.reason, 'REGISTRY_COMPACTED')) throw failed.reason;
    return { kind: 'busy' };
  }

  async #follow(prefix: string, from: Revision, signal: AbortSignal): Promise<void> {
    for await (const { changes } of this.#options.registry.watch(prefix, from, signal)) {
      for (const change of changes) {
        const key = change.kind === 'put' ? change.entry.key : change.key;
        const [app = ''] = key.slice(prefix.length).split('/');
        this.#apps.get(app)?.forget();
      }
      if (prefix === APPS_PREFIX) this.#all.forget();
      const isLeaving = prefix === removalsPrefix(this.#options.nodeId);
      if (isLeaving || prefix === PLANNED_PREFIX) this.#leaving.forget();
      this.#tell();
    }
  }

  #tell(): void {
    for (const call of this.#listeners) call();
  }

  #kept(app: string): Kept<FollowedApp> {
    const known = this.#apps.get(app);
    if (known !== undefined) return known;
    const kept = new Kept(this.#options.clock, async () => {
      const found = await this.#read(app);
      // Of one that is gone nothing has to be kept.
      if (found.app === undefined && this.#apps.get(app) === kept) this.#apps.delete(app);
      return found;
    });
    this.#apps.set(app, kept);
    return kept;
  }

  async #read(name: string): Promise<FollowedApp> {
    const { store, registry, nodeId } = this.#options;
    const app = (await store.find(name))?.value;
    // All after the app: what had to go before it could come is seen then.
    const [release, { slots, revision }, reports, isLeaving] = await Promise.all([
      app?.release === undefined ? undefined : store.release(name, app.release),
      store.slots(name),
      reportsOf(registry, name),
      store.removals.isKnown(nodeId, name),
    ]);
    return { app, release, slots, slotsRevision: revision, reports, isLeaving };
  }
}

/** The last answer to one question. */
class Kept<T> {
  readonly #clock: Clock;
  readonly #ask: () => Promise<T>;
  #answer: { readonly value: T; readonly askedAtMs: number } | undefined;
  /** Told apart from those that were asked before something changed. */
  #asking: object | undefined;

  constructor(clock: Clock, ask: () => Promise<T>) {
    this.#clock = clock;
    this.#ask = ask;
  }

  async last(): Promise<T> {
    const answer = this.#answer;
    const isGood =
      answer !== undefined && this.#clock.monotonicMs() - answer.askedAtMs < READ_AGAIN_MS;
    return isGood ? answer.value : this.now();
  }

  async now(): Promise<T> {
    const asking = {};
    this.#asking = asking;
    const askedAtMs = this.#clock.monotonicMs();
    const value = await this.#ask();
    if (this.#asking === asking) this.#answer = { value, askedAtMs };
    return value;
  }

  forget(): void {
    this.#answer = undefined;
    this.#asking = undefined;
  }
}
