/** Fulfils what the API asks for about databases (`src/api/database-model.ts`), over all nodes. */
import type {
  DatabaseCloud,
  DatabaseDetail,
  DatabaseSummary,
  LostDatabaseSummary,
  QueryDetail,
  QueryPlan,
  RestoredDatabase,
  StripeDetail,
} from '../api/api.ts';
import { MolnError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { MetricFamily } from '../base/metrics.ts';
import { integer, object, string } from '../base/schema.ts';
import { nearestName } from '../base/suggest.ts';
import { type Clock, isoTime } from '../base/time.ts';
import { databaseTroubles } from './database-troubles.ts';
import type { Events, NodeMethods, Peers } from '../cluster/cluster.ts';
import {
  cannotLead,
  checkForPeople,
  databaseFamilies,
  type Databases,
  type DatabaseState,
  type DatabaseView,
  type LostDatabases,
  type Moved,
  type MoveRequest,
  isSystemDatabase,
  moveWaits,
  newestSlots,
  type QueryState,
  splitWaits,
  type StripeState,
} from '../databases/databases.ts';

export interface DatabaseCloudOptions {
  readonly databases: Databases;
  readonly lost: LostDatabases;
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
const TROUBLES_WITHIN_MS = 1000;
const TROUBLES_MS = 10_000;
/** What takes longer goes on without whoever has asked for it. */
const MOVE_WITHIN_MS = 25_000;
const MOVE_LOOK_MS = 50;
const SPLIT_LOOK_MS = 250;
const LEAVE_WITHIN_MS = 12_000;
const askedState = object({});
const askedMove = object({
  database: string(),
  stripe: integer({ min: 0, max: 62 }),
  to: string(),
  why: string(),
});
const askedScrub = object({ database: string() });
const askedLeave = object({ why: string() });
const askedKill = object({ database: string(), query: string() });

export class NodeDatabaseCloud implements DatabaseCloud {
  readonly #options: DatabaseCloudOptions;
  /** Asked for `troubles`: `moln status` and the console want those often. */
  #states: { readonly askedMs: number; readonly all: Promise<readonly NodeState[]> } | undefined;

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
      'databases.move': async (params) => await databases.move(askedMove.decode(params, '')),
      'databases.scrub': async (params) =>
        await databases.scrub(askedScrub.decode(params, '').database),
      'databases.leave': async (params) => {
        await databases.leave(askedLeave.decode(params, '').why);
        return {};
      },
      'databases.kill': async (params) => {
        const { database, query } = askedKill.decode(params, '');
        return { killed: await databases.kill(database, query) };
      },
    };
  }

  async listDatabases(): Promise<readonly DatabaseSummary[]> {
    const { databases, peers } = this.#options;
    const [views, states] = await Promise.all([databases.list(), this.#everywhere()]);
    return views
      .filter(({ name }) => !isSystemDatabase(name))
      .map((view) => summaryOf(view, statesOf(states, view), peers));
  }

  async showDatabase(name: string): Promise<DatabaseDetail> {
    const view = await this.#options.databases.show(name);
    const states = statesOf(await this.#everywhere(), view);
    const { peers } = this.#options;
    const nameOf = (id: string): string => peers.get(id)?.name ?? id;
    return {
      ...summaryOf(view, states, peers),
      snapshotsWait: states.find(({ state }) => state.vaultWhy !== undefined)?.state.vaultWhy,
      copyWaits: copyWaits(states, nameOf),
      restorable: states.find(({ state }) => state.restorable !== undefined)?.state.restorable,
      stripeDetails: Array.from({ length: view.record.stripes }, (_, number) =>
        stripeDetail({ number, states, view, nameOf }),
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
    checkForPeople(name);
    await databases.create({ name, ...wish, by });
    events.tell('database', `Database ${name} was made by ${by}`);
    return await this.showDatabase(name);
  }

  async dropDatabase(name: string, by: string): Promise<void> {
    const { databases, events } = this.#options;
    checkForPeople(name);
    await databases.drop(name, by);
    events.tell('database', `Database ${name} was dropped by ${by}`);
  }

  async restoreDatabase(
    name: string,
    { at, as }: { readonly at: number; readonly as: string },
    by: string,
  ): Promise<RestoredDatabase> {
    const { databases, events } = this.#options;
    const restored = await databases.restore({ name, at, as, by });
    events.tell(
      'database',
      `Database ${as} was made by ${by} with what ${name} had at ${isoTime(restored.at)}`,
    );
    return { database: as, at: restored.at };
  }

  async listLostDatabases(): Promise<readonly LostDatabaseSummary[]> {
    const all = await this.#options.lost.list();
    return all.map(({ id, description, snapshots, moment, why }) => ({
      id,
      name: description.name,
      stripes: description.stripes,
      at: moment?.at,
      why,
      bytes: snapshots.reduce((sum, one) => sum + (one?.bytes ?? 0), 0),
    }));
  }

  async restoreLostDatabase(
    name: string,
    { as }: { readonly as: string },
    by: string,
  ): Promise<RestoredDatabase> {
    const { databases, lost, events } = this.#options;
    const { at } = await databases.restoreLost(await lost.get(name), { as, by });
    const what = `of the snapshots of a lost one, as it was at ${isoTime(at)}`;
    events.tell('database', `Database ${as} was made by ${by} ${what}`);
    return { database: as, at };
  }

  async forgetLostDatabase(name: string, by: string): Promise<void> {
    await this.#options.lost.forget(name, by);
  }

  async moveStripe(name: string, stripe: number, node: string, by: string): Promise<StripeDetail> {
    const { databases, peers, clock } = this.#options;
    const known = peers.all();
    const wanted = known.find((one) => one.name === node);
    if (wanted === undefined) {
      const near = nearestName(
        node,
        known.map((one) => one.name),
      );
      const guess = near === undefined ? '' : `, did you mean "${near}"?`;
      throw cannotLead(node, `there is no such node${guess}`);
    }
    if (wanted.state !== 'ready') throw cannotLead(node, `it is ${wanted.state}`);
    await databases.askLead(name, { stripe, node: wanted.id, by });
    const untilMs = clock.monotonicMs() + MOVE_WITHIN_MS;
    for (;;) {
      const { state } = await databases.show(name);
      if (state?.primaries[stripe] === wanted.id) break;
      if (clock.monotonicMs() > untilMs) {
        const copies = (await this.showDatabase(name)).stripeDetails[stripe]?.copies ?? [];
        const lag = copies.find((one) => one.node === node)?.lag;
        throw moveWaits(
          name,
          stripe,
          lag === undefined
            ? `${node} has no copy yet`
            : `the copy on ${node} is ${lag} entries behind`,
        );
      }
      await clock.sleep(MOVE_LOOK_MS);
    }
    const detail = (await this.showDatabase(name)).stripeDetails[stripe];
    if (detail === undefined) throw new Error('The stripe that has moved is not there');
    return detail;
  }

  async splitStripe(name: string, stripe: number, by: string): Promise<StripeDetail> {
    const { databases, events, clock } = this.#options;
    const into = await databases.split(name, stripe, by);
    const untilMs = clock.monotonicMs() + MOVE_WITHIN_MS;
    for (;;) {
      const view = await databases.show(name);
      const states = statesOf(await this.#everywhere(), view);
      const has = newestSlots(states.map(({ state }) => state))[into] ?? 0;
      const split = states.find(({ state }) => state.split !== undefined)?.state.split;
      if (has > 0 && split === undefined) break;
      if (clock.monotonicMs() > untilMs)
        throw splitWaits(name, stripe, split?.why ?? splitWords(split) ?? 'it has not begun');
      await clock.sleep(SPLIT_LOOK_MS);
    }
    events.tell('database', `Stripe ${stripe} of ${name} was split by ${by}: ${into} has half`);
    const detail = (await this.showDatabase(name)).stripeDetails[into];
    if (detail === undefined) throw new Error('The new stripe is not there');
    return detail;
  }

  async scrubDatabase(name: string, by: string): Promise<{ readonly stripes: readonly number[] }> {
    const { databases, peers, events } = this.#options;
    await databases.show(name);
    const asked = peers.all().map(({ id }) => this.#ask(id, 'databases.scrub', { database: name }));
    const answers = (await Promise.all(asked)) as readonly (
      | { readonly stripes: readonly number[] }
      | undefined
    )[];
    events.tell('database', `The copies of ${name} are compared, which ${by} asked for`);
    const stripes = new Set(answers.flatMap((one) => one?.stripes ?? []));
    return { stripes: [...stripes].toSorted((a, b) => a - b) };
  }

  /** Copies of any database that were found damaged within the last day. */
  async troubles(): Promise<readonly string[]> {
    const { clock, peers } = this.#options;
    const askedMs = clock.monotonicMs();
    if (this.#states === undefined || askedMs - this.#states.askedMs > TROUBLES_MS) {
      this.#states = { askedMs, all: this.#everywhere(peers.ready(), TROUBLES_WITHIN_MS) };
    }
    const states = await this.#states.all;
    return databaseTroubles(
      states.map(({ node, state }) => [node, state] as const),
      clock.now(),
    );
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

  /** Asks the node that leads a stripe to hand it over. */
  async moveFrom(node: string, request: MoveRequest): Promise<Moved> {
    const { peers } = this.#options;
    const deadline = { deadlineMs: MOVE_WITHIN_MS };
    return (await peers.call(node, 'databases.move', request, deadline)) as Moved;
  }

  /** Others lead what that node leads, as far as they can. */
  async leave(node: string, why: string): Promise<void> {
    await this.#ask(node, 'databases.leave', { why }, LEAVE_WITHIN_MS);
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

  async #everywhere(
    nodes: ReturnType<Peers['all']> = this.#options.peers.all(),
    withinMs?: number,
  ): Promise<readonly NodeState[]> {
    const answers = await Promise.all(
      nodes.map(async ({ id, name }) => {
        const states = (await this.#ask(id, 'databases.states', {}, withinMs)) as
          | readonly DatabaseState[]
          | undefined;
        return (states ?? []).map((state) => ({ node: name, state }));
      }),
    );
    return answers.flat();
  }

  /** Undefined when that node does not answer: what it has is then not shown. */
  async #ask(
    node: string,
    method: string,
    params: unknown,
    deadlineMs = ASK_WITHIN_MS,
  ): Promise<unknown> {
    const { peers, log } = this.#options;
    try {
      return await peers.call(node, method, params, { deadlineMs });
    } catch (error) {
      log.debug('A node does not tell of its databases', { node, error });
      return undefined;
    }
  }
}

function statesOf(states: readonly NodeState[], { record }: DatabaseView): readonly NodeState[] {
  return states.filter(({ state }) => state.id === record.id);
}

function summaryOf(
  view: DatabaseView,
  states: readonly NodeState[],
  peers: Peers,
): DatabaseSummary {
  const { name, record, state } = view;
  const sum = (of: (state: DatabaseState) => number): number =>
    states.reduce((total, each) => total + of(each.state), 0);
  const peopled = new Set(peers.all().map(({ region }) => region));
  return {
    name,
    state: state?.state ?? 'away',
    why: state === undefined ? 'The database process of this node does not answer' : state.why,
    stripes: record.stripes,
    copies: record.copies,
    regions: record.regions,
    emptyRegions: record.regions.filter((region) => !peopled.has(region)),
    path: `/db/${name}/`,
    bytes: sum(({ stripes }) => stripes.reduce((total, { fileBytes }) => total + fileBytes, 0)),
    connections: sum(({ connections, streams }) => connections + streams),
    createdAt: record.createdAt,
    by: record.by,
  };
}

function stripeDetail({
  number,
  states,
  view,
  nameOf,
}: {
  readonly number: number;
  readonly states: readonly NodeState[];
  readonly view: DatabaseView;
  readonly nameOf: (id: string) => string;
}): StripeDetail {
  const copies = states.flatMap(({ node, state }) => {
    const stripe = state.stripes.find((one) => one.number === number);
    return stripe === undefined ? [] : [{ node, stripe }];
  });
  const leads = copies.find(({ stripe }) => stripe.role === 'primary')?.stripe;
  const head = Math.max(0, ...copies.map(({ stripe }) => stripe.head));
  const { primary, why } = leads ?? copies[0]?.stripe ?? {};
  const split = states.find(({ state }) => state.split !== undefined)?.state.split;
  const wish = view.asked.find(({ stripe }) => stripe === number);
  return {
    number,
    primary: primary === undefined ? undefined : nameOf(primary),
    why,
    moves:
      wish === undefined || wish.node === primary
        ? undefined
        : `to ${nameOf(wish.node)}: ${wish.by} asked for it`,
    split: split?.from === number || split?.into === number ? splitWords(split) : undefined,
    slots: newestSlots(states.map(({ state }) => state))[number] ?? 0,
    copies: copies.map(({ node, stripe }) => ({
      node,
      role: stripe.role,
      lag: Math.max(0, head - stripe.applied),
      fileBytes: stripe.fileBytes,
      rebuilt: stripe.rebuilt,
      rebuiltAt: stripe.rebuiltAt,
    })),
    scrub: scrubOf(
      copies.map(({ stripe }) => stripe),
      nameOf,
    ),
    head,
    snapshot: snapshotOf(leads ?? copies[0]?.stripe, nameOf),
    logEntries: Math.max(0, ...copies.map(({ stripe }) => stripe.logEntries)),
    ...figuresOf(leads),
  };
}

/** As it was told last. */
function scrubOf(
  copies: readonly StripeState[],
  nameOf: (id: string) => string,
): StripeDetail['scrub'] {
  const told = copies.flatMap(({ scrub }) => (scrub === undefined ? [] : [scrub]));
  const [newest] = told.toSorted((a, b) => b.toldAt - a.toldAt);
  if (newest === undefined) return undefined;
  const { step, at } = newest;
  return { step, at, copies: newest.copies.map((one) => ({ ...one, node: nameOf(one.node) })) };
}

function splitWords(split: DatabaseState['split']): string | undefined {
  if (split === undefined) return undefined;
  const { from, into, pauseMsMax, rows, slotsLeft, why } = split;
  const done =
    slotsLeft === undefined ? 'begins' : `${slotsLeft} slots to go, ${rows} rows have moved`;
  const waited = pauseMsMax === 0 ? '' : `, clients waited ${pauseMsMax} ms at most`;
  return `${from} into ${into}: ${why ?? done + waited}`;
}

function snapshotOf(
  stripe: StripeState | undefined,
  nameOf: (id: string) => string,
): StripeDetail['snapshot'] {
  if (stripe?.snapshot === undefined) return undefined;
  const { index, bytes, nodes, isStored } = stripe.snapshot;
  return { index, bytes, nodes: nodes.map(nameOf), isStored };
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

function copyWaits(
  states: readonly NodeState[],
  nameOf: (id: string) => string,
): string | undefined {
  const found = states.find(({ state }) => state.fillWhy !== undefined);
  return found && `${nameOf(found.node)}: ${found.state.fillWhy}`;
}
