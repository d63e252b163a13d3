/**
 * The leader's duty for databases: keeps the copies of stripes on enough nodes that are well, and the primaries spread over them. What it
 * decides is `places.ts` and `leads.ts`; a move itself is done by the two processes.
 */
import type { Logger } from '../base/log.ts';
import { followAgain } from '../base/again.ts';
import { isMolnError, messageOf } from '../base/errors.ts';
import { type Clock, untilSecond } from '../base/time.ts';
import { duringTerm, type Events, type LeaderTerm, type Peers } from '../cluster/cluster.ts';
import type { Registry, Stored } from '../registry/registry.ts';
import type { DatabaseState, Moved, MoveRequest, StripeState } from './control.ts';
import { decideMove, type LeadsInput, type StripeMove } from './leads.ts';
import {
  COPY_LAG_MAX,
  LEADS_EVERY_MS,
  MOVE_AGAIN_MS,
  NEAR_BYTES_MAX,
  NEAR_LOOK_MS,
} from './limits.ts';
import { bytesOf, decideNear } from './near.ts';
import { decidePlaces, type PlacesInput } from './places.ts';
import {
  type DatabaseRecord,
  databaseRecords,
  type PlacesRecord,
  placesRecords,
} from './records.ts';

export interface DatabasePlacerOptions {
  /** The live one: never a mirror. */
  readonly registry: Registry;
  readonly peers: Pick<Peers, 'all'>;
  /** What this node's process says. */
  readonly own: () => Promise<readonly DatabaseState[]>;
  /** What each node's process says, by the node's id; who does not answer is left out. */
  readonly states: () => Promise<ReadonlyMap<string, readonly DatabaseState[]>>;
  /** The nodes that run apps with a database, by its name. */
  readonly readers: () => Promise<ReadonlyMap<string, readonly string[]>>;
  /** Asks the process of the node that leads. */
  readonly move: (node: string, request: MoveRequest) => Promise<Moved>;
  readonly events: Pick<Events, 'tell'>;
  readonly clock: Clock;
  readonly log: Logger;
}

interface Placed {
  readonly name: string;
  readonly record: DatabaseRecord;
  readonly stored: Stored<PlacesRecord>;
  readonly primaries: readonly (string | null)[];
}

/** All databases, and where their copies are. */
interface Listed {
  readonly databases: readonly Stored<DatabaseRecord>[];
  readonly places: readonly Stored<PlacesRecord>[];
  readonly atMs: number;
}

/** Of all databases, as they will be when what was decided is done. */
interface Copies {
  readonly totals: Map<string, number>;
  /** Ids of databases. */
  readonly exchanged: Set<string>;
}

type States = ReadonlyMap<string, readonly DatabaseState[]>;

const LOOK_EVERY_MS = 1000;
/** While there is no database. A new one has its places from the start. */
const LOOK_SELDOM_MS = 10_000;
/** As `isCurrent`: to find out whether it matters. */
const YES = (): boolean => true;
const NO = (): boolean => false;

export class DatabasePlacer {
  readonly name = 'databases';
  readonly #options: DatabasePlacerOptions;
  /** By the database's id. */
  readonly #moving = new Map<string, Promise<void>>();
  /** Moves that go on, or have just ended: who leads may not have been heard yet. By the database's id. */
  readonly #headed = new Map<string, StripeMove & { readonly untilMs: number }>();
  /** Not before, after a move that failed. */
  readonly #notBeforeMs = new Map<string, number>();
  /** Too large for copies where it is used; not asked again before. By the database's id. */
  readonly #largeUntilMs = new Map<string, number>();
  #wake = Promise.withResolvers<void>();
  #listed: Listed | undefined;
  /** Something may have changed since they were listed. */
  #isNews = true;
  #primaries: ReadonlyMap<string, readonly (string | null)[]> = new Map();
  #askedMs = -Infinity;
  #seen = '';

