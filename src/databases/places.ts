/**
 * Which nodes have copies of which stripes. Pure: from where they are, and how nodes and copies are doing, to where they should be. A copy
 * that is to go stays until enough others are current and it does not lead, so that a move never leaves a stripe with fewer than before.
 */
import type { PeerNode } from '../cluster/cluster.ts';
import type { AskedLead, DatabaseRecord, PlacesRecord } from './records.ts';

export type PlaceNode = Pick<PeerNode, 'id' | 'region' | 'state'>;

export interface PlacesInput {
  readonly record: Pick<DatabaseRecord, 'copies' | 'regions'>;
  /** As they are, by stripe. */
  readonly places: readonly (readonly string[])[];
  readonly asked: readonly AskedLead[];
  /** Who leads, by stripe; null: nobody, or it is not known. */
  readonly primaries: readonly (string | null)[];
  /** Copies that each node has, of all databases. */
  readonly totals: ReadonlyMap<string, number>;
  /** Every member. */
  readonly nodes: readonly PlaceNode[];
  /** Whether that copy has all that the log has, or nearly. */
  readonly isCurrent: (stripe: number, node: string) => boolean;
  /** False while copies of another database are being exchanged: `totals` will be others when that is done. */
  readonly mayExchange: boolean;
}

/** The same arrays when nothing is to change. */
export function decidePlaces(input: PlacesInput): readonly (readonly string[])[] {
  const board = new Board(input);
  const next = input.places.map((nodes, stripe) => decideStripe(board, nodes, stripe));
  const isSettled = next.every((nodes, stripe) => nodes === input.places[stripe]);
  return isSettled && input.mayExchange ? withExchange(board) : next;
}

/** Of a new database. `where`: all the others have. */
export function firstPlaces(
  record: Pick<DatabaseRecord, 'stripes' | 'copies' | 'regions'>,
  where: Iterable<PlacesRecord>,
  nodes: readonly PlaceNode[],
): PlacesRecord {
  const totals = new Map<string, number>();
  for (const { stripes } of where)
    for (const id of stripes.flat()) totals.set(id, (totals.get(id) ?? 0) + 1);
  return {
    stripes: decidePlaces({
      record,
      places: Array.from({ length: record.stripes }, () => []),
      asked: [],
      primaries: [],
      totals,
      nodes,
      isCurrent: () => true,
      mayExchange: true,
    }),
  };
}

/**
 * Whether it is worth it to give one of what a node has to another. `of`: how many more it has of this database, `all`: of all databases.
 * Each time makes the sum of squares smaller, so it comes to an end.
 */
export function isEvener(of: number, all: number): boolean {
  return of >= 2 || (of === 1 && all >= 2);
}

/** What the decisions about several stripes share: copies by node, this database's and all. */
class Board {
  readonly input: PlacesInput;
  readonly #byId: ReadonlyMap<string, PlaceNode>;
  readonly #counts = new Map<string, number>();
  readonly #totals: Map<string, number>;

  constructor(input: PlacesInput) {
    this.input = input;
    this.#byId = new Map(input.nodes.map((node) => [node.id, node]));
    this.#totals = new Map(input.totals);
    for (const id of input.places.flat()) this.#counts.set(id, this.of(id) + 1);
  }

  /** Copies of this database there. */
  of(id: string): number {
    return this.#counts.get(id) ?? 0;
  }

  all(id: string): number {
    return this.#totals.get(id) ?? 0;
  }

  add(id: string): void {
    this.#counts.set(id, this.of(id) + 1);
    this.#totals.set(id, this.all(id) + 1);
  }

  isMember(id: string): boolean {
    return this.#byId.has(id);
  }

  isReady(id: string): boolean {
    return this.#byId.get(id)?.state === 'ready';
  }

