/**
 * Chooses a node for one instance and says why. Criteria in this order: a region without one of its kind; few of its kind
 * for the size of the region; few on the node; little load; few instances; the id, so that equals give one answer.
 */
import { type Board, compareText, obstacle, type Piece } from './placement-board.ts';
import type { PlacementNode } from './placement-model.ts';

export type Choice =
  | { readonly kind: 'node'; readonly node: PlacementNode; readonly reason: string }
  | { readonly kind: 'none'; readonly reason: string };

/** Fuller than this a node is never made, even when every node is full: one loss must not bring down the next. */
export const OVERCOMMIT_RATIO_MAX = 1.5;
/** Differences of load below it are noise. */
const LOAD_STEP = 0.1;
const NAMES_SHOWN_MAX = 3;

/** `overcommit: false` refuses nodes without room. `not` is the node that it is to leave. */
export function choose(
  board: Board,
  piece: Piece,
  options: { readonly overcommit: boolean; readonly not?: PlacementNode },
): Choice {
  const refused: string[] = [];
  const fit: PlacementNode[] = [];
  const full: PlacementNode[] = [];
  for (const node of board.nodes) {
    if (node.id === options.not?.id) continue;
    const why = refusal(board, piece, node);
    if (why !== undefined) refused.push(`${node.name} ${why}`);
    else if (board.freeMiB(node) >= piece.wish.memoryMiB) fit.push(node);
    else full.push(node);
  }
  if (fit.length > 0) return best(board, piece, { nodes: fit, refused, full });
  const [roomiest] = options.overcommit
    ? full
        .filter((node) => mayOvercommit(board, piece, node))
        .toSorted((a, b) => board.freeMiB(b) - board.freeMiB(a) || compareText(a.id, b.id))
    : [];
  if (roomiest !== undefined) {
    const free = Math.max(0, Math.floor(board.freeMiB(roomiest)));
    const reason = `no node has ${piece.wish.memoryMiB} MiB free, ${roomiest.name} has the most (${free} MiB)`;
    return { kind: 'node', node: roomiest, reason };
  }
  for (const node of full) {
    const free = Math.max(0, Math.floor(board.freeMiB(node)));
    refused.push(`${node.name} has ${free} MiB free of the ${piece.wish.memoryMiB} that it needs`);
  }
  return { kind: 'none', reason: refused.length === 0 ? 'there is no other node' : short(refused) };
}

/** Why nothing new goes there; what is there already stays on a full disk. */
function refusal(board: Board, piece: Piece, node: PlacementNode): string | undefined {
  if (node.state !== 'ready') return `is ${node.state}`;
  const { diskFullMiB } = node;
  if (diskFullMiB !== undefined) return `has only ${diskFullMiB} MiB left on its disk`;
  return obstacle(board, piece, node);
}

function mayOvercommit(board: Board, piece: Piece, node: PlacementNode): boolean {
  const usedMiB = node.memoryMiB - board.freeMiB(node) + piece.wish.memoryMiB;
  return usedMiB <= node.memoryMiB * OVERCOMMIT_RATIO_MAX;
}

interface Criterion {
  /** Less is better. */
  readonly of: (node: PlacementNode) => number;
  readonly words: (node: PlacementNode) => string;
}

interface Candidates {
  readonly nodes: readonly PlacementNode[];
  readonly refused: readonly string[];
  readonly full: readonly PlacementNode[];
}

function best(board: Board, piece: Piece, { nodes, refused, full }: Candidates): Choice {
  const [only] = nodes;
  if (nodes.length === 1 && only !== undefined) {
    const others = [...refused, ...full.map((node) => `${node.name} has no room`)];
    const because = others.length === 0 ? '' : ` (${short(others)})`;
    return { kind: 'node', node: only, reason: `only ${only.name} can take it${because}` };
  }
  let left = nodes;
  const narrowed: Criterion[] = [];
  for (const criterion of criteria(board, piece, nodes)) {
    const least = Math.min(...left.map(criterion.of));
    const next = left.filter((node) => criterion.of(node) === least);
    if (next.length < left.length) narrowed.push(criterion);
    left = next;
  }
  const [node] = left;
  if (node === undefined) return { kind: 'none', reason: 'there is no node' };
  const words = narrowed.map((criterion) => criterion.words(node));
  if (left.length > 1) words.push(`${node.name} is the first of ${left.length} equals`);
  return { kind: 'node', node, reason: words.join(', ') };
}

function criteria(
  board: Board,
  piece: Piece,
  nodes: readonly PlacementNode[],
): readonly Criterion[] {
  const sizes = new Map<string, number>();
  for (const { region } of nodes) sizes.set(region, (sizes.get(region) ?? 0) + 1);
  const inRegion = ({ region }: PlacementNode): number => board.sameInRegion(piece, region);
  const kind = `${piece.app} ${piece.process}`;
  return [
    {
      of: (node) => (inRegion(node) === 0 ? 0 : 1),
      words: ({ region }) => `region ${region} had none of ${kind}`,
    },
    {
      of: (node) => inRegion(node) / (sizes.get(node.region) ?? 1),
      words: ({ region }) => `region ${region} had the fewest of ${kind} for its size`,
    },
    {
      of: (node) => board.sameOnNode(piece, node),
      words: (node) => `${node.name} had the fewest of ${kind} (${board.sameOnNode(piece, node)})`,
    },
    {
      of: (node) => Math.floor(busyness(board, piece, node) / LOAD_STEP),
      words: (node) =>
        `${node.name} is the least busy (${Math.round(busyness(board, piece, node) * 100)} %)`,
    },
    {
      of: (node) => board.instancesOn(node),
      words: (node) => `${node.name} had the fewest instances (${board.instancesOn(node)})`,
    },
  ];
}

/** The worse of the load now and the memory that would be given away. */
function busyness(board: Board, piece: Piece, node: PlacementNode): number {
  const usedMiB = node.memoryMiB - board.freeMiB(node) + piece.wish.memoryMiB;
  return Math.max(node.load, node.memoryMiB === 0 ? 1 : usedMiB / node.memoryMiB);
}

function short(reasons: readonly string[]): string {
  const shown = reasons.slice(0, NAMES_SHOWN_MAX).join(', ');
  const more = reasons.length - NAMES_SHOWN_MAX;
  return more > 0 ? `${shown} and ${more} more` : shown;
}
