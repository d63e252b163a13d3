/** Pure: the one plain sentence that `moln status` and the console begin with. */
import type { AppSummary, NodeStatus } from '../api/model.ts';
import { formatBytes } from '../base/units.ts';

const TROUBLE: readonly AppSummary['state'][] = ['failing', 'degraded'];

export function statusSentence(options: {
  readonly apps: readonly Pick<AppSummary, 'name' | 'state' | 'instances'>[];
  readonly gatewaysServing: number;
  readonly gatewaysWanted: number;
  readonly nodes: readonly Pick<NodeStatus, 'name' | 'state' | 'disk' | 'etcd'>[];
  readonly isLive: boolean;
  /** Warnings about certificates. */
  readonly certificates?: readonly string[];
  /** Virtual addresses that nobody holds. */
  readonly addresses?: readonly string[];
  /** What is wrong with the storages of files, and copies that lack. */
  readonly files?: readonly string[];
  /** Listeners that are not open everywhere. */
  readonly ports?: readonly {
    readonly listener: string;
    readonly node: string;
    readonly message: string;
  }[];
}): string {
  const problems: string[] = [];
  if (!options.isLive) problems.push('no manager answers, so this may be old');
  const away = options.nodes.filter(({ state }) => state === 'suspect' || state === 'lost');
  if (away.length > 0) {
    const names = away.map(({ name, state }) => `${name} is ${state}`).join(', ');
    problems.push(
      `${away.length} of ${options.nodes.length} nodes ${away.length === 1 ? 'is' : 'are'} away: ${names}`,
    );
  }
  if (options.gatewaysServing < options.gatewaysWanted) {
    problems.push(
      `${options.gatewaysServing} of ${count(options.gatewaysWanted, 'gateway process', 'gateway processes')} serve`,
    );
  }
  for (const app of options.apps) {
    if (!TROUBLE.includes(app.state)) continue;
    const { healthy, wanted } = app.instances;
    problems.push(`app "${app.name}" is ${app.state}: ${healthy} of ${wanted} instances healthy`);
  }
  for (const node of options.nodes) {
    if (away.includes(node)) continue;
    for (const trouble of troublesOf(node)) problems.push(`${trouble} (on ${node.name})`);
  }
  problems.push(...(options.certificates ?? []).map(begunSmall));
  problems.push(...(options.addresses ?? []), ...(options.files ?? []));
  for (const { listener, node, message } of options.ports ?? []) {
    problems.push(`listener "${listener}" is not open on ${node}: ${message}`);
  }
  const serving = options.apps.filter((app) => app.state !== 'empty');
  const [first] = problems;
  const starting = serving.filter((app) => app.state === 'starting').length;
  const apps = count(serving.length, 'app', 'apps');
  const where = count(options.nodes.length, 'node', 'nodes');
  if (first === undefined && starting > 0)
    return `${starting} of ${apps} on ${where} still starting`;
  const stopped = serving.filter((app) => app.state === 'stopped').length;
  const aside = stopped === 0 ? '' : `, ${stopped} of them stopped`;
  return sentenceFrom(problems) ?? `All good: ${apps} on ${where}${aside}`;
}

/** One sentence of its parts; undefined when there are none. */
export function sentenceFrom(parts: readonly string[]): string | undefined {
  const [first, ...rest] = parts;
  if (first === undefined) return undefined;
  return [`${first.charAt(0).toUpperCase()}${first.slice(1)}`, ...rest].join('; ');
}

const DISK_FREE_LOW = 0.05;
/** Less than this and hardly anything can be written: a file of etcd's log alone has as much. */
const DISK_BYTES_FULL: number = 64 * 1024 * 1024;

/** What is wrong with a node that is heard of all the same, as parts of a sentence. */
export function troublesOf({ disk, etcd }: Pick<NodeStatus, 'disk' | 'etcd'>): readonly string[] {
  const troubles: string[] = [];
  const ratio = disk.totalBytes === 0 ? 1 : disk.freeBytes / disk.totalBytes;
  const free = `${formatBytes(disk.freeBytes)} free`;
  if (ratio < DISK_FREE_LOW) {
    const isFull = disk.freeBytes < DISK_BYTES_FULL;
    troubles.push(isFull ? `the disk is full, ${free}` : `the disk is nearly full, ${free}`);
  }
  if (etcd === 'away') troubles.push('its etcd does not run');
  return troubles;
}

/** Within a sentence; what begins with a host's name keeps it. */
function begunSmall(text: string): string {
  return text.replace(/^The /, 'the ').replace(/^No /, 'no ');
}

function count(number: number, one: string, many: string): string {
  return `${number} ${number === 1 ? one : many}`;
}
