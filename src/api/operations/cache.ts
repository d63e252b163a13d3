/** Operations on the gateways' caches, over all nodes. Contents are never shown; what is said of them needs a token as logs do. */
import {
  array,
  boolean,
  integer,
  literal,
  object,
  optional,
  record,
  string,
  withDefault,
  type Schema,
} from '../../base/schema.ts';
import { ConfigError } from '../../base/errors.ts';
import {
  PURGE_TARGETS_MAX,
  purgeTargetSchema,
  TOP_DURATION_MS_MAX,
} from '../../gateway/gateway.ts';
import type {
  CacheExplanations,
  CacheStatus,
  ClusterSlow,
  ClusterTop,
  PurgeAnswer,
} from '../cache-model.ts';
import { defineOperation, type Operation } from '../operation.ts';
import { integerParam, listParam, textParam } from '../query.ts';
import { number, type Wire } from '../wire.ts';

const FIELDS_MAX = 50;
const TOP_SECONDS = 3;

const text = string();
const texts = array(text);
const count = integer({ min: 0, max: Number.MAX_SAFE_INTEGER });

const purgeRequest = object({
  targets: array(purgeTargetSchema, { itemsMax: PURGE_TARGETS_MAX }),
  soft: withDefault(boolean('What is stored becomes stale instead of vanishing'), false),
});

const purgeAnswer: Schema<Wire<PurgeAnswer>> = object({ nodes: texts, away: texts });

const status: Schema<Wire<CacheStatus>> = object({
  tiers: array(
    object({
      node: text,
      name: text,
      keys: count,
      bytes: count,
      bytesMax: count,
      hits: count,
      misses: count,
      evicted: count,
      failures: count,
    }),
  ),
  routes: array(object({ route: text, requests: count, hits: count, results: record(count) })),
  silent: texts,
});

const variant = object({
  isSelected: boolean('The one that this request would get'),
  status: count,
  ageS: number(),
  ttlS: number('Seconds for which it stays fresh; negative when stale'),
  staleWhileRevalidateS: number(),
  staleIfErrorS: number(),
  bodyBytes: count,
  isPartial: boolean(),
  tier: text as Schema<'memory' | 'disk' | 'hot'>,
  vary: texts,
  tags: texts,
  etag: text,
});

/** The gateway process that asks the origin for the URL. */
const owner = object({
  node: text,
  worker: count,
  isSelf: boolean('The process that says it'),
  tier: literal('region', 'cluster'),
});

const explanations: Schema<Wire<CacheExplanations>> = object({
  explanations: array(
    object({
      node: text,
      pid: count,
      route: optional(text),
      isCached: boolean('Whether the route has a cache'),
      decision: text,
      why: text,
      variants: array(variant),
      worker: optional(count),
      owners: array(owner),
      refused: optional(object({ why: text, status: count, time: count, count })),
    }),
  ),
  silent: texts,
});

const rows = array(
  object({
    name: text,
    requests: count,
    errors5xx: count,
    hits: count,
    bytesOut: count,
    latencySumMs: number(),
    latencyMaxMs: number(),
  }),
);
const top: Schema<Wire<ClusterTop>> = object({
  seconds: number(),
  routes: rows,
  urls: rows,
  regions: optional(array(object({ from: text, to: text, requests: count }))),
  silent: texts,
});

const percentiles = object({ p50: number(), p90: number(), p99: number(), max: number() });
const slow: Schema<Wire<ClusterSlow>> = object({
  route: optional(text),
  requests: count,
  totalMs: percentiles,
  stages: array(object({ name: text, share: number('Of all the time'), ms: percentiles })),
  examples: array(
    object({
      id: text,
      time: count,
      method: text,
      url: text,
      status: count,
      totalMs: number(),
      stagesMs: array(number()),
      upstream: optional(text),
      traceId: optional(text),
    }),
  ),
  silent: texts,
});

export const cacheOperations: readonly Operation[] = [
  defineOperation({
    id: 'getCache',
    method: 'GET',
    path: '/api/cache',
    scope: 'read',
    tag: 'node',
    summary: 'What the caches hold and did',
    description: 'By gateway process and tier, and by route since the processes started.',
    answer: { kind: 'json', status: 200, schema: status },
    handle: (cloud) => cloud.cacheStatus(),
  }),
  defineOperation({
    id: 'purgeCache',
    method: 'POST',
    path: '/api/cache/purge',
    scope: 'deploy',
    tag: 'node',
    summary: 'Purge what is stored',
    description:
      'By URL, prefix, tag or route. Answers when all nodes that are heard of have done it; the others do it when they come back.',
    json: purgeRequest,
    answer: { kind: 'json', status: 200, schema: purgeAnswer },
    handle: (cloud, { body }) => cloud.purgeCache(body),
  }),
  defineOperation({
    id: 'explainCache',
    method: 'GET',
    path: '/api/cache/explain',
    scope: 'read',
    tag: 'node',
    summary: 'Why a URL is cached or not',
    description: 'What each gateway process knows of it, and what would become of a request now.',
    query: {
      url: textParam('As browsers write it'),
      field: listParam('Of the request, like "Accept-Language: sv"', {
        itemsMin: 0,
        itemsMax: FIELDS_MAX,
      }),
    },
    answer: { kind: 'json', status: 200, schema: explanations },
    handle: (cloud, { query }) => cloud.explainCache(query.url ?? '', query.field.map(fieldOf)),
  }),
  defineOperation({
    id: 'getSlow',
    method: 'GET',
    path: '/api/gateway/slow',
    scope: 'read',
    tag: 'node',
    summary: 'Where the time of recent requests goes',
    description: 'Of the route that answers the URL, by stage, with the slowest requests.',
    query: { url: textParam('As browsers write it') },
    answer: { kind: 'json', status: 200, schema: slow },
    handle: (cloud, { query }) => cloud.gatewaySlow(query.url ?? ''),
  }),
  defineOperation({
    id: 'getTop',
    method: 'GET',
    path: '/api/gateway/top',
    scope: 'read',
    tag: 'node',
    summary: 'What is asked most',
    description: 'Counts for a few seconds at all gateways, then answers by route and by URL.',
    query: {
      seconds: integerParam('To count', {
        min: 1,
        max: TOP_DURATION_MS_MAX / 1000,
        fallback: TOP_SECONDS,
      }),
    },
    answer: { kind: 'json', status: 200, schema: top },
    handle: (cloud, { query }) => cloud.gatewayTop(query.seconds * 1000),
  }),
];

function fieldOf(line: string): readonly [string, string] {
  const at = line.indexOf(':');
  if (at > 0) return [line.slice(0, at).trim(), line.slice(at + 1).trim()];
  throw new ConfigError('field', `Parameter "field" is "${line}", want a line like "Name: value"`);
}
