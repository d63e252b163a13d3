/**
 * Which nodes have copies of which stripes. Pure: from where they are, and how nodes and copies are doing, to where they should be. A copy
 * that is to go stays until enough others are current, so that a move never leaves a stripe with fewer than before.
 */
import type { PeerNode } from '../cluster/cluster.ts';
import type { DatabaseRecord } from './records.ts';

export type PlaceNode = Pick<PeerNode, 'id' | 'region' | 'state'>;

export interface PlacesInput {
  readonly record: Pick<DatabaseRecord, 'copies' | 'regions'>;
  /** As they are, by stripe. */
  readonly places: readonly (readonly string[])[];
  /** Every member. */
  readonly nodes: readonly PlaceNode[];
  /** Whether that copy has all that the log has, or nearly. */
  readonly isCurrent: (stripe: number, node: string) => boolean;
}

/** The same arrays when nothing is to change. */
export function decidePlaces(input: PlacesInput): readonly (readonly string[])[] {
  const counts = new Map<string, number>();
  for (const nodes of input.places) for (const id of nodes) add(counts, id);
  return input.places.map((nodes, stripe) => decideStripe(input, nodes, stripe, counts));
}

function decideStripe(
  { record, nodes, isCurrent }: PlacesInput,
  before: readonly string[],
  stripe: number,
  counts: Map<string, number>,
): readonly string[] {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  // Who was forgotten will not come back.
  const known = before.filter((id) => byId.has(id));
  const stays = (id: string): boolean => ['ready', 'suspect'].includes(byId.get(id)?.state ?? '');
  const good = known.filter(stays);
  const able = nodes.filter(({ state }) => state === 'ready' || state === 'suspect');
  const wanted = Math.min(record.copies, Math.max(1, able.length));
  const added: string[] = [];
  while (good.length + added.length < wanted) {
    const next = bestOf(
      nodes.filter(
        ({ id, state }) => state === 'ready' && !known.includes(id) && !added.includes(id),
      ),
      { record, regions: [...good, ...added].map((id) => byId.get(id)?.region ?? ''), counts },
    );
    if (next === undefined) break;
    added.push(next.id);
    add(counts, next.id);
  }
  const current = good.filter((id) => isCurrent(stripe, id));
  const kept = current.length >= wanted ? good : known;
  // The one that leads is not moved for nothing; of the others those that go come last.
  const order = [...kept.filter(stays), ...added, ...kept.filter((id) => !stays(id))];
  return order.join(' ') === before.join(' ') ? before : order;
}

/** In a region that is wished for and has none, then in one that has none, then where the fewest copies are. */
function bestOf(
  nodes: readonly PlaceNode[],
  {
    record,
    regions,
    counts,
  }: {
    readonly record: Pick<DatabaseRecord, 'regions'>;
    readonly regions: readonly string[];
    readonly counts: ReadonlyMap<string, number>;
  },
): PlaceNode | undefined {
  const score = ({ id, region }: PlaceNode): readonly [number, number, number] => [
    record.regions.includes(region) ? (regions.includes(region) ? 1 : 0) : 2,
    regions.includes(region) ? 1 : 0,
    counts.get(id) ?? 0,
  ];
  return nodes.toSorted((a, b) => {
    const [x, y] = [score(a), score(b)];
    return x[0] - y[0] || x[1] - y[1] || x[2] - y[2] || (a.id < b.id ? -1 : 1);
  })[0];
}

function add(counts: Map<string, number>, id: string): void {
  counts.set(id, (counts.get(id) ?? 0) + 1);
}
