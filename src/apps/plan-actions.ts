/** Pure: what has to be started, drained and stopped so that an app runs as wished. Tested by tables. */
import type { App, InstanceState, Release } from './model.ts';
import { DRAIN_TIMEOUT_MS, UPGRADED_DRAIN_TIMEOUT_MS } from './run-limits.ts';

export interface PlannedInstance {
  readonly id: string;
  readonly process: string;
  readonly release: string;
  readonly generation: string;
  readonly state: InstanceState;
  /** Belongs to an operation that has not decided yet. */
  readonly trial: boolean;
  /** Epoch milliseconds. */
  readonly startedAt: number;
  /** Epoch milliseconds; undefined unless it drains. */
  readonly drainingSince: number | undefined;
  /** True while a gateway may still send requests to it. */
  readonly routed: boolean;
  /** What is under way on it. */
  readonly requests: number;
  readonly upgrades: number;
}

export interface PlanInput {
  /** Undefined when there is no such app (any more). */
  readonly app: App | undefined;
  /** The release that serves; undefined when there is none. */
  readonly release: Release | undefined;
  /** Instances that this node is to run, by process type. */
  readonly counts: Readonly<Record<string, number>>;
  /** Processes of which the last one elsewhere has not ended yet: a singleton waits for that. */
  readonly waits: ReadonlySet<string>;
  /** An operation is under way: it decides alone about starting and draining. */
  readonly held: boolean;
  readonly instances: readonly PlannedInstance[];
}

export type Action =
  | { readonly kind: 'start'; readonly process: string; readonly count: number }
  /** Out of the route, and stopped when nothing is under way on it. */
  | { readonly kind: 'drain'; readonly id: string; readonly why: string }
  | { readonly kind: 'stop'; readonly id: string; readonly why: string };

/** `now`: epoch milliseconds. */
export function planActions(input: PlanInput, now: number): Action[] {
  const stops = input.instances.flatMap((each) => stopOf(each, input.held, now));
  return input.held ? stops : [...stops, ...balance(input)];
}

/** Wished number of instances of a process type. */
export function wantedCount(app: App, process: string): number {
  return Object.hasOwn(app.scale, process) ? (app.scale[process] ?? 1) : 1;
}

/** Instances that count: neither on their way out nor ended for good. */
export function isServing(instance: Pick<PlannedInstance, 'state'>): boolean {
  return instance.state !== 'draining' && instance.state !== 'stopped';
}

function stopOf(instance: PlannedInstance, held: boolean, now: number): Action[] {
  // Those on trial are ended by the operation that started them, while it lasts.
  if (held && instance.trial) return [];
  if (instance.state === 'stopped') {
    return [{ kind: 'stop', id: instance.id, why: 'it has ended' }];
  }
  if (instance.state !== 'draining' || instance.routed) return [];
  const why = drainedBecause(instance, now);
  return why === undefined ? [] : [{ kind: 'stop', id: instance.id, why }];
}

/** Why a draining instance may end now; undefined when it has to go on. */
export function drainedBecause(
  instance: Pick<PlannedInstance, 'requests' | 'upgrades' | 'drainingSince'>,
  now: number,
): string | undefined {
  if (instance.requests === 0 && instance.upgrades === 0) return 'nothing is under way on it';
  const waited = now - (instance.drainingSince ?? now);
  // Upgraded connections (WebSockets) and streams of events live long; requests that take so long are given up.
  const limit = instance.upgrades > 0 ? UPGRADED_DRAIN_TIMEOUT_MS : DRAIN_TIMEOUT_MS;
  return waited < limit ? undefined : `it had ${Math.round(limit / 1000)} s to finish`;
}

function balance({ app, release, counts, waits, instances }: PlanInput): Action[] {
  const serving = instances.filter(isServing);
  const drain = (why: string, of: readonly PlannedInstance[]): Action[] =>
    of.map(({ id }) => ({ kind: 'drain', id, why }));
  if (app === undefined) return drain('the app was removed', serving);
  if (!app.running) return drain('the app is stopped', serving);
  if (release === undefined) return drain('the app has no release', serving);

  const processes = release.plan.processes;
  const belongs = (each: PlannedInstance): boolean =>
    each.release === release.id &&
    each.generation === app.generation &&
    !each.trial &&
    Object.hasOwn(processes, each.process);
  const actions = drain(
    'it is of an older generation',
    serving.filter((each) => !belongs(each)),
  );
  for (const process of Object.keys(processes)) {
    const have = serving.filter((each) => belongs(each) && each.process === process);
    const wanted = counts[process] ?? 0;
    if (have.length < wanted && !waits.has(process)) {
      actions.push({ kind: 'start', process, count: wanted - have.length });
    }
    actions.push(...drain('fewer are wanted', surplus(have, wanted)));
  }
  return actions;
}

/** Which to give up: those that do not serve first, then the newest. */
export function surplus<T extends Pick<PlannedInstance, 'id' | 'state' | 'startedAt'>>(
  have: readonly T[],
  wanted: number,
): T[] {
  const worth = (each: T): number => (each.state === 'healthy' ? 0 : 1);
  return have
    .toSorted((a, b) => worth(a) - worth(b) || a.startedAt - b.startedAt || (a.id < b.id ? -1 : 1))
    .slice(Math.max(0, wanted));
}
