/**
 * Tells the cluster what this node runs of each app: `/instances/<app>/<node id>`, format 1, written by this node alone
 * whenever something changed that others go by. Gateways compose their routes from it; an instance is stopped only after
 * every gateway has seen that it is on its way out.
 */
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { type Peers, PRESENCE_CLOCKS } from '../cluster/cluster.ts';
import { Collection, type Registry, type Revision } from '../registry/registry.ts';
import type { FollowedApps } from './followed-apps.ts';
import type { InstanceSupervisor } from './instance-supervisor.ts';
import type { DriverName, InstanceAddress, InstanceState, Release } from './model.ts';
import type { ReleaseStore } from './release-store.ts';

export const REPORTS_PREFIX = '/instances/';

/** What one node says of one app. */
export interface Report {
  /** Releases whose tree is on that node, of those that a site may be served from. */
  readonly releases: readonly string[];
  readonly instances: readonly ReportedInstance[];
}

export interface ReportedInstance {
  readonly id: string;
  readonly process: string;
  readonly release: string;
  readonly generation: string;
  readonly state: InstanceState;
  readonly reason: string;
  readonly draining: boolean;
  readonly address: InstanceAddress | undefined;
  readonly pid: number | undefined;
  readonly driver: DriverName;
  readonly startedAt: number;
  readonly restarts: number;
}

/** The gateways of all nodes. */
export interface Gateways {
  /** Resolves when all that can be heard use the routes as of the revision. */
  settled(revision: Revision, signal?: AbortSignal): Promise<void>;
  /** What runs on this node, first hand, for its own gateways: also while nothing can be written. */
  own?(app: string, report: Report | undefined): void;
}

/** By app and node: what the nodes report. */
export interface NodeReport {
  readonly nodeId: string;
  readonly report: Report;
}

export function reportRecords(registry: Registry, app: string): Collection<Report> {
  return new Collection({
    registry,
    prefix: `${REPORTS_PREFIX}${app}/`,
    schema: (value) => value as Report,
  });
}

/** What every node reports of the app. */
export async function reportsOf(registry: Registry, app: string): Promise<readonly NodeReport[]> {
  const records = await reportRecords(registry, app).list();
  return records.map(({ id, value }) => ({ nodeId: id, report: value }));
}

/** Not counted as lost by the app's clock: what the node reports may still run. One that was forgotten is silent from then on. */
export function mayRun(
  peers: Pick<Peers, 'get' | 'goneMs'>,
  nodeId: string,
  release: Release,
): boolean {
  const { lostAfterMs } = release.plan.placement;
  const peer = peers.get(nodeId);
  if (peer === undefined)
    return peers.goneMs(nodeId) < (lostAfterMs ?? PRESENCE_CLOCKS.lostAfterMs);
  if (lostAfterMs === undefined) return peer.state !== 'lost';
  return peer.state === 'ready' || peer.state === 'draining' || peer.silentMs < lostAfterMs;
}

export interface ReporterOptions {
  readonly nodeId: string;
  readonly registry: Registry;
  readonly followed: Pick<FollowedApps, 'of' | 'forget'>;
  readonly releases: ReleaseStore;
  readonly supervisor: InstanceSupervisor;
  readonly gateways: Gateways;
  readonly log: Logger;
}

interface Told {
  readonly text: string;
  readonly revision: Revision;
  /** Instances that gateways may still send requests to, as of what they are known to have seen. */
  routed: ReadonlySet<string> | undefined;
  readonly next: ReadonlySet<string>;
  settling: Promise<void> | undefined;
}

export class Reporter {
  readonly #options: ReporterOptions;
  readonly #told = new Map<string, Told>();
  /** By app: the end of the line of refreshes. */
  readonly #lines = new Map<string, Promise<void>>();

  constructor(options: ReporterOptions) {
    this.#options = options;
  }