  stays(id: string): boolean {
    return ['ready', 'suspect'].includes(this.#byId.get(id)?.state ?? '');
  }

  /** Does not lead, or is not there to do it. */
  mayGo(stripe: number, id: string): boolean {
    const state = this.#byId.get(id)?.state;
    return this.input.primaries[stripe] !== id || state === undefined || state === 'lost';
  }

  get wanted(): number {
    const able = this.input.nodes.filter(({ id }) => this.stays(id));
    return Math.min(this.input.record.copies, Math.max(1, able.length));
  }

  wish(stripe: number): string | undefined {
    const node = this.input.asked.find((one) => one.stripe === stripe)?.node;
    return node !== undefined && this.isReady(node) ? node : undefined;
  }

  /** How well copies are spread: wished regions that have one, then regions. */
  spread(ids: readonly string[]): readonly [number, number] {
    const regions = new Set(ids.map((id) => this.#byId.get(id)?.region ?? ''));
    return [this.input.record.regions.filter((one) => regions.has(one)).length, regions.size];
  }

  /** The one of `ids` that is missed least beside the others. */
  leastOf(stripe: number, ids: readonly string[]): string | undefined {
    const without = (id: string): readonly [number, number] =>
      this.spread(ids.filter((each) => each !== id));
    const wish = this.wish(stripe);
    return ids
      .filter((id) => id !== wish)
      .toSorted((a, b) => {
        const [x, y] = [without(a), without(b)];
        return (
          y[0] - x[0] ||
          y[1] - x[1] ||
          this.of(b) - this.of(a) ||
          this.all(b) - this.all(a) ||
          (a < b ? 1 : -1)
        );
      })[0];
  }

  /** In a region that is wished for and has none, then in one that has none, then where the fewest copies are. */
  bestBeside(ids: readonly string[], known: readonly string[]): string | undefined {
    const able = this.input.nodes.filter(({ id }) => this.isReady(id) && !known.includes(id));
    return able
      .map(({ id }) => id)
      .toSorted((a, b) => {
        const [x, y] = [this.spread([...ids, a]), this.spread([...ids, b])];
        return (
          y[0] - x[0] ||
          y[1] - x[1] ||
          this.of(a) - this.of(b) ||
          this.all(a) - this.all(b) ||
          (a < b ? -1 : 1)
        );
      })[0];
  }
}

function decideStripe(board: Board, before: readonly string[], stripe: number): readonly string[] {
  const { wanted } = board;
  const { isCurrent } = board.input;
  // Who was forgotten will not come back.
  const known = before.filter((id) => board.isMember(id));
  const good = known.filter((id) => board.stays(id));
  const wish = board.wish(stripe);
  const added = wish === undefined || known.includes(wish) ? [] : [wish];
  while (good.length + added.length < wanted) {
    const next = board.bestBeside([...good, ...added], [...known, ...added]);
    if (next === undefined) break;
    added.push(next);
  }
  for (const id of added) board.add(id);
  const goes = added.length === 0 && good.length > wanted ? board.leastOf(stripe, good) : undefined;
  const stay = good.filter((id) => id !== goes);
  const isEnough = stay.filter((id) => isCurrent(stripe, id)).length >= wanted;
  const going = known.filter((id) => !stay.includes(id));
  // The one that leads is not moved for nothing; of the others those that go come last.
  const order = [...stay, ...added, ...going.filter((id) => !isEnough || !board.mayGo(stripe, id))];
  return order.join(' ') === before.join(' ') ? before : order;
}

/** One copy more, on a node that has clearly fewer: when it is current, the one that it is for goes. */
function withExchange(board: Board): readonly (readonly string[])[] {
  const { places, isCurrent, nodes, primaries } = board.input;
  const isQuiet = places.every(
    (ids, stripe) => ids.length === board.wanted && ids.every((id) => isCurrent(stripe, id)),
  );
  if (!isQuiet) return places;
  const exchanges = places.flatMap((ids, stripe) =>
    nodes.flatMap(({ id }) => {
      const from = board.leastOf(stripe, [...ids, id]);
      if (!board.isReady(id) || ids.includes(id) || from === undefined || from === id) return [];
      const isWorth = isEvener(board.of(from) - board.of(id), board.all(from) - board.all(id));
      return isWorth ? [{ stripe, next: [...ids, id], leads: primaries[stripe] === from }] : [];
    }),
  );
  // Rather one whose primary need not move for it.
  const best = exchanges.find(({ leads }) => !leads) ?? exchanges[0];
  return best === undefined ? places : places.with(best.stripe, best.next);
}