  constructor(options: DatabasePlacerOptions) {
    this.#options = options;
  }

  async lead(term: LeaderTerm): Promise<void> {
    const { registry } = this.#options;
    const stop = new AbortController();
    const signal = AbortSignal.any([term.signal, stop.signal]);
    this.#isNews = true;
    const following = [databaseRecords(registry), placesRecords(registry)].map(({ prefix }) =>
      this.#follow(prefix, signal),
    );
    try {
      await this.#tend(term);
    } finally {
      stop.abort();
      await Promise.all(following);
    }
  }

  async #tend(term: LeaderTerm): Promise<void> {
    const { clock, peers, registry } = this.#options;
    const { signal } = term;
    signal.addEventListener('abort', () => this.#wake.resolve(), { once: true });
    while (!signal.aborted) {
      // Alone there is nothing to choose.
      const isAlone = peers.all().length === 1;
      const found = isAlone || (await this.#look(duringTerm(registry, term)));
      const pauseMs = untilSecond(clock, found ? LOOK_EVERY_MS : LOOK_SELDOM_MS);
      using _timer = clock.after(pauseMs, () => this.#wake.resolve());
      await this.#wake.promise;
      this.#wake = Promise.withResolvers();
    }
    await Promise.all(this.#moving.values());
  }

  #follow(prefix: string, signal: AbortSignal): Promise<void> {
    const { registry, clock, log } = this.#options;
    const onError = (error: unknown): void =>
      log.debug('Cannot follow', { prefix, why: messageOf(error) });
    const work = async (): Promise<void> => {
      const { revision } = await registry.list(prefix);
      this.#isNews = true;
      for await (const _ of registry.watch(prefix, revision + 1, signal)) this.#isNews = true;
    };
    return followAgain(work, { clock, signal, pauseMs: LOOK_EVERY_MS, onError });
  }

  /** A watch is a hint: now and then they are listed without one. What is decided by them is compared when it is written. */
  async #list(registry: Registry): Promise<Listed> {
    const atMs = this.#options.clock.monotonicMs();
    const known = this.#listed;
    if (known !== undefined && !this.#isNews && atMs - known.atMs < LEADS_EVERY_MS) return known;
    // Before they are read: what changes meanwhile counts.
    this.#isNews = false;
    this.#listed = undefined;
    const databases = await databaseRecords(registry).list();
    const places = databases.length === 0 ? [] : await placesRecords(registry).list();
    return (this.#listed = { databases, places, atMs });
  }

  /** False when there is no database. */
  async #look(registry: Registry): Promise<boolean> {
    const { databases, places: all } = await this.#list(registry);
    if (databases.length === 0) return false;
    await this.#lookAtPrimaries(all);
    const places = new Map(all.map((one) => [one.id, one]));
    const placed = databases.flatMap(({ id: name, value: record }): Placed[] => {
      const stored = places.get(record.id);
      const primaries = this.#primariesOf(record.id);
      return stored === undefined ? [] : [{ name, record, stored, primaries }];
    });
    let asked: Promise<States> | undefined;
    const states = (): Promise<States> => (asked ??= this.#options.states());
    // Each decision counts for the next: else all databases would give to the same node at once, and take it back.
    const copies: Copies = {
      totals: countOf(placed.flatMap(({ stored }) => stored.value.stripes.flat())),
      exchanged: new Set(placed.filter((one) => isExchanged(one)).map(({ record }) => record.id)),
    };
    const readers = await this.#readers();
    for (const one of placed) {
      const known = readers && (readers.get(one.name) ?? []);
      const near = known ? await this.#near(one, known, states) : (one.stored.value.near ?? []);
      await this.#place(registry, { ...one, near }, copies, states);
    }
    const leads = countOf(placed.flatMap(({ primaries }) => primaries));
    for (const one of placed) await this.#lead(one, leads, states);
    return true;
  }

  /** With the move that goes on as if it had ended. */
  #primariesOf(id: string): readonly (string | null)[] {
    const seen = this.#primaries.get(id) ?? [];
    const headed = this.#headed.get(id);
    if (headed === undefined || seen[headed.stripe] !== headed.from) return seen;
    if (this.#options.clock.monotonicMs() < headed.untilMs)
      return seen.with(headed.stripe, headed.to);
    this.#headed.delete(id);
    return seen;
  }

  /** Each stripe is asked for, so this is done when it matters, and now and then. */
  async #lookAtPrimaries(places: readonly Stored<PlacesRecord>[]): Promise<void> {
    const { clock, own, peers } = this.#options;
    const now = clock.monotonicMs();
    const seen = JSON.stringify([
      places.map(({ id, revision }) => [id, revision]),
      peers.all().map(({ id, state }) => [id, state]),
    ]);
    if (seen === this.#seen && now - this.#askedMs < LEADS_EVERY_MS) return;
    const states = await own();
    this.#primaries = new Map(states.map(({ id, primaries }) => [id, primaries]));
    this.#seen = seen;
    this.#askedMs = now;
  }

  /** Undefined while that cannot be read: copies that keep a database safe do not wait for it. */
  async #readers(): Promise<ReadonlyMap<string, readonly string[]> | undefined> {
    try {
      return await this.#options.readers();
    } catch (error) {
      this.#options.log.warn('It is not known where apps use databases', { why: messageOf(error) });
      return undefined;
    }
  }

  /** As they should be: a copy more only of what is small. */
  async #near(
    { record, stored, primaries }: Placed,
    readers: readonly string[],
    states: () => Promise<States>,
  ): Promise<readonly string[]> {
    const { clock, peers } = this.#options;
    const { near = [] } = stored.value;
    const next = decideNear({ near, readers, nodes: peers.all(), primaries });
    const isMore = next.some((one) => !near.includes(one));
    if (!isMore) return next;
    const nowMs = clock.monotonicMs();
    if (nowMs >= (this.#largeUntilMs.get(record.id) ?? -Infinity)) {
      const bytes = bytesOf(record.stripes, copiesIn(await states(), record.id));
      if (bytes !== undefined && bytes <= NEAR_BYTES_MAX) return next;
      // What is not known now may be with the next look.
      if (bytes !== undefined) this.#largeUntilMs.set(record.id, nowMs + NEAR_LOOK_MS);
    }
    return near.filter((one) => next.includes(one));
  }

  async #place(
    registry: Registry,
    { name, record, stored, primaries, near }: Placed & { readonly near: readonly string[] },
    { totals, exchanged }: Copies,
    states: () => Promise<States>,
  ): Promise<void> {
    const nodes = this.#options.peers.all();
    const mayExchange = [...exchanged].every((id) => id === record.id);
    const { stripes, asked = [], near: nearBefore = [] } = stored.value;
    const decide = (isCurrent: PlacesInput['isCurrent']): PlacesInput['places'] =>
      decidePlaces({
        record,
        places: stripes,
        asked,
        primaries,
        totals,
        nodes,
        isCurrent,
        mayExchange,
      });
    const isNew = (next: PlacesInput['places']): boolean =>
      next.some((each, at) => each !== stripes[at]);
    // Who is said to lead does not yet: no copy goes before that is over.
    const isMoving = this.#moving.has(record.id);
    // Whether copies are current is asked only when it matters.
    const isSettled = !isNew(decide(NO)) && (isMoving || !isNew(decide(YES)));
    const isCurrent = isSettled || isMoving ? NO : currentIn(await states(), record.id);
    const next = isSettled ? stripes : decide(isCurrent);
    if (!isNew(next) && near.join(' ') === nearBefore.join(' ')) return;
    const kept = asked.filter(({ node }) => nodes.some(({ id }) => id === node));
    const { log } = this.#options;
    try {
      // A node that runs an older program knows no such key, and cannot read a record that has it.
      const value = { stripes: next, ...(near.length > 0 ? { near } : {}), asked: kept };
      await placesRecords(registry).put(record.id, value, { ifRevision: stored.revision });
      for (const id of next.flat()) count(totals, id, 1);
      for (const id of stripes.flat()) count(totals, id, -1);
      if (isExchanged({ record, stored: { value } })) exchanged.add(record.id);
      log.info('Copies of a database are placed anew', { database: name, places: next, near });
    } catch (error) {
      // Somebody has asked for a move just now: decided anew with the next look.
      if (!isMolnError(error, 'REGISTRY_CONFLICT')) throw error;
      this.#isNews = true;
    }
  }

  /** At most one move of a database at a time. */
  async #lead(
    { name, record, stored, primaries }: Placed,
    totals: Map<string, number>,
    states: () => Promise<States>,
  ): Promise<void> {
    const { peers, clock } = this.#options;
    if (this.#moving.has(record.id)) return;
    if (clock.monotonicMs() < (this.#notBeforeMs.get(record.id) ?? 0)) return;
    const { stripes: places, asked = [] } = stored.value;
    const nodes = peers.all();
    const decide = (isCurrent: LeadsInput['isCurrent']): StripeMove | undefined =>
      decideMove({ record, places, asked, primaries, totals, nodes, isCurrent });
    if (decide(YES) === undefined) return;
    const move = decide(currentIn(await states(), record.id));
    if (move === undefined) return;
    count(totals, move.from, -1);
    count(totals, move.to, 1);
    this.#headed.set(record.id, { ...move, untilMs: Infinity });
    this.#moving.set(
      record.id,
      this.#move(name, record.id, move).finally(() => {
        this.#moving.delete(record.id);
        // Who leads now decides what comes next.
        this.#seen = '';
        this.#wake.resolve();
      }),
    );
  }