  /** Apps of which something was told. */
  apps(): string[] {
    return [...this.#told.keys()];
  }

  /** True while a gateway may send requests to the instance. Before the first report nobody knows. */
  isRouted(app: string, instance: string): boolean {
    const routed = this.#told.get(app)?.routed;
    return routed === undefined || routed.has(instance);
  }

  /** Tells what is true now, if it differs. Whether the gateways have seen it is another question: `settled`. */
  async refresh(app: string): Promise<void> {
    this.#options.followed.forget(app);
    await this.keepUp(app);
  }

  /** The same by what is known of the app, for those who look often. */
  async keepUp(app: string): Promise<void> {
    const line = (this.#lines.get(app) ?? Promise.resolve()).then(() => this.#refresh(app));
    const ended = line.catch(() => {});
    this.#lines.set(app, ended);
    try {
      await line;
    } finally {
      if (this.#lines.get(app) === ended) this.#lines.delete(app);
    }
  }

  /** Tells what is true now, and resolves when every gateway has seen it. */
  async settled(app: string): Promise<void> {
    await this.refresh(app);
    const told = this.#told.get(app);
    if (told !== undefined) await this.#settle(told);
  }

  /** What every node reports of the app. */
  all(app: string): Promise<readonly NodeReport[]> {
    return reportsOf(this.#options.registry, app);
  }

  /** The same of all apps, by app. */
  async everything(): Promise<ReadonlyMap<string, readonly NodeReport[]>> {
    const { registry } = this.#options;
    const all = new Collection<Report>({
      registry,
      prefix: REPORTS_PREFIX,
      schema: (value) => value as Report,
    });
    const { entries } = await registry.list(REPORTS_PREFIX);
    const found = new Map<string, NodeReport[]>();
    for (const entry of entries) {
      const { id, value } = all.decode(entry);
      const [app = '', nodeId = ''] = id.split('/');
      found.set(app, [...(found.get(app) ?? []), { nodeId, report: value }]);
    }
    return found;
  }

  /** The app is gone for good. */
  forget(app: string): void {
    this.#told.delete(app);
    this.#options.gateways.own?.(app, undefined);
  }

  async #refresh(name: string): Promise<void> {
    const { registry, nodeId, supervisor } = this.#options;
    const report = await this.#report(name);
    const text = JSON.stringify(report);
    const before = this.#told.get(name);
    if (before?.text === text) return;
    this.#options.gateways.own?.(name, report);
    const records = reportRecords(registry, name);
    const isEmpty = report.instances.length === 0 && report.releases.length === 0;
    if (before === undefined && isEmpty && (await records.get(nodeId)) === undefined) {
      return;
    }
    const { revision } = await registry.commit(
      [],
      [
        isEmpty
          ? { kind: 'delete', key: records.keyOf(nodeId) }
          : records.putOperation(nodeId, report),
      ],
    );
    const next = report.instances.filter(({ draining }) => !draining).map(({ id }) => id);
    const told: Told = {
      text,
      revision,
      routed: before?.routed,
      next: new Set(next),
      settling: undefined,
    };
    this.#told.set(name, told);
    // Nobody waits for this one unless somebody drains.
    if (supervisor.of(name).some(({ life }) => life.state === 'draining')) {
      void this.#settle(told).catch((error: unknown) => {
        this.#options.log.debug('The gateways do not follow', { reason: messageOf(error) });
      });
    }
  }

  #settle(told: Told): Promise<void> {
    told.settling ??= this.#options.gateways.settled(told.revision).then(
      () => {
        told.routed = told.next;
      },
      (error: unknown) => {
        told.settling = undefined;
        throw error;
      },
    );
    return told.settling;
  }

  async #report(name: string): Promise<Report> {
    const { supervisor, followed, releases } = this.#options;
    const { app } = await followed.of(name);
    const wished = [app?.release, app?.history[1]?.release].filter((id) => id !== undefined);
    const here = await Promise.all(wished.map((id) => releases.find(name, id)));
    return {
      releases: here.flatMap((one) => (one?.plan.staticRoot === undefined ? [] : [one.id])),
      instances: supervisor
        .of(name)
        .map((each) => {
          const view = each.view();
          const { id, process, release, generation, state, reason, address } = view;
          const { pid, driver, startedAt, restarts } = view;
          const draining = state === 'draining' || state === 'stopped';
          return {
            id,
            process,
            release,
            generation,
            state,
            reason,
            draining,
            address,
            pid,
            driver,
            startedAt,
            restarts,
          };
        })
        .toSorted((a, b) => (a.id < b.id ? -1 : 1)),
    };
  }
}
