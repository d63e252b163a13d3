/** What follows from the state of apps: where a rollback leads, what runs where, which address leads to what. Pure. */
import type { AppDetail, AppSummary, Status } from '../../api/model.ts';
import type { Chip, TopologyNode } from './topology-layout.ts';
import { formatPercent } from './format.ts';
import { isAway } from './node-facts.ts';

/** What a rollback without a release goes back to, newest first. */
export function previousRelease(detail: AppDetail): string | undefined {
  return detail.history.find(
    (one) => one.release !== detail.release && keptRelease(detail, one.release) !== undefined,
  )?.release;
}

/** A release that a rollback can still go to. */
export function keptRelease(
  detail: AppDetail,
  release: string,
): AppDetail['releases'][number] | undefined {
  return detail.releases.find((one) => one.id === release);
}

/** Processes of the app and their wished numbers; absent means one. */
export function wishedCounts(detail: AppDetail): Readonly<Record<string, number>> {
  const processes = new Set([
    ...Object.keys(detail.scale),
    ...detail.instanceList.map((instance) => instance.process),
  ]);
  if (processes.size === 0) processes.add('web');
  return Object.fromEntries(
    [...processes].toSorted().map((process) => [process, detail.scale[process] ?? 1]),
  );
}

/** Who runs where. An app without processes is served by the gateway of every node that is not away. */
export function topologyOf(status: Status, details: readonly AppDetail[]): readonly TopologyNode[] {
  return status.nodes.map((node) => {
    const chips: Chip[] = [];
    for (const app of status.apps) {
      const detail = details.find((one) => one.name === app.name);
      const here = (detail?.instanceList ?? []).filter(
        (instance) => instance.node === node.name || instance.node === node.id,
      );
      for (const { id, state } of here) {
        chips.push({ key: id, app: app.name, text: app.name, state });
      }
      const everywhere = detail === undefined || (app.kind === 'static' && here.length === 0);
      if (everywhere && app.state !== 'empty' && !isAway(node)) {
        chips.push({
          key: `${app.name}@${node.name}`,
          app: app.name,
          text: app.name,
          state: app.state,
        });
      }
    }
    const { name, region, state } = node;
    return { name, region, state, notes: notesOf(node, status.leader), chips };
  });
}

/** A node that is away has nothing to say of itself. */
function notesOf(node: Status['nodes'][number], leader: string): readonly string[] {
  if (isAway(node)) return [];
  const leads = node.name === leader ? ['Leader'] : [];
  return node.cpu.cores === 0 ? leads : [...leads, `CPU ${formatPercent(node.cpu.usedRatio)}`];
}

export interface Route {
  readonly host: string;
  readonly url: string;
  readonly app: AppSummary;
}

/** One row for each address of each app. */
export function routesOf(apps: readonly AppSummary[]): readonly Route[] {
  return apps.flatMap((app) =>
    app.urls.map((url) => ({
      host: url.replace(/^https?:\/\//, '').replace(/\/$/, ''),
      url,
      app,
    })),
  );
}
