/** Fulfils what the API asks for about the gateways' caches (`src/api/cache-model.ts`), over all nodes. */
import type {
  CacheCloud,
  CacheExplanations,
  CacheRouteFigures,
  CacheStatus,
  ClusterSlow,
  ClusterTop,
  PurgeAnswer,
} from '../api/api.ts';
import { isMolnError } from '../base/errors.ts';
import type { Peers } from '../cluster/cluster.ts';
import { CACHE_HITS, mergeTop, type PurgeRequest, slowReport } from '../gateway/gateway.ts';
import type { CacheFigures, GatewayQuestions } from './gateway-questions.ts';
import type { GatewaysSettled } from './gateways-settled.ts';
import { purgeBehind, type PurgeLog } from './purge-log.ts';

export interface CacheCloudOptions {
  readonly peers: Pick<Peers, 'all'>;
  readonly questions: GatewayQuestions;
  readonly purges: PurgeLog;
  readonly settled: Pick<GatewaysSettled, 'settled'>;
}

export class NodeCacheCloud implements CacheCloud {
  readonly #options: CacheCloudOptions;

  constructor(options: CacheCloudOptions) {
    this.#options = options;
  }

  async cacheStatus(): Promise<CacheStatus> {
    const { answers, silent } = await this.#options.questions.everywhere({ kind: 'figures' });
    return {
      tiers: answers.flatMap(({ node, answer }) => answer.tiers.map((tier) => ({ node, ...tier }))),
      routes: routeFigures(answers.map(({ answer }) => answer)),
      silent,
    };
  }

  async purgeCache(purge: PurgeRequest): Promise<PurgeAnswer> {
    const { peers, purges, settled } = this.#options;
    const revision = await purges.add(purge);
    try {
      await settled.settled(revision);
    } catch (error) {
      throw isMolnError(error, 'NODE_GATEWAYS_BEHIND') ? purgeBehind(error) : error;
    }
    const isHeard = ({ state }: { readonly state: string }): boolean =>
      state === 'ready' || state === 'draining';
    const nodes = peers.all();
    return {
      nodes: nodes.filter(isHeard).map(({ name }) => name),
      away: nodes.filter((node) => !isHeard(node)).map(({ name }) => name),
    };
  }

  async explainCache(
    url: string,
    fields: readonly (readonly [name: string, value: string])[],
  ): Promise<CacheExplanations> {
    const question = { kind: 'explain', url, fields } as const;
    const { answers, silent } = await this.#options.questions.everywhere(question);
    return {
      explanations: answers.map(({ node, answer }) => ({ node, ...answer.explanation })),
      silent,
    };
  }

  async gatewaySlow(url: string): Promise<ClusterSlow> {
    const question = { kind: 'slow', url } as const;
    const { answers, silent } = await this.#options.questions.everywhere(question);
    return { ...slowReport(answers.map(({ answer }) => answer.slow)), silent };
  }

  async gatewayTop(durationMs: number): Promise<ClusterTop> {
    const question = { kind: 'top', durationMs } as const;
    const { answers, silent } = await this.#options.questions.everywhere(question);
    return { ...mergeTop(answers.map(({ answer }) => answer.top)), silent };
  }
}

function routeFigures(figures: readonly CacheFigures[]): readonly CacheRouteFigures[] {
  const routes = new Map<string, Record<string, number>>();
  for (const { routes: own } of figures) {
    for (const [route, { cache = {} }] of Object.entries(own)) {
      const results = routes.get(route) ?? {};
      for (const [result, count] of Object.entries(cache)) {
        results[result] = (results[result] ?? 0) + count;
      }
      if (Object.keys(results).length > 0) routes.set(route, results);
    }
  }
  const sum = (results: Readonly<Record<string, number>>, names: readonly string[]): number =>
    names.reduce((total, name) => total + (results[name] ?? 0), 0);
  return [...routes].map(([route, results]) => ({
    route,
    requests: sum(results, Object.keys(results)),
    hits: sum(results, CACHE_HITS),
    results,
  }));
}
