/**
 * How instances are replaced without anybody noticing: new ones are started beside the old, have to prove themselves,
 * the decision is committed, the route follows, and the old finish what is under way. Whatever fails before the
 * decision leaves the old ones as they were.
 */
import { formatDuration } from '../base/time.ts';
import type { Clock } from '../base/time.ts';
import type { Router } from './app-route.ts';
import type { SupervisedInstance } from './instance.ts';
import type { InstanceSupervisor } from './instance-supervisor.ts';
import type { LogReader } from './log-reader.ts';
import type { App, Release } from './model.ts';
import type { Report } from './operations.ts';
import { drainedBecause, isServing, surplus, wantedCount } from './plan-actions.ts';
import type { RoutePublisher } from './route-publisher.ts';
import { instanceFailed } from './run-errors.ts';
import { DRAIN_POLL_MS, FAILED_LOG_LINES } from './run-limits.ts';

export interface RolloutContext {
  readonly supervisor: InstanceSupervisor;
  readonly publisher: RoutePublisher;
  readonly router: Router;
  readonly logReader: LogReader;
  readonly clock: Clock;
}

/** What new instances are made of. */
export interface Blueprint {
  readonly app: App;
  readonly release: Release;
  readonly releaseFolder: string;
  /** Plain settings and opened secrets. */
  readonly env: Readonly<Record<string, string>>;
}

/** Makes the change durable, or takes it back when the gateways refuse it. */
export interface Decision {
  readonly commit: () => Promise<void>;
  readonly undo: () => Promise<void>;
}

/** Starts the instances of `counts` by process, beside whatever runs, and waits until all are healthy. */
export async function startFresh(
  context: RolloutContext,
  blueprint: Blueprint,
  counts: Readonly<Record<string, number>>,
  report: Report,
): Promise<SupervisedInstance[]> {
  const fresh: SupervisedInstance[] = [];
  const begun = context.clock.monotonicMs();
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
  if (total === 0) return fresh;
  report.step(`Starting ${describe(counts)}`);
  const giveUp = new AbortController();
  const signal = AbortSignal.any([report.signal, giveUp.signal]);
  const each = Object.entries(counts).flatMap(([process, count]) =>
    Array.from({ length: count }, () => startOne(context, blueprint, process, fresh, signal)),
  );
  try {
    await Promise.all(each);
  } catch (error) {
    giveUp.abort(error);
    // One that is being launched at this moment is to be stopped like the rest.
    await Promise.allSettled(each);
    await stopAll(context, fresh, 'the change was given up');
    throw error;
  }
  report.step(`Healthy after ${formatDuration(context.clock.monotonicMs() - begun)}`);
  return fresh;
}

async function startOne(
  context: RolloutContext,
  { app, release, releaseFolder, env }: Blueprint,
  process: string,
  fresh: SupervisedInstance[],
  signal: AbortSignal,
): Promise<void> {
  const plan = release.plan.processes[process];
  if (plan === undefined) return;
  const { supervisor, logReader } = context;
  const instance = await supervisor.start({
    app: app.name,
    uid: app.uid,
    release: release.id,
    process,
    kind: plan.kind,
    health: release.plan.health,
    trial: true,
    parts: { process: plan, releaseFolder, env },
  });
  fresh.push(instance);
  const { state, reason } = await supervisor.settled(instance, signal);
  if (state === 'healthy') return;
  const lines = await logReader.tail(app.name, instance.id, FAILED_LOG_LINES);
  throw instanceFailed({ app: app.name, process, instance: instance.id, reason, lines });
}

/** Lets `fresh` serve instead of `old`, and returns when the old have stopped or only hold upgraded connections. */
export async function swap(
  context: RolloutContext,
  options: {
    readonly app: string;
    readonly fresh: readonly SupervisedInstance[];
    readonly old: readonly SupervisedInstance[];
    readonly decision: Decision;
    readonly report: Report;
  },
): Promise<void> {
  const { app, fresh, old, decision, report } = options;
  try {
    report.decided();
    await decision.commit();
  } catch (error) {
    await stopAll(context, fresh, 'the change was given up');
    throw error;
  }
  for (const instance of fresh) instance.accept();
  const retired = old.filter((each) => isServing(each.life));
  for (const instance of retired) instance.drain();
  try {
    await context.publisher.refresh(app);
  } catch (error) {
    await decision.undo();
    for (const instance of retired) instance.resume();
    for (const instance of fresh) instance.drain();
    await context.publisher.refresh(app);
    await stopAll(context, fresh, 'the gateways refused the new route');
    throw error;
  }
  await drained(context, old, report);
}

