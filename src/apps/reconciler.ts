/** Brings what runs closer to what is wished, one look at all apps per step. Decides with `planActions`. */
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { StepResult, Worker } from '../base/worker.ts';
import type { SingletonGuard } from './singleton-guard.ts';
import type { Peers } from '../cluster/cluster.ts';
import type { AppContext } from './app-context.ts';
import type { FollowedApp, FollowedApps } from './followed-apps.ts';
import { backoffMs } from './instance-life.ts';
import type { SupervisedInstance } from './instance.ts';
import type { NodeRollout } from './node-rollout.ts';
import type { ReleaseCopier } from './release-copy.ts';
import { countsOf } from './slots.ts';
import type { App, Release } from './model.ts';
import type { Operations } from './operations.ts';
import { type Action, type PlannedInstance, planActions } from './plan-actions.ts';
import { mayRun, type NodeReport } from './reporter.ts';
import { RECONCILE_EVERY_MS, STARTING_AT_ONCE_MAX, STARTING_COUNTS_MS } from './run-limits.ts';

export interface ReconcilerOptions {
  readonly context: AppContext;
  readonly followed: FollowedApps;
  readonly operations: Operations;
  readonly local: NodeRollout;
  readonly copier: ReleaseCopier;
  readonly peers: Peers;
  readonly fence: SingletonFence;
  readonly guard: SingletonGuard;
  readonly nodeId: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Whether a node may run singletons: it has been heard lately enough. */
export interface SingletonFence {
  /** Undefined: by the cluster's own clock. */
  isFenced(lostAfterMs: number | undefined): boolean;
}

/** Up to so many nodes each keeps the current release of every app. */
const COPIES_EVERYWHERE_MAX = 3;
const COPY_AGAIN_MS = 60_000;

/** What one look at an app found to be done. */
interface Plan {
  readonly known: FollowedApp;
  readonly actions: readonly Action[];
  readonly held: boolean;
  /** Begins and ends of operations that were counted before anything was read for it. */
  readonly changes: number;
}

interface Failure {
  readonly count: number;
  /** Monotonic milliseconds. */
  readonly retryAt: number;
  readonly problem: string;
}

export class Reconciler implements Worker {
  readonly name = 'apps';
  readonly #options: ReconcilerOptions;
  readonly #failures = new Map<string, Failure>();
  readonly #stops = new Set<Promise<void>>();
  readonly #removals = new Map<string, Promise<void>>();
  /** By app and release: when a spare copy was last looked after, by the monotonic clock. */
  readonly #copied = new Map<string, number>();
  #apps = 0;

  constructor(options: ReconcilerOptions) {
    this.#options = options;
  }

