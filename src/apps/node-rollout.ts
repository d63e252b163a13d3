/**
 * One node's part in a change that another one (or this one) coordinates: start instances on trial, then take part in the
 * new state or give them up. What is on trial counts for nothing; the commit of the app decides, and whoever missed it finds
 * out by looking.
 */
import type { Clock } from '../base/time.ts';
import type { Peers } from '../cluster/cluster.ts';
import type { AppContext } from './app-context.ts';
import type { SupervisedInstance } from './instance.ts';
import type { App, Release } from './model.ts';
import type { Report } from './operations.ts';
import { planActions, type PlannedInstance } from './plan-actions.ts';
import type { ReleaseCopier } from './release-copy.ts';
import { drained, startFresh, stopAll } from './rollout.ts';
import { appHeld } from './run-errors.ts';
import { countsOf } from './slots.ts';

/** What a node is asked to have ready. */
export interface Preparation {
  /** The app as it will be, with the generation that the instances are for. */
  readonly app: App;
  readonly release: Release;
  /** Settings and opened secrets. */
  readonly env: Readonly<Record<string, string>>;
  /** Instances by process type. */
  readonly counts: Readonly<Record<string, number>>;
}

interface Trial {
  readonly instances: readonly SupervisedInstance[];
  /** By the monotonic clock: a coordinator that says nothing for so long is gone. */
  readonly untilMs: number;
}

/** After a start a coordinator decides at once; it may have to wait for the slowest node. */
const TRIAL_EXTRA_MS = 120_000;

export class NodeRollout {
  readonly #context: AppContext;
  readonly #copier: ReleaseCopier;
  readonly #peers: Peers;
  readonly #clock: Clock;
  /** By app. */
  readonly #trials = new Map<string, Trial>();
  /** By app: the node whose change is prepared here. */
  readonly #holders = new Map<string, string>();
  /** Apps of which something is being prepared or finished right now. */
  readonly #busy = new Map<string, number>();
  #changes = 0;

  constructor(options: {
    readonly context: AppContext;
    readonly copier: ReleaseCopier;
    readonly peers: Peers;
    readonly clock: Clock;
  }) {
    this.#context = options.context;
    this.#copier = options.copier;
    this.#peers = options.peers;
    this.#clock = options.clock;
  }

  /** Grows whenever this node begins or ends its part in a change: what was read before may no longer be true. */
  get changes(): number {
    return this.#changes;
  }

  /** True while the coordinator alone decides about starting and draining. */
  isHeld(app: string): boolean {
    if (this.#busy.has(app)) return true;
    const trial = this.#trials.get(app);
    if (trial === undefined) return false;
    if (this.#clock.monotonicMs() < trial.untilMs) return true;
    this.#trials.delete(app);
    return false;
  }

  /**
   * The release is here and the instances are healthy, on trial. Nothing is left of them when it throws. `by`: the node that
   * coordinates; it has one change of an app at a time. Throws `APPS_BUSY` while another one has: to give up its trial would
   * leave the app without instances once it has committed.
   */
  async prepare(wanted: Preparation, report: Report, by: string): Promise<void> {
    const { app, release, env, counts } = wanted;
    const { name } = app;
    this.#hold(name, by);
    await this.#alone(name, async () => {
      await this.#giveUp(name);
      await this.#copier.ensure(app, release);
      const releaseFolder = await this.#context.releases.open(name, release.id);
      const blueprint = { app, release, releaseFolder, env };
      const instances = await startFresh(this.#context.rollout, blueprint, counts, report);
      const untilMs =
        this.#clock.monotonicMs() + release.plan.health.startTimeoutMs + TRIAL_EXTRA_MS;
      this.#trials.set(name, { instances, untilMs });
      await this.#context.rollout.reporter.refresh(name);
    });
  }

  /** The change of that node was given up: what was on trial ends, after whoever may have asked it. */
  async abandon(app: string, by: string): Promise<void> {
    if (this.#holders.get(app) !== by) return;
    await this.#alone(app, () => this.#giveUp(app));
    if (this.#holders.get(app) === by) this.#holders.delete(app);
  }

  /** The commit is there: what belongs serves, what does not ends when nothing is under way on it. */
  async finish(
    name: string,
    options: { readonly force: boolean; readonly report: Pick<Report, 'step'> },
  ): Promise<void> {
    const { rollout } = this.#context;
    const { supervisor, reporter } = rollout;
    await this.#alone(name, async () => {
      this.#trials.delete(name);
      this.#holders.delete(name);
      await this.drainSurplus(name);
      await reporter.settled(name);
      const leaving = supervisor.of(name).filter(isLeaving);
      await drained(rollout, leaving, options.report);
      if (options.force) await stopAll(rollout, supervisor.of(name), 'the app stops');
      await reporter.refresh(name);
    });
  }

  /** Nothing of the app stays on this node. */
  async forget(name: string): Promise<void> {
    await this.finish(name, { force: true, report: { step: () => {} } });
    await this.#context.removeFolder(name);
    this.#context.rollout.reporter.forget(name);
  }

  /** Accepts what is of the current generation, and drains what does not belong here. */
  async drainSurplus(name: string): Promise<void> {
    const { store, rollout } = this.#context;
    const { supervisor } = rollout;
    const app = (await store.find(name))?.value;
    const release = app?.release === undefined ? undefined : await store.release(name, app.release);
    const { slots } = await store.slots(name);
    for (const each of supervisor.of(name)) {
      if (each.trial && each.record.generation === app?.generation) each.accept();
    }
    const input = {
      app,
      release,
      counts: countsOf(slots, this.#peers.self),
      waits: new Set<string>(),
      held: false,
      instances: supervisor.of(name).map(plannedOf),
    };
    for (const action of planActions(input, this.#clock.now())) {
      if (action.kind === 'drain') supervisor.get(action.id)?.drain();
    }
  }

  #hold(app: string, by: string): void {
    const holder = this.#holders.get(app);
    const peer = holder === undefined ? undefined : this.#peers.get(holder);
    const isOther = peer !== undefined && peer.id !== by && peer.state !== 'lost';
    if (isOther && this.isHeld(app)) throw appHeld(app, peer.name);
    this.#holders.set(app, by);
  }

  async #giveUp(app: string): Promise<void> {
    const trial = this.#trials.get(app);
    this.#trials.delete(app);
    if (trial === undefined) return;
    const { rollout } = this.#context;
    for (const instance of trial.instances) instance.drain();
    await rollout.reporter.settled(app);
    await stopAll(rollout, trial.instances, 'the change was given up');
    await rollout.reporter.refresh(app);
  }

  async #alone<T>(app: string, work: () => Promise<T>): Promise<T> {
    this.#busy.set(app, (this.#busy.get(app) ?? 0) + 1);
    this.#changes++;
    try {
      return await work();
    } finally {
      this.#changes++;
      const left = (this.#busy.get(app) ?? 1) - 1;
      if (left === 0) this.#busy.delete(app);
      else this.#busy.set(app, left);
    }
  }
}

function isLeaving({ life }: SupervisedInstance): boolean {
  return life.state === 'draining' || life.state === 'stopped';
}

/** As far as a decision about serving goes by it. */
function plannedOf(each: SupervisedInstance): PlannedInstance {
  const { process, release, generation, startedAt, drainingSince } = each.record;
  return {
    id: each.id,
    process,
    release,
    generation,
    state: each.life.state,
    trial: each.trial,
    startedAt,
    drainingSince,
    routed: true,
    requests: 0,
    upgrades: 0,
  };
}
