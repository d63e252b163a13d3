/** Pure: an app as people see it, out of its wishes, its release and its instances. */
import type { PeerNode } from '../cluster/cluster.ts';
import type { NodeReport } from './reporter.ts';
import { hostsOf } from './app-route.ts';
import type { App, Instance, Release } from './model.ts';
import { DEPLOY, type Operation, ROLLBACK } from './operations.ts';
import { wantedCount } from './plan-actions.ts';

/** `empty`: nothing deployed yet. `starting`: its first instances are on their way. `degraded`: fewer healthy instances than wished. `failing`: none. */
export type AppState =
  | 'healthy'
  | 'degraded'
  | 'failing'
  | 'starting'
  | 'deploying'
  | 'stopped'
  | 'empty';

export interface AppView {
  readonly app: App;
  readonly state: AppState;
  /** The one that serves. */
  readonly release: Release | undefined;
  /** Newest first; only when asked for one app. */
  readonly releases: readonly Release[];
  /** Ids of those that are in the file store too; undefined while there is none. */
  readonly stored: readonly string[] | undefined;
  readonly instances: readonly InstanceView[];
  readonly healthy: number;
  readonly wanted: number;
  /** Own host first. */
  readonly hosts: readonly string[];
  readonly operation: Operation | undefined;
  /** Epoch milliseconds of the newest deploy or rollback. */
  readonly deployedAt: number | undefined;
}

export interface InstanceView extends Instance {
  /** Name of the node that it runs on. */
  readonly node: string;
  /** Undefined while no process runs, or while its node does not say. */
  readonly memoryBytes: number | undefined;
}

export function appView(input: {
  readonly app: App;
  readonly release: Release | undefined;
  readonly releases: readonly Release[];
  readonly stored: readonly string[] | undefined;
  readonly instances: readonly InstanceView[];
  readonly operation: Operation | undefined;
}): AppView {
  const { app, release, instances, operation } = input;
  const processes = Object.keys(release?.plan.processes ?? {});
  const wanted = app.running
    ? processes.reduce((sum, process) => sum + wantedCount(app, process), 0)
    : 0;
  const healthy = instances.filter(
    (each) => each.state === 'healthy' && each.release === app.release,
  ).length;
  return {
    ...input,
    state: stateOf({ app, instances, healthy, wanted, operation }),
    healthy,
    wanted,
    hosts: hostsOf(app),
    deployedAt: app.history[0]?.at,
  };
}

function stateOf(input: {
  readonly app: App;
  readonly instances: readonly InstanceView[];
  readonly healthy: number;
  readonly wanted: number;
  readonly operation: Operation | undefined;
}): AppState {
  const { app, instances, healthy, wanted, operation } = input;
  if (operation?.what === DEPLOY || operation?.what === ROLLBACK) return 'deploying';
  if (app.release === undefined) return 'empty';
  if (!app.running) return 'stopped';
  if (healthy >= wanted) return 'healthy';
  if (healthy > 0) return 'degraded';
  const own = instances.filter((each) => each.release === app.release);
  return own.every(isFirstStart) ? 'starting' : 'failing';
}

/** Nothing has gone wrong with it yet: after the start of a node, all apps are like this for a moment. */
function isFirstStart({ state, restarts }: InstanceView): boolean {
  return state === 'starting' && restarts === 0;
}

/** What another node reports; one that is not heard of may have anything. `memory`: bytes by instance. */
export function reportedViews(
  app: string,
  { report }: NodeReport,
  peer: PeerNode | undefined,
  memory: Readonly<Record<string, number>>,
): readonly InstanceView[] {
  if (peer === undefined) return [];
  const isHeard = peer.state === 'ready' || peer.state === 'draining';
  return report.instances.map((one) => ({
    ...one,
    app,
    state: isHeard ? one.state : 'unhealthy',
    reason: isHeard ? one.reason : `node ${peer.name} is ${peer.state}`,
    node: peer.name,
    memoryBytes: memory[one.id],
  }));
}
