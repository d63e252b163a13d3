/**
 * One node's part in a change that another one (or this one) coordinates: start instances on trial, then take part in the
 * new state or give them up. What is on trial counts for nothing; the commit of the app decides, and whoever missed it finds
 * out by looking.
 */
import type { Clock } from '../base/time.ts';
import type { Peers } from '../cluster/cluster.ts';
import type { Revision } from '../registry/registry.ts';
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
  /** Of the app as it will be. */
  readonly generation: string;
  /** Of the app before anything was decided. */
  readonly revision: Revision;
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
  /** By app: the uid that it has in that change. */
  readonly #uids = new Map<string, number>();
  /** By app: the removal that is being carried out. */
  readonly #removals = new Map<string, Promise<void>>();
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
    // An app of that name that was before: neither its data nor its processes are this one's.
    await this.carryOut(name);
    await this.#acceptDecided(name);
    this.#hold(name, by);
    this.#uids.set(name, app.uid);
    await this.#alone(name, async () => {
      await this.#giveUp(name);
      const revision = (await this.#context.store.find(name))?.revision ?? 0;
      await this.#copier.ensure(app, release);
      const releaseFolder = await this.#context.releases.open(name, release.id);
      const own = await this.#context.instanceEnv(app.name, env);
      const blueprint = { app, release, releaseFolder, env: own };
      const instances = await startFresh(this.#context.rollout, blueprint, counts, report);
      const untilMs =
        this.#clock.monotonicMs() + release.plan.health.startTimeoutMs + TRIAL_EXTRA_MS;
      const { generation } = app;
      this.#trials.set(name, { instances, generation, revision, untilMs });
      await this.#context.rollout.reporter.refresh(name);
    });
  }

  /** The change of that node was given up: what was on trial ends, after whoever may have asked it. */
  async abandon(app: string, by: string): Promise<void> {
    if (this.#holders.get(app) !== by) return;
    await this.#alone(app, () => this.#giveUp(app));
    if (this.#holders.get(app) === by) this.#release(app);
  }

  /**
   * That node has begun anew and coordinates nothing any more: what it had on trial here serves if it was committed, and
   * ends if not. Otherwise the app could not be changed until the trial's time is over.
   */
  async letGo(by: string): Promise<void> {
    for (const [app, holder] of this.#holders) {
      // What is still being prepared for it ends with the connection that asked for it.
      if (holder !== by || this.#busy.has(app)) continue;
      await this.#alone(app, async () => {
        this.#trials.delete(app);
        this.#holders.delete(app);
        await this.drainSurplus(app);
        await this.#context.rollout.reporter.refresh(app);
      });
    }
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
      this.#release(name);
      await this.drainSurplus(name);
      await reporter.settled(name);
      const leaving = supervisor.of(name).filter(isLeaving);
      await drained(rollout, leaving, options.report);
      if (options.force) await stopAll(rollout, supervisor.of(name), 'the app stops');
      await reporter.refresh(name);
    });
  }

  /**
   * When the registry says that this node has yet to remove an app of that name: nothing of it stays here, and the registry
   * is told. Throws `REGISTRY_UNAVAILABLE` while no manager answers.
   */
  async carryOut(name: string): Promise<void> {
    let removal = this.#removals.get(name);
    if (removal === undefined) {
      removal = this.#carryOut(name).finally(() => this.#removals.delete(name));
      this.#removals.set(name, removal);
    }
    await removal;
  }

  async #carryOut(name: string): Promise<void> {
    const { removals } = this.#context.store;
    for (;;) {
      const due = await removals.due(this.#peers.self, name);
      if (due === undefined) return;
      await this.#remove(name, new Set(due.value.uids));
      if (await removals.done(due)) return;
    }
  }

  /** What is here may be of a later app by now; then only processes of the former ones are to end. */
  async #remove(name: string, uids: ReadonlySet<number>): Promise<void> {
    const { rollout } = this.#context;
    const own = rollout.supervisor.of(name);
    const prepared = this.#uids.get(name);
    const former = own.filter(({ record }) => uids.has(record.uid));
    const isLater = former.length < own.length || (prepared !== undefined && !uids.has(prepared));
    if (isLater) return stopAll(rollout, former, 'the app was removed');
    await this.finish(name, { force: true, report: { step: () => {} } });
    await this.#context.removeFolder(name);
    rollout.reporter.forget(name);
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

  /**
   * Its coordinator has committed the change that was on trial here and did not come to tell, as when this node was silent for
   * a moment: that one is over, and what was on trial serves. The old finish with the next change, or when this node looks.
   */
  async #acceptDecided(app: string): Promise<void> {
    const trial = this.#trials.get(app);
    if (trial === undefined) return;
    const stored = await this.#context.store.find(app);
    // A change of the counts keeps the generation, and is a new revision all the same.
    const isDecided =
      stored?.value.generation === trial.generation && stored.revision !== trial.revision;
    if (!isDecided || this.#trials.get(app) !== trial) return;
    for (const each of trial.instances) each.accept();
    this.#trials.delete(app);
    this.#release(app);
  }

  #hold(app: string, by: string): void {
    const holder = this.#holders.get(app);
    const peer = holder === undefined ? undefined : this.#peers.get(holder);
    const isOther = peer !== undefined && peer.id !== by && peer.state !== 'lost';
    if (isOther && this.isHeld(app)) throw appHeld(app, peer.name);
    this.#holders.set(app, by);
  }

  #release(app: string): void {
    this.#holders.delete(app);
    this.#uids.delete(app);
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
