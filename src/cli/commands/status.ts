/** `moln status` and `moln apps`: what runs, where, and how it is. */
import type { AppState, AppSummary, Status } from '../../api/model.ts';
import { formatDuration } from '../../base/time.ts';
import { formatBytes } from '../../base/units.ts';
import type { CommandSpec, Context } from '../command.ts';
import { EXIT } from '../errors.ts';
import type { Words } from '../words.ts';

export const STATUS: CommandSpec = {
  name: 'status',
  summary: 'Show the cluster in one sentence, its nodes, apps and addresses.',
  examples: [
    ['moln status', 'for people'],
    ['moln status --json', 'with nodes, leader, apps, gateway.url, console.url'],
  ],
  run: async (context) => {
    const status = await context.client().status();
    if (context.json) context.words.json(status);
    else printStatus(context, status);
    return EXIT.ok;
  },
};

export const APPS: CommandSpec = {
  name: 'apps',
  summary: 'List the apps.',
  run: async (context) => {
    const apps = await context.client().apps();
    if (context.json) context.words.json(apps);
    else printApps(context.words, apps);
    return EXIT.ok;
  },
};

function printStatus(context: Context, status: Status): void {
  const { words } = context;
  words.line(words.style('bold', status.sentence));
  words.line();
  const row = (label: string, value: string): void =>
    words.line(`  ${words.style('dim', label.padEnd(9))} ${value}`);
  const leader = status.leader === '' ? 'nobody leads' : `leader ${status.leader}`;
  row('Cluster', `${status.cluster.name} (${status.cluster.id}), ${leader}`);
  row('Managers', status.managers);
  row('Gateway', `${status.gateway.url}  ${status.gateway.httpsUrl}`);
  row('Console', `${status.console.url}  ${words.style('dim', '("moln console" logs you in)')}`);
  row('Registry', `${status.registry.engine}, revision ${status.registry.revision}`);
  row('Driver', `${status.driver.name}: ${status.driver.why}`);
  row('Pin', `${status.cluster.fingerprint}  ${words.style('dim', '(for --pin elsewhere)')}`);
  row('Version', status.version);
  words.line();
  for (const warning of status.warnings) {
    words.line(`${words.style('yellow', 'Warning')}: ${warning}`);
  }
  if (status.warnings.length > 0) words.line();
  words.table(
    ['NODE', 'STATE', 'REGION', 'ADDRESS', 'UP', 'CPU', 'MEMORY', 'DISK FREE'],
    status.nodes.map((node) => [
      node.name,
      node.state,
      node.region,
      `${node.address}:${node.port}`,
      formatDuration(context.clock.now() - node.startedAt),
      `${Math.round(node.cpu.usedRatio * 100)} % of ${node.cpu.cores}`,
      `${formatBytes(node.memory.usedBytes)} of ${formatBytes(node.memory.totalBytes)}`,
      formatBytes(node.disk.freeBytes),
    ]),
  );
  words.line();
  printApps(words, status.apps);
  const failing = status.workers.filter(({ state }) => state === 'failing');
  for (const worker of failing) {
    words.line();
    words.line(
      `${words.style('yellow', `Worker "${worker.name}" fails`)}: ${worker.lastError ?? worker.status}`,
    );
  }
}

function printApps(words: Words, apps: readonly AppSummary[]): void {
  if (apps.length === 0) {
    words.line('No apps yet: put a folder online with "moln deploy DIR --name NAME"');
    return;
  }
  words.table(
    ['APP', 'STATE', 'KIND', 'INSTANCES', 'RELEASE', 'ADDRESS'],
    apps.map((app) => [
      app.name,
      app.state,
      app.kind,
      app.kind === 'static' ? '-' : `${app.instances.healthy} of ${app.instances.wanted}`,
      app.release ?? '-',
      app.urls[0] ?? '-',
    ]),
  );
}

const STATE_STYLES = {
  healthy: 'green',
  degraded: 'yellow',
  failing: 'red',
  starting: 'cyan',
  deploying: 'cyan',
  stopped: 'dim',
  empty: 'dim',
} as const satisfies Readonly<Record<AppState, string>>;

/** The state's word in its colour. */
export function stateWord(words: Words, state: AppState): string {
  return words.style(STATE_STYLES[state], state);
}
