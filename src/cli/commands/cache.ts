/** `moln cache` and `moln why cached`: the caches of all gateways of the cluster. */
import type { CacheRouteFigures, CacheStatus } from '../../api/api.ts';
import { formatBytes } from '../../base/units.ts';
import type { CommandSpec, Context } from '../command.ts';
import { EXIT } from '../errors.ts';
import {
  fieldsOf,
  HEADER_OPTION,
  noteSilent,
  printExplanation,
  PURGE_OPTIONS,
  purgeOf,
  share,
  workerWords,
} from './cache-words.ts';
import { printSlow } from './slow-words.ts';

const PURGE: CommandSpec = {
  name: 'purge',
  summary: 'Purge what is stored, at all gateways of the cluster.',
  arguments: [{ name: 'URL…', description: 'as browsers write it', variadic: true }],
  options: [
    ...PURGE_OPTIONS,
    { flags: '--app <NAME>', description: 'everything of the app', repeat: true },
    { flags: '--route <NAME>', description: 'everything of the route', repeat: true },
  ],
  examples: [
    ['moln cache purge http://blog.localhost:8080/news', 'one page'],
    ['moln cache purge --prefix http://blog.localhost:8080/news/', 'all that begins so'],
    ['moln cache purge --tag article-7 --soft', 'validated before it is used again'],
    ['moln cache purge --app blog', ''],
  ],
  run: async (context, input) => {
    const apps = input
      .texts('app')
      .map((name) => ({ kind: 'route', route: `app/${name}` }) as const);
    const routes = input
      .texts('route')
      .map((name) => ({ kind: 'route', route: `route/${name}` }) as const);
    const done = await context.client().purgeCache(purgeOf(input, [...apps, ...routes]));
    const { words } = context;
    if (context.json) {
      words.json(done);
      return EXIT.ok;
    }
    words.line(`Purged at ${done.nodes.join(', ')}`);
    if (done.away.length > 0) {
      words.note(`Away: ${done.away.join(', ')}; purged there as soon as it is back`);
    }
    return EXIT.ok;
  },
};

export const CACHE: CommandSpec = {
  name: 'cache',
  summary: 'Show what the gateways have stored, and purge it.',
  examples: [
    ['moln cache', 'by node and by route'],
    ['moln cache purge --app blog', ''],
  ],
  run: async (context) => {
    const status = await context.client().cache();
    if (context.json) context.words.json(status);
    else printStatus(context, status);
    noteSilent(context, status);
    return EXIT.ok;
  },
  commands: [PURGE],
};

export const WHY_CACHED: CommandSpec = {
  name: 'cached',
  summary: 'Why a URL is answered from a cache or not.',
  arguments: [{ name: 'URL', description: 'as browsers write it', required: true }],
  options: [HEADER_OPTION],
  examples: [['moln why cached http://blog.localhost:8080/ -H "Accept-Language: sv"', '']],
  run: async (context, input) => {
    const fields = fieldsOf(input).map(([name, value]) => `${name}: ${value}`);
    const said = await context.client().explainCache(input.argument('URL') ?? '', fields);
    if (context.json) {
      context.words.json(said);
      return EXIT.ok;
    }
    for (const one of said.explanations) {
      printExplanation(context, `${one.node}, ${workerWords(one)}`, one);
    }
    noteSilent(context, said);
    return EXIT.ok;
  },
};

export const WHY_SLOW: CommandSpec = {
  name: 'slow',
  summary: 'Where the time of recent requests goes, over all gateways.',
  arguments: [{ name: 'URL', description: 'as browsers write it', required: true }],
  examples: [['moln why slow http://blog.localhost:8080/', 'by stage, and the slowest ones']],
  run: async (context, input) => {
    const report = await context.client().gatewaySlow(input.argument('URL') ?? '');
    if (context.json) context.words.json(report);
    else printSlow(context, report);
    noteSilent(context, report);
    return EXIT.ok;
  },
};

function printStatus({ words }: Context, { tiers, routes }: CacheStatus): void {
  words.table(
    ['NODE', 'TIER', 'ENTRIES', 'BYTES', 'EVICTED', 'FAILURES'],
    tiers.map(({ node, name, keys, bytes, bytesMax, evicted, failures }) => [
      node,
      name,
      String(keys),
      `${formatBytes(bytes)} of ${formatBytes(bytesMax)}`,
      String(evicted),
      String(failures),
    ]),
  );
  words.line();
  words.table(['ROUTE', 'REQUESTS', 'HITS', 'RESULTS'], routes.map(routeRow));
}

function routeRow({ route, requests, hits, results }: CacheRouteFigures): readonly string[] {
  const parts = Object.entries(results).map(([name, count]) => `${name} ${count}`);
  return [route, String(requests), share(hits, requests), parts.join(', ')];
}