  status(): string {
    const failing = [...this.#failures].map(([app, { problem }]) => `${app}: ${problem}`);
    return failing.length === 0
      ? `${this.#apps} ${this.#apps === 1 ? 'app' : 'apps'} as wished`
      : failing.join('; ');
  }

  async step(signal: AbortSignal): Promise<StepResult> {
    const { context, followed } = this.#options;
    const { supervisor, reporter } = context.rollout;
    if (supervisor.isClosed) return { kind: 'done' };
    const apps = await followed.list();
    this.#apps = apps.length;
    const names = new Set([
      ...apps.map((app) => app.name),
      ...(await followed.leaving()),
      ...reporter.apps(),
      ...supervisor.list().map((each) => each.record.app),
    ]);
    for (const name of names) {
      if (signal.aborted) break;
      await this.#tend(name);
    }
    return { kind: 'idle', retryInMs: RECONCILE_EVERY_MS };
  }

  /** Waits for instances that are being stopped. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled([...this.#stops, ...this.#removals.values()]);
  }

  async #tend(name: string): Promise<void> {
    const { clock, log } = this.#options;
    const failure = this.#failures.get(name);
    if (failure !== undefined && clock.monotonicMs() < failure.retryAt) return;
    try {
      await this.#reconcile(name);
      if (!this.#removals.has(name)) this.#failures.delete(name);
    } catch (error) {
      this.#failed(name, error);
      log.warn('Cannot bring an app to its wished state', { app: name, error });
    }
  }

  #failed(name: string, error: unknown): void {
    const count = (this.#failures.get(name)?.count ?? 0) + 1;
    const retryAt = this.#options.clock.monotonicMs() + backoffMs(count);
    this.#failures.set(name, { count, retryAt, problem: messageOf(error) });
  }

  async #reconcile(name: string): Promise<void> {
    const { context, followed } = this.#options;
    const { supervisor, reporter } = context.rollout;
    let plan = await this.#plan(name, () => followed.of(name));
    // What is known may lack the newest commit.
    if (plan !== undefined && (plan.actions.length > 0 || plan.known.app === undefined)) {
      plan = await this.#plan(name, () => followed.read(name));
    }
    if (plan === undefined) return;
    const { app, release } = plan.known;
    for (const action of plan.actions) {
      // An operation that came or went in between may have made the plan wrong; the next look plans anew.
      if (this.#changes() !== plan.changes) return;
      await this.#act(action, app, release);
    }
    await reporter.keepUp(name);
    if (app === undefined && !plan.held && supervisor.of(name).length === 0) reporter.forget(name);
  }

  /** Undefined while what was here before of an app of that name has to go first. */
  async #plan(name: string, find: () => Promise<FollowedApp>): Promise<Plan | undefined> {
    const { context, operations, local, copier, nodeId, clock } = this.#options;
    const changes = this.#changes();
    const held = operations.current(name) !== undefined || local.isHeld(name);
    const known = await find();
    if (known.isLeaving) {
      if (!held) this.#carryOut(name);
      return undefined;
    }
    const { app, release, slots, reports } = known;
    const counts = countsOf(slots, nodeId);
    const isSite = release?.plan.staticRoot !== undefined;
    const isHere = Object.values(counts).some((count) => count > 0);
    // A coordinator asks for what it needs; this is for nodes that came, or came back, later.
    if (app !== undefined && release !== undefined && !held && (isSite || isHere)) {
      await copier.ensure(app, release);
    } else if (app !== undefined && release !== undefined && !held) this.#keepCopy(app, release);
    if (!held && app !== undefined) this.#acceptTrials(app);
    const waits = this.#waits(name, { release, counts, reports });
    const instances = await this.#planned(context.rollout.supervisor.of(name));
    const input = { app, release, counts, waits, held, instances };
    return { known, actions: planActions(input, clock.now()), held, changes };
  }

  #changes(): number {
    return this.#options.operations.changes + this.#options.local.changes;
  }

  /** Takes as long as the requests that are under way; nobody else has to wait for that. */
  #carryOut(name: string): void {
    if (this.#removals.has(name)) return;
    const { local, log } = this.#options;
    const removal = local
      .carryOut(name)
      .then(
        () => {
          this.#failures.delete(name);
          log.info('A removed app has left this node', { app: name });
        },
        (error: unknown) => {
          this.#failed(name, error);
          log.warn('A removed app cannot leave this node', { app: name, error });
        },
      )
      .finally(() => this.#removals.delete(name));
    this.#removals.set(name, removal);
  }

  /** In a small cluster every node has what all apps are made of, for the day on which it has to start them. */
  #keepCopy(app: App, release: Release): void {
    const { copier, peers, clock, log } = this.#options;
    const nodes = peers.all().length;
    if (nodes < 2 || nodes > COPIES_EVERYWHERE_MAX) return;
    const key = `${app.name}/${release.id}`;
    const nowMs = clock.monotonicMs();
    if (nowMs - (this.#copied.get(key) ?? -Infinity) < COPY_AGAIN_MS) return;
    this.#copied.set(key, nowMs);
    copier.ensure(app, release).catch((error: unknown) => {
      log.info('A spare copy of a release is missing', { app: app.name, reason: messageOf(error) });
    });
  }

  /** Of a coordinator that decided and did not come to tell. */
  #acceptTrials(app: App): void {
    for (const each of this.#options.context.rollout.supervisor.of(app.name)) {
      if (each.trial && each.record.generation === app.generation) each.accept();
    }
  }

  /** Singletons that may not be started now: one runs elsewhere, or this node may count as lost there. */
  #waits(
    name: string,
    given: {
      readonly release: Release | undefined;
      readonly counts: Readonly<Record<string, number>>;
      readonly reports: readonly NodeReport[];
    },
  ): ReadonlySet<string> {
    const { release, counts, reports } = given;
    const { context, peers, fence, nodeId } = this.#options;
    const singletons = (release?.plan.placement.singletons ?? []).filter(
      (process) => (counts[process] ?? 0) > 0,
    );
    if (release === undefined || singletons.length === 0) return new Set();
    if (fence.isFenced(release.plan.placement.lostAfterMs)) return new Set(singletons);
    const own = context.rollout.supervisor.of(name);
    const elsewhere = reports.filter(
      ({ nodeId: id }) => id !== nodeId && mayRun(peers, id, release),
    );
    return new Set(
      singletons.filter(
        (process) =>
          elsewhere.some(({ report }) => report.instances.some((one) => one.process === process)) ||
          own.some(({ record, life }) => record.process === process && life.state === 'draining'),
      ),
    );
  }

