/**
 * The two halves of replacing instances on one node without anybody noticing: new ones are started beside the old and have to
 * prove themselves; later the old finish what is under way. What is decided in between is the coordinator's affair.
 */
import { formatDuration } from '../base/time.ts';
import type { Clock } from '../base/time.ts';
import type { Router } from './app-route.ts';
import type { SupervisedInstance } from './instance.ts';
import type { InstanceSupervisor } from './instance-supervisor.ts';
import type { LogReader } from './log-reader.ts';
import type { App, Release } from './model.ts';
import type { Report } from './operations.ts';
import { drainedBecause } from './plan-actions.ts';
import type { Reporter } from './reporter.ts';
import { instanceFailed } from './run-errors.ts';
import { DRAIN_POLL_MS, FAILED_LOG_LINES } from './run-limits.ts';

export interface RolloutContext {
  readonly supervisor: InstanceSupervisor;
  readonly reporter: Reporter;
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
    generation: app.generation,
    kind: plan.kind,
    health: release.plan.health,
    trial: true,
    parts: { process: plan, releaseFolder, env, folders: release.plan.folders ?? {} },
  });
  fresh.push(instance);
  const { state, reason } = await supervisor.settled(instance, signal);
  if (state === 'healthy') return;
  const lines = await logReader.tail(app.name, instance.id, FAILED_LOG_LINES);
  throw instanceFailed({ app: app.name, process, instance: instance.id, reason, lines });
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

export async function stopAll(
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
