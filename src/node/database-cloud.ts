/** Fulfils what the API asks for about databases (`src/api/database-model.ts`), over all nodes. */
import type {
  DatabaseCloud,
  DatabaseDetail,
  DatabaseSummary,
  QueryDetail,
  QueryPlan,
  StripeDetail,
} from '../api/api.ts';
import { MolnError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { MetricFamily } from '../base/metrics.ts';
import { object, string } from '../base/schema.ts';
import type { Clock } from '../base/time.ts';
import type { Events, NodeMethods, Peers } from '../cluster/cluster.ts';
import {
  databaseFamilies,
  type Databases,
  type DatabaseState,
  type DatabaseView,
  type QueryState,
  type StripeState,
} from '../databases/databases.ts';

export interface DatabaseCloudOptions {
  readonly databases: Databases;
  readonly peers: Peers;
  readonly events: Pick<Events, 'tell'>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** What one node's process says of a database. */
interface NodeState {
  readonly node: string;
  readonly state: DatabaseState;
}

const ASK_WITHIN_MS = 3000;
const askedState = object({});
const askedKill = object({ database: string(), query: string() });

export class NodeDatabaseCloud implements DatabaseCloud {
  readonly #options: DatabaseCloudOptions;

  constructor(options: DatabaseCloudOptions) {
    this.#options = options;
  }

  /** What other nodes ask of this one. */
  methods(): NodeMethods['methods'] {
    const { databases } = this.#options;
    return {
      'databases.states': async (params) => {
        askedState.decode(params, '');
        return await databases.states();
      },
      'databases.kill': async (params) => {
        const { database, query } = askedKill.decode(params, '');
        return { killed: await databases.kill(database, query) };
      },
    };
  }

  async listDatabases(): Promise<readonly DatabaseSummary[]> {
    const [views, states] = await Promise.all([this.#options.databases.list(), this.#everywhere()]);
    return views.map((view) => summaryOf(view, statesOf(states, view)));
  }

  async showDatabase(name: string): Promise<DatabaseDetail> {
    const view = await this.#options.databases.show(name);
    const states = statesOf(await this.#everywhere(), view);
    const { peers } = this.#options;
    const nameOf = (id: string): string => peers.get(id)?.name ?? id;
    return {
      ...summaryOf(view, states),
      stripeDetails: Array.from({ length: view.record.stripes }, (_, number) =>
        stripeDetail(number, states, nameOf),
      ),
      queries: queriesOf(states, 'queries'),
      slow: queriesOf(states, 'slow'),
    };
  }

  async createDatabase(
    name: string,
    wish: Parameters<DatabaseCloud['createDatabase']>[1],
    by: string,
  ): Promise<DatabaseDetail> {
    const { databases, events } = this.#options;
    await databases.create({ name, ...wish, by });
    events.tell('database', `Database ${name} was made by ${by}`);
    return await this.showDatabase(name);
  }

  async dropDatabase(name: string, by: string): Promise<void> {
    const { databases, events } = this.#options;
    await databases.drop(name, by);
    events.tell('database', `Database ${name} was dropped by ${by}`);
  }

  async createDatabaseToken(
    name: string,
    wish: Parameters<DatabaseCloud['createDatabaseToken']>[1],
  ): Promise<{ readonly token: string }> {
    const { databases, clock } = this.#options;
    const token = await databases.token(name, {
      name: wish.for,
      readOnly: wish.readOnly,
      expiresAt: wish.ttlMs === undefined ? undefined : clock.now() + wish.ttlMs,
    });
    return { token };
  }

  revokeDatabaseTokens(name: string): Promise<void> {
    return this.#options.databases.revokeTokens(name);
  }

  async killQuery(name: string, query: string): Promise<void> {
    const { databases, peers } = this.#options;
    await databases.show(name);
    for (const { id } of peers.all()) {
      const answer = await this.#ask(id, 'databases.kill', { database: name, query });
      if ((answer as { readonly killed?: boolean } | undefined)?.killed === true) return;
    }
    throw new MolnError('NODE_QUERY_NOT_FOUND', `No statement "${query}" runs in "${name}"`, {
      hint: `See what runs with "moln db show ${name}"`,
    });
  }

  async explainQuery(name: string, sql: string): Promise<QueryPlan> {
    return (await this.#options.databases.explain(name, sql)) as QueryPlan;
  }

  async families(): Promise<readonly MetricFamily[]> {
    const state = await this.#options.databases.processState();
    return state === undefined ? [] : databaseFamilies(state);
  }

  /** By the node's id; who does not answer is left out. */
  async statesByNode(): Promise<ReadonlyMap<string, readonly DatabaseState[]>> {
    const answers = await Promise.all(
      this.#options.peers.all().map(async ({ id }) => {
        const states = await this.#ask(id, 'databases.states', {});
        return [id, (states ?? []) as readonly DatabaseState[]] as const;
      }),
    );
    return new Map(answers);
  }

  async #everywhere(): Promise<readonly NodeState[]> {
    const answers = await Promise.all(
      this.#options.peers.all().map(async ({ id, name }) => {
        const states = (await this.#ask(id, 'databases.states', {})) as
          | readonly DatabaseState[]
          | undefined;
        return (states ?? []).map((state) => ({ node: name, state }));
      }),
    );
    return answers.flat();
  }

  /** Undefined when that node does not answer: what it has is then not shown. */
  async #ask(node: string, method: string, params: unknown): Promise<unknown> {
    const { peers, log } = this.#options;
    try {
      return await peers.call(node, method, params, { deadlineMs: ASK_WITHIN_MS });
    } catch (error) {
      log.debug('A node does not tell of its databases', { node, error });
      return undefined;
    }
  }
}

function statesOf(states: readonly NodeState[], { record }: DatabaseView): readonly NodeState[] {
  return states.filter(({ state }) => state.id === record.id);
}

function summaryOf(view: DatabaseView, states: readonly NodeState[]): DatabaseSummary {
  const { name, record, state } = view;
  const sum = (of: (state: DatabaseState) => number): number =>
    states.reduce((total, each) => total + of(each.state), 0);
  return {
    name,
    state: state?.state ?? 'away',
    why: state === undefined ? 'The database process of this node does not answer' : state.why,
    stripes: record.stripes,
    copies: record.copies,
    regions: record.regions,
    path: `/db/${name}/`,
    bytes: sum(({ stripes }) => stripes.reduce((total, { fileBytes }) => total + fileBytes, 0)),
    connections: sum(({ connections, streams }) => connections + streams),
    createdAt: record.createdAt,
    by: record.by,
  };
}

function stripeDetail(
  number: number,
  states: readonly NodeState[],
  nameOf: (id: string) => string,
): StripeDetail {
  const copies = states.flatMap(({ node, state }) => {
    const stripe = state.stripes.find((one) => one.number === number);
    return stripe === undefined ? [] : [{ node, stripe }];
  });
  const leads = copies.find(({ stripe }) => stripe.role === 'primary')?.stripe;
  const head = Math.max(0, ...copies.map(({ stripe }) => stripe.head));
  const primary = (leads ?? copies[0]?.stripe)?.primary;
  return {
    number,
    primary: primary === undefined ? undefined : nameOf(primary),
    copies: copies.map(({ node, stripe }) => ({
      node,
      role: stripe.role,
      lag: Math.max(0, head - stripe.applied),
      fileBytes: stripe.fileBytes,
      rebuilt: stripe.rebuilt,
    })),
    head,
    logEntries: Math.max(0, ...copies.map(({ stripe }) => stripe.logEntries)),
    ...figuresOf(leads),
  };
}

function figuresOf(
  leads: StripeState | undefined,
): Pick<StripeDetail, 'transactions' | 'groups' | 'appendMs' | 'logBytes'> {
  const { transactions = 0, groups = 0, appendMs = 0, logBytes = 0 } = leads ?? {};
  return { transactions, groups, appendMs, logBytes };
}

function queriesOf(states: readonly NodeState[], key: 'queries' | 'slow'): readonly QueryDetail[] {
  return states
    .flatMap(({ node, state }) => state[key].map((one: QueryState) => ({ ...one, node })))
    .toSorted((a, b) => a.startedAt - b.startedAt);
}