  async #planned(instances: readonly SupervisedInstance[]): Promise<PlannedInstance[]> {
    const { router, reporter } = this.#options.context.rollout;
    const draining = instances.filter((each) => each.life.state === 'draining');
    const load = draining.length === 0 ? {} : await router.load(draining.map(({ id }) => id));
    return instances.map((each) => ({
      id: each.id,
      process: each.record.process,
      release: each.record.release,
      generation: each.record.generation,
      state: each.life.state,
      trial: each.trial,
      startedAt: each.record.startedAt,
      drainingSince: each.record.drainingSince,
      routed: reporter.isRouted(each.record.app, each.id),
      requests: load[each.id]?.requests ?? 0,
      upgrades: load[each.id]?.upgrades ?? 0,
    }));
  }

  async #act(action: Action, app: App | undefined, release: Release | undefined): Promise<void> {
    const { context, log } = this.#options;
    const { supervisor } = context.rollout;
    log.debug('Reconciles', { app: app?.name, ...action });
    if (action.kind === 'drain') supervisor.get(action.id)?.drain();
    if (action.kind === 'stop') this.#stop(action.id, action.why);
    if (action.kind !== 'start' || app === undefined || release === undefined) return;
    const plan = release.plan.processes[action.process];
    if (plan === undefined) return;
    const parts = await context.parts(app.name, release.id, action.process);
    const isSingleton = release.plan.placement.singletons.includes(action.process);
    if (isSingleton) await this.#options.guard.ready();
    for (let count = 0; count < action.count; count++) {
      // The rest follows at the next look: after a boot, starting everything at once would be slower for all.
      if (this.#starting() >= STARTING_AT_ONCE_MAX) return;
      await supervisor.start({
        app: app.name,
        uid: app.uid,
        release: release.id,
        process: action.process,
        generation: app.generation,
        ...(isSingleton ? { singleton: { lostAfterMs: release.plan.placement.lostAfterMs } } : {}),
        kind: plan.kind,
        health: release.plan.health,
        trial: false,
        parts,
      });
    }
  }

  #starting(): number {
    const { clock, context } = this.#options;
    const since = clock.monotonicMs() - STARTING_COUNTS_MS;
    const all = context.rollout.supervisor.list();
    return all.filter(({ life }) => life.state === 'starting' && life.launchedAt > since).length;
  }

  /** Takes up to the app's stop time-out; nobody else has to wait for that. */
  #stop(id: string, why: string): void {
    const { context, log } = this.#options;
    const stop = context.rollout.supervisor
      .stop(id, why)
      .catch((error: unknown) => log.error('Cannot stop an instance', { instance: id, error }))
      .finally(() => this.#stops.delete(stop));
    this.#stops.add(stop);
  }
}
