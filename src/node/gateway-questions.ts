/** Questions to the gateways of all nodes that are heard of: what their caches know, what they are asked most. */
import { isMolnError, messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { NodeMethods, PeerNode, Peers } from '../cluster/cluster.ts';
import type {
  CacheTierStats,
  GatewayAnswer,
  GatewayQuestion,
  GatewaySupervisor,
} from '../gateway/gateway.ts';
import type { GatewayStats, RouteTotals } from '../gateway/config.ts';

const METHOD = 'gateway.ask';
/** Beside the time that it takes to count. */
const ASK_WITHIN_MS = 5_000;
/** For the way there and back. */
const CALL_SLACK_MS = 2_000;

/** What the caches of one node hold and did, by process. */
export interface CacheFigures {
  readonly kind: 'figures';
  readonly tiers: readonly CacheTierStats[];
  readonly routes: Readonly<Record<string, Pick<RouteTotals, 'requests' | 'cache'>>>;
  /** Upstreams that get no requests just now, by route. */
  readonly unfit?: GatewayStats['unfit'];
}

/** A purge is no question: it goes by `PurgeLog`, so that nobody misses it. */
export type ClusterQuestion =
  | Exclude<GatewayQuestion, { kind: 'purge' }>
  | { readonly kind: 'figures' };
type ClusterAnswer = Exclude<GatewayAnswer, { kind: 'purge' }> | CacheFigures;
export type ClusterAnswerTo<Question extends ClusterQuestion> = Extract<
  ClusterAnswer,
  { readonly kind: Question['kind'] }
>;

export interface ClusterAnswers<Question extends ClusterQuestion> {
  readonly answers: readonly {
    readonly node: string;
    readonly answer: ClusterAnswerTo<Question>;
  }[];
  /** Names of nodes that said nothing. */
  readonly silent: readonly string[];
}

export interface GatewayQuestionsOptions {
  readonly peers: Pick<Peers, 'all' | 'self' | 'call'>;
  /** Of each gateway process of this node. */
  readonly own: (question: ClusterQuestion, withinMs: number) => Promise<readonly ClusterAnswer[]>;
  readonly log: Logger;
}

export class GatewayQuestions {
  readonly #options: GatewayQuestionsOptions;

  constructor(options: GatewayQuestionsOptions) {
    this.#options = options;
  }

  methods(): NodeMethods['methods'] {
    return {
      // Nodes of one cluster trust each other, and the gateway processes look at what they are asked.
      [METHOD]: async (params) => {
        const { question } = params as { readonly question: ClusterQuestion };
        return { answers: await this.#own(question) };
      },
    };
  }

  /** Throws what is wrong with the question. */
  async everywhere<Question extends ClusterQuestion>(
    question: Question,
  ): Promise<ClusterAnswers<Question>> {
    const nodes = this.#options.peers.all();
    const all = await Promise.all(nodes.map((node) => this.#ask(node, question)));
    return {
      answers: all.flatMap((answers, index) =>
        (answers ?? []).map((answer) => ({
          node: nodes[index]?.name ?? '',
          answer: answer as ClusterAnswerTo<Question>,
        })),
      ),
      silent: nodes.filter((_, index) => all[index] === undefined).map(({ name }) => name),
    };
  }

  async #ask(
    { id, name, state }: PeerNode,
    question: ClusterQuestion,
  ): Promise<readonly ClusterAnswer[] | undefined> {
    const { peers, log } = this.#options;
    if (id === peers.self) return await this.#own(question);
    if (state !== 'ready' && state !== 'draining') return undefined;
    try {
      const deadlineMs = withinMs(question) + CALL_SLACK_MS;
      const said = await peers.call(id, METHOD, { question }, { deadlineMs });
      return (said as { readonly answers: readonly ClusterAnswer[] }).answers;
    } catch (error) {
      if (isMolnError(error, 'CONFIG_INVALID')) throw error;
      log.debug('A node does not answer for its gateways', { node: name, why: messageOf(error) });
      return undefined;
    }
  }

  #own(question: ClusterQuestion): Promise<readonly ClusterAnswer[]> {
    return this.#options.own(question, withinMs(question));
  }
}

/** Of each gateway process of this node. */
export async function ownAnswers(
  supervisor: Pick<GatewaySupervisor, 'ask' | 'stats'>,
  question: ClusterQuestion,
  timeoutMs: number,
): Promise<readonly ClusterAnswer[]> {
  if (question.kind !== 'figures') return await supervisor.ask(question, timeoutMs);
  const stats = await supervisor.stats();
  return stats.map(({ cache = [], routes, unfit = {} }) => ({
    kind: 'figures',
    tiers: cache,
    routes,
    unfit,
  }));
}

function withinMs(question: ClusterQuestion): number {
  return ASK_WITHIN_MS + (question.kind === 'top' ? question.durationMs : 0);
}