/** Replaces all of an app's instances by new ones. */
export async function replaceAll(
  context: RolloutContext,
  blueprint: Blueprint,
  decision: Decision,
  report: Report,
): Promise<void> {
  const { app, release } = blueprint;
  const old = context.supervisor.of(app.name);
  const counts = Object.fromEntries(
    Object.keys(release.plan.processes).map((process) => [process, wantedCount(app, process)]),
  );
  const fresh = await startFresh(context, blueprint, counts, report);
  await swap(context, { app: app.name, fresh, old, decision, report });
}

/** Replaces the instances one after the other; the first failure leaves the rest as they were. */
export async function replaceOneByOne(
  context: RolloutContext,
  blueprint: Blueprint,
  report: Report,
): Promise<void> {
  const { app, release } = blueprint;
  const nothing: Decision = { commit: async () => {}, undo: async () => {} };
  for (const old of context.supervisor.of(app.name)) {
    const { process } = old.record;
    if (!isServing(old.life) || release.plan.processes[process] === undefined) continue;
    report.signal.throwIfAborted();
    const fresh = await startFresh(context, blueprint, { [process]: 1 }, report);
    const each: Report = { ...report, decided: () => report.signal.throwIfAborted() };
    await swap(context, { app: app.name, fresh, old: [old], decision: nothing, report: each });
  }
}

/** Starts what is missing for the wished counts, and retires what is too much. */
export async function resize(
  context: RolloutContext,
  blueprint: Blueprint,
  decision: Decision,
  report: Report,
): Promise<void> {
  const { app, release } = blueprint;
  const missing: Record<string, number> = {};
  const old: SupervisedInstance[] = [];
  for (const process of Object.keys(release.plan.processes)) {
    const have = context.supervisor
      .of(app.name)
      .filter((each) => each.record.process === process && isServing(each.life));
    const wanted = wantedCount(app, process);
    if (have.length < wanted) missing[process] = wanted - have.length;
    const tooMany = new Set(
      surplus(
        have.map((each) => each.view()),
        wanted,
      ).map(({ id }) => id),
    );
    old.push(...have.filter((each) => tooMany.has(each.id)));
  }
  const fresh = await startFresh(context, blueprint, missing, report);
  await swap(context, { app: app.name, fresh, old, decision, report });
}

/**
 * Stops draining instances as soon as nothing is under way on them. Those that only hold upgraded connections are left
 * to the reconciler.
 */
export async function drained(
  context: RolloutContext,
  instances: readonly SupervisedInstance[],
  report: Pick<Report, 'step'>,
): Promise<void> {
  let left = instances.filter((each) => each.life.state === 'draining');
  const stops = instances
    .filter((each) => each.life.state === 'stopped')
    .map((each) => context.supervisor.stop(each.id, 'it has ended'));
  let said = false;
  while (left.length > 0) {
    const load = await context.router.load(left.map(({ id }) => id));
    const waiting: SupervisedInstance[] = [];
    for (const instance of left) {
      const { requests, upgrades } = load[instance.id] ?? { requests: 0, upgrades: 0 };
      const { drainingSince } = instance.record;
      const why = drainedBecause({ requests, upgrades, drainingSince }, context.clock.now());
      if (why !== undefined) stops.push(context.supervisor.stop(instance.id, why));
      else if (requests === 0) {
        report.step(`Instance ${instance.id} stays for its ${upgrades} open connections`);
      } else waiting.push(instance);
    }
    left = waiting;
    if (left.length === 0) break;
    if (!said) report.step('Waiting for the requests of the old instances');
    said = true;
    await context.clock.sleep(DRAIN_POLL_MS);
  }
  await Promise.all(stops);
}

async function stopAll(
  context: RolloutContext,
  instances: readonly SupervisedInstance[],
  reason: string,
): Promise<void> {
  await Promise.all(instances.map(({ id }) => context.supervisor.stop(id, reason)));
}

/** `2 web, 1 worker` */
function describe(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([process, count]) => `${count} ${process}`)
    .join(', ');
}
