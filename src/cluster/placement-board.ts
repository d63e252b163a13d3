/** The board on which placement plays: who is where at this moment, and what that leaves free. */
import type {
  PlacementApp,
  PlacementInput,
  PlacementNode,
  PlacementProcess,
  Slot,
} from './placement-model.ts';

/** One wished instance with everything that is known about it. */
export interface Piece extends Slot {
  readonly id: string;
  readonly wish: PlacementProcess;
  readonly policy: PlacementApp;
}

export function slotId({ app, process, slot }: Slot): string {
  return `${app}/${process}/${slot}`;
}

export class Board {
  readonly nodes: readonly PlacementNode[];
  readonly #byId: ReadonlyMap<string, PlacementNode>;
  readonly #pieces = new Map<string, Map<string, Piece>>();
  readonly #usedMiB = new Map<string, number>();
  /** How many of `app/process` are on a node, or in a region. */
  readonly #onNode = new Map<string, number>();
  readonly #inRegion = new Map<string, number>();

  constructor(input: PlacementInput) {
    this.nodes = input.nodes.toSorted((a, b) => compareText(a.id, b.id));
    this.#byId = new Map(this.nodes.map((node) => [node.id, node]));
  }

  node(id: string): PlacementNode | undefined {
    return this.#byId.get(id);
  }

  put(piece: Piece, node: PlacementNode): void {
    const pieces = this.#pieces.get(node.id) ?? new Map<string, Piece>();
    pieces.set(piece.id, piece);
    this.#pieces.set(node.id, pieces);
    this.#count(piece, node, 1);
  }

  take(piece: Piece, node: PlacementNode): void {
    if (this.#pieces.get(node.id)?.delete(piece.id) === true) this.#count(piece, node, -1);
  }

  piecesOn(node: PlacementNode): readonly Piece[] {
    return [...(this.#pieces.get(node.id)?.values() ?? [])];
  }

  instancesOn(node: PlacementNode): number {
    return this.#pieces.get(node.id)?.size ?? 0;
  }

  /** Negative when the node holds more than it should. */
  freeMiB(node: PlacementNode): number {
    return node.memoryMiB - (this.#usedMiB.get(node.id) ?? 0);
  }

  sameOnNode(piece: Piece, node: PlacementNode): number {
    return this.#onNode.get(`${processId(piece)} ${node.id}`) ?? 0;
  }

  sameInRegion(piece: Piece, region: string): number {
    return this.#inRegion.get(`${processId(piece)} ${region}`) ?? 0;
  }

  #count(piece: Piece, node: PlacementNode, by: 1 | -1): void {
    add(this.#usedMiB, node.id, by * piece.wish.memoryMiB);
    add(this.#onNode, `${processId(piece)} ${node.id}`, by);
    add(this.#inRegion, `${processId(piece)} ${node.region}`, by);
  }
}

/** Why the piece must not be on the node, or undefined. Capacity is another matter. */
export function obstacle(board: Board, piece: Piece, node: PlacementNode): string | undefined {
  for (const [key, value] of Object.entries(piece.wish.labels)) {
    if (node.labels[key] !== value) return `does not have the label ${key}=${value}`;
  }
  for (const other of board.piecesOn(node)) {
    if (other.id === piece.id) continue;
    const same = other.app === piece.app && other.process === piece.process;
    if (same && piece.wish.apart) return `has one of ${piece.app} ${piece.process} already`;
    if (piece.wish.avoid.includes(other.app) || other.wish.avoid.includes(piece.app)) {
      return `runs ${other.app}, which ${piece.app} must not share a node with`;
    }
  }
  return undefined;
}

export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

export function compareSlots(a: Slot, b: Slot): number {
  return compareText(a.app, b.app) || compareText(a.process, b.process) || a.slot - b.slot;
}

function processId({ app, process }: Slot): string {
  return `${app}/${process}`;
}

function add(counts: Map<string, number>, key: string, by: number): void {
  counts.set(key, (counts.get(key) ?? 0) + by);
}
