/** What a person types about the cache, and how its answers are printed. */
import { formatDuration } from '../../base/time.ts';
import { formatBytes } from '../../base/units.ts';
import type {
  CacheExplanation,
  KeyOwner,
  PurgeRequest,
  PurgeTarget,
  StoredVariant,
  TopReport,
  TopRow,
} from '../../gateway/gateway.ts';
import type { Context, Input, OptionSpec } from '../command.ts';
import { usageError } from '../errors.ts';

const TIER_WORDS = { memory: 'in memory', disk: 'on disk', hot: 'as a copy for a moment' } as const;

export const TOP_SECONDS = 3;
const TOP_SECONDS_MAX = 30;
const TOP_ROWS = 15;

export const PURGE_OPTIONS: readonly OptionSpec[] = [
  { flags: '--prefix <URL>', description: 'everything that begins with it', repeat: true },
  { flags: '--tag <TAG>', description: 'what says it in Cache-Tag or Surrogate-Key', repeat: true },
  { flags: '--all', description: 'everything' },
  { flags: '--soft', description: 'only make it stale: it is validated before it is used again' },
];

export const TOP_OPTION: OptionSpec = {
  flags: '--seconds <N>',
  description: `count for so long, ${TOP_SECONDS} unless said`,
};

export const HEADER_OPTION: OptionSpec = {
  flags: '-H, --header <LINE>',
  description: 'a field of the request, like "Accept-Language: sv"',
  repeat: true,
};

/** Throws a usage error when nothing is named. */
export function purgeOf(input: Input, further: readonly PurgeTarget[] = []): PurgeRequest {
  const targets: readonly PurgeTarget[] = [
    ...input.rest('URL…').map((url) => ({ kind: 'url', url }) as const),
    ...input.texts('prefix').map((url) => ({ kind: 'prefix', url }) as const),
    ...input.texts('tag').map((tag) => ({ kind: 'tag', tag }) as const),
    ...(input.flag('all') ? [{ kind: 'all' } as const] : []),
    ...further,
  ];
  if (targets.length === 0) {
    throw usageError('Nothing is named to be purged', 'Name a URL, --prefix, --tag or --all');
  }
  return { targets, soft: input.flag('soft') };
}

export function fieldsOf(input: Input): readonly (readonly [string, string])[] {
  return input.texts('header').map((line) => {
    const at = line.indexOf(':');
    if (at < 1) throw usageError(`"${line}" is no field`, 'Write it like "Accept-Language: sv"');
    return [line.slice(0, at).trim(), line.slice(at + 1).trim()] as const;
  });
}

export function secondsOf(input: Input): number {
  const text = input.text('seconds');
  if (text === undefined) return TOP_SECONDS;
  const seconds = Number(text);
  if (Number.isSafeInteger(seconds) && seconds >= 1 && seconds <= TOP_SECONDS_MAX) return seconds;
  throw usageError(`--seconds is "${text}"`, `Write a whole number from 1 to ${TOP_SECONDS_MAX}`);
}

/** Which gateway process says it. */
export function workerWords({ worker, pid }: CacheExplanation): string {
  return worker === undefined ? `process ${pid}` : `worker ${worker}, process ${pid}`;
}

/** `where`: of which process it is. */
export function printExplanation(
  { words, clock }: Context,
  where: string,
  said: CacheExplanation,
): void {
  words.line(`${words.style('bold', where)}: ${sentenceOf(said)}`);
  for (const variant of said.variants) words.line(`  ${variantWords(variant)}`);
  for (const owner of said.owners) words.line(`  ${ownerWords(owner)}`);
  const { refused } = said;
  if (refused === undefined) return;
  const { why, status, time, count } = refused;
  const times = count === 1 ? '' : `, ${count} times in a row`;
  const ago = formatDuration(Math.max(0, clock.now() - time));
  words.line(`  not stored ${ago} ago${times}: ${why} (status ${status})`);
}

function sentenceOf({ route, isCached, decision, why }: CacheExplanation): string {
  if (route === undefined) return 'no route answers this URL';
  if (!isCached) return `route ${route} has no cache`;
  return `${decision} (${why}), route ${route}`;
}

/** Of those that share, who asks the origin. */
function ownerWords({ node, worker, isSelf, tier }: KeyOwner): string {
  const who = isSelf ? 'this process' : `worker ${worker}${node === '' ? '' : ` of ${node}`}`;
  return tier === 'cluster' ? `owned by ${who}` : `owned in this region by ${who}`;
}

function variantWords(variant: StoredVariant): string {
  const { status, ageS, ttlS, bodyBytes, tier, vary, tags, etag } = variant;
  const fresh = ttlS > 0 ? `fresh for ${ttlS} s` : `stale for ${-ttlS} s`;
  return [
    `${variant.isSelected ? 'stored' : 'stored for other requests'}: status ${status}`,
    `age ${ageS} s, ${fresh}`,
    `${formatBytes(bodyBytes)}${variant.isPartial ? ' of it' : ''} ${TIER_WORDS[tier]}`,
    ...(vary.length === 0 ? [] : [`varies by ${vary.join(' ')}`]),
    ...(tags.length === 0 ? [] : [`tags ${tags.join(' ')}`]),
    ...(etag === '' ? [] : [`etag ${etag}`]),
  ].join(', ');
}

export function printTop({ words }: Context, report: TopReport): void {
  const { seconds, routes, urls, regions = [] } = report;
  const table = (head: string, rows: readonly TopRow[]): void =>
    words.table(
      [head, 'REQUESTS/S', 'HITS', '5XX', 'MEAN', 'SLOWEST', 'SENT/S'],
      rows
        .slice(0, TOP_ROWS)
        .map((row) => [
          row.name,
          (row.requests / seconds).toFixed(1),
          share(row.hits, row.requests),
          share(row.errors5xx, row.requests),
          `${(row.latencySumMs / row.requests).toFixed(1)} ms`,
          `${row.latencyMaxMs.toFixed(1)} ms`,
          formatBytes(Math.round(row.bytesOut / seconds)),
        ]),
    );
  if (routes.length === 0) {
    words.line(`No request ended within ${seconds.toFixed(1)} s`);
    return;
  }
  table('ROUTE', routes);
  words.line();
  table('URL', urls);
  if (regions.length === 0) return;
  words.line();
  words.table(
    ['GATEWAYS IN', 'ANSWERED IN', 'REQUESTS/S', 'SHARE'],
    regions.map(({ from, to, requests }) => [
      from,
      to,
      (requests / seconds).toFixed(1),
      share(requests, sumOf(regions, from)),
    ]),
  );
}

function sumOf(regions: NonNullable<TopReport['regions']>, of: string): number {
  return regions.reduce((sum, { from, requests }) => sum + (from === of ? requests : 0), 0);
}

export function share(part: number, all: number): string {
  return all === 0 ? '-' : `${((part / all) * 100).toFixed(0)} %`;
}

/** Nodes that did not answer. */
export function noteSilent(
  { words }: Context,
  { silent }: { readonly silent: readonly string[] },
): void {
  if (silent.length > 0) words.note(`No answer from ${silent.join(', ')}`);
}