  async #move(name: string, id: string, planned: StripeMove): Promise<void> {
    const { stripe, from, to, why } = planned;
    const { move, events, clock, log, peers } = this.#options;
    const nameOf = (node: string): string =>
      peers.all().find((one) => one.id === node)?.name ?? node;
    try {
      const { pauseMs } = await move(from, { database: name, stripe, to, why });
      this.#headed.set(id, { ...planned, untilMs: clock.monotonicMs() + LEADS_EVERY_MS });
      events.tell(
        'database',
        `Stripe ${stripe} of ${name} moved from ${nameOf(from)} to ${nameOf(to)}: ${why}; writes waited for ${pauseMs} ms`,
      );
    } catch (error) {
      this.#headed.delete(id);
      this.#notBeforeMs.set(id, clock.monotonicMs() + MOVE_AGAIN_MS);
      log.warn('A stripe cannot be moved yet', { database: name, stripe, why: messageOf(error) });
    }
  }
}

function currentIn(states: States, database: string): PlacesInput['isCurrent'] {
  return (stripe, node) => {
    const found = states
      .get(node)
      ?.find(({ id }) => id === database)
      ?.stripes.find(({ number }) => number === stripe);
    return found !== undefined && found.head - found.applied <= COPY_LAG_MAX;
  };
}

function copiesIn(states: States, database: string): readonly StripeState[] {
  return [...states.values()].flatMap(
    (all) => all.find(({ id }) => id === database)?.stripes ?? [],
  );
}

function countOf(ids: readonly (string | null)[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const id of ids) if (id !== null) count(counts, id, 1);
  return counts;
}

function count(counts: Map<string, number>, id: string, by: number): void {
  counts.set(id, (counts.get(id) ?? 0) + by);
}

/** It has a copy more than it should: one of them goes when the others are current. */
function isExchanged({
  record,
  stored,
}: Pick<Placed, 'record'> & { readonly stored: Pick<Placed['stored'], 'value'> }): boolean {
  return stored.value.stripes.some((ids) => ids.length > record.copies);
}
