/**
 * Which node runs which instance: a pure function of the nodes, the wishes and what is placed now. What runs stays where
 * it is unless something forces it away, so that adding a node moves nothing and losing one moves only its own.
 * It does not look at clocks, does not ask nodes and does not carry anything out.
 */
import { Board, compareSlots, obstacle, type Piece, slotId } from './placement-board.ts';
import { choose } from './placement-choice.ts';
import type {
  Assignment,
  Move,
  PlacedSlot,
  Placement,
  PlacementApp,
  PlacementInput,
  PlacementNode,
  PlacementProcess,
  Slot,
  UnplacedSlot,
} from './placement-model.ts';

/** Rounds of placing and relieving; each moves something to where it fits, so a few always suffice. */
const ROUNDS_MAX = 100;

interface Seated {
  readonly piece: Piece;
  node: PlacementNode | undefined;
  reason: string;
  /** Why it has no node, or is new. */
  cause: string;
}

/** Same input, same answer, and placing what came out again changes nothing. */
export function place(input: PlacementInput): Placement {
  const board = new Board(input);
  const stopped = new Map<string, string>();
  const seats = input.apps.flatMap((app) =>
    app.processes.flatMap((wish) => seatsOf(board, input, { app, wish }, stopped)),
  );
  for (const seat of seats) if (seat.node !== undefined) board.put(seat.piece, seat.node);
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const placed = placeHomeless(board, seats);
    const relieved = relieve(board, seats);
    if (!placed && !relieved) break;
  }
  return answer(board, input, seats, stopped);
}

/** What is placed of one process type: kept, homeless, or new; surplus goes to `stopped`. */
function seatsOf(
  board: Board,
  input: PlacementInput,
  { app, wish }: { readonly app: PlacementApp; readonly wish: PlacementProcess },
  stopped: Map<string, string>,
): readonly Seated[] {
  const wanted = wish.singleton ? Math.min(1, wish.wanted) : wish.wanted;
  const of = (slot: number): Piece => {
    const name = { app: app.name, process: wish.name, slot };
    return { ...name, id: slotId(name), wish, policy: app };
  };
  const mine = new Map<number, Assignment>();
  for (const one of input.current) {
    if (one.app === app.name && one.process === wish.name && !mine.has(one.slot)) {
      mine.set(one.slot, one);
    }
  }
  const kept = new Map(mine);
  while (kept.size > wanted) {
    const victim = surplus(board, app, [...kept.values()]);
    kept.delete(victim.slot);
    stopped.set(slotId(victim), wanted === 1 ? '1 is wanted' : `${wanted} are wanted`);
  }
  const seats: Seated[] = [...kept.values()].map((one) => {
    const node = board.node(one.node);
    const cause = goneBecause(app, node, one.node);
    return {
      piece: of(one.slot),
      node: cause === '' ? node : undefined,
      reason: one.reason,
      cause,
    };
  });
  const cause = wanted === 1 ? '1 is wanted' : `${wanted} are wanted`;
  for (let slot = 0; seats.length < wanted; slot++) {
    if (kept.has(slot)) continue;
    seats.push({ piece: of(slot), node: undefined, reason: '', cause });
  }
  return seats;
}

/** The one that is missed least: on the worst node, then where most of its kind are, then the youngest slot. */
function surplus(board: Board, app: PlacementApp, of: readonly Assignment[]): Assignment {
  const rank = (one: Assignment): readonly number[] => {
    const node = board.node(one.node);
    const gone = isLostFor(app, node) ? 3 : 0;
    const state =
      node === undefined ? 3 : { ready: 0, suspect: 1, draining: 2, lost: 3 }[node.state];
    const sameRegion = of.filter((other) => board.node(other.node)?.region === node?.region);
    const sameNode = of.filter((other) => other.node === one.node);
    return [gone, state, sameNode.length, sameRegion.length, one.slot];
  };
  const [worst] = of.toSorted((a, b) => compareRanks(rank(b), rank(a)));
  if (worst === undefined) throw new Error('There is nothing to stop');
  return worst;
}

function compareRanks(a: readonly number[], b: readonly number[]): number {
  for (const [at, value] of a.entries()) {
    const other = b[at] ?? 0;
    if (value !== other) return value - other;
  }
  return 0;
}

/** By the app's own clock, if it has one. A node that is not on the list has been forgotten. */
export function isLostFor(app: PlacementApp, node: PlacementNode | undefined): boolean {
  if (node === undefined) return true;
  if (app.lostAfterMs === undefined) return node.state === 'lost';
  const isSilent = node.state === 'suspect' || node.state === 'lost';
  return isSilent && node.silentMs >= app.lostAfterMs;
}

/** Empty when it may stay. A forgotten node never comes back, so then nothing waits for it. */
function goneBecause(app: PlacementApp, node: PlacementNode | undefined, id: string): string {
  if (node === undefined) return `node ${id} was forgotten`;
  return isLostFor(app, node) && app.restart === 'elsewhere' ? `${node.name} is lost` : '';
}

/** The largest first, for they find a place least easily. */
function placeHomeless(board: Board, seats: readonly Seated[]): boolean {
  let changed = false;
  const homeless = seats
    .filter((seat) => seat.node === undefined)
    .toSorted(
      (a, b) => b.piece.wish.memoryMiB - a.piece.wish.memoryMiB || compareSlots(a.piece, b.piece),
    );
  for (const seat of homeless) {
    const choice = choose(board, seat.piece, { overcommit: true });
    if (choice.kind === 'none') continue;
    seat.node = choice.node;
    seat.reason = `${seat.cause}: ${choice.reason}`;
    board.put(seat.piece, choice.node);
    changed = true;
  }
  return changed;
}

/** Moves what should not be where it is, if there is a place with room; else it stays and goes on running. */
function relieve(board: Board, seats: readonly Seated[]): boolean {
  let changed = false;
  const order = seats.toSorted(
    (a, b) =>
      Number(a.piece.wish.singleton) - Number(b.piece.wish.singleton) ||
      compareSlots(b.piece, a.piece),
  );
  for (const seat of order) {
    const { node, piece } = seat;
    const cause = node === undefined ? undefined : displacedBecause(board, piece, node);
    if (node === undefined || cause === undefined) continue;
    const choice = choose(board, piece, { overcommit: false, not: node });
    if (choice.kind === 'none') continue;
    board.take(piece, node);
    board.put(piece, choice.node);
    seat.node = choice.node;
    seat.reason = `${cause}: ${choice.reason}`;
    changed = true;
  }
  return changed;
}

/** Silent nodes keep what they have: nobody knows whether it still runs. */
function displacedBecause(board: Board, piece: Piece, node: PlacementNode): string | undefined {
  if (node.state === 'suspect' || node.state === 'lost') return undefined;
  if (node.state === 'draining') return `${node.name} is draining`;
  const why = obstacle(board, piece, node);
  if (why !== undefined) return `${node.name} ${why}`;
  const overMiB = -board.freeMiB(node);
  return overMiB > 0 ? `${node.name} is ${Math.ceil(overMiB)} MiB over its memory` : undefined;
}

function staysBecause(board: Board, { piece }: Seated, node: PlacementNode): string | undefined {
  const { name } = node;
  const { policy } = piece;
  if (isLostFor(policy, node)) {
    return policy.restart === 'wait'
      ? `${name} is lost, and ${piece.app} waits for it`
      : `${name} is lost, and ${piece.app} is never started again elsewhere`;
  }
  if (node.state === 'lost') return `${name} is lost, but ${piece.app} waits longer than that`;
  if (node.state === 'suspect') return `${name} is suspect and may come back`;
  const cause = displacedBecause(board, piece, node);
  if (cause === undefined) return undefined;
  const choice = choose(board, piece, { overcommit: false, not: node });
  return `${cause}, but ${choice.kind === 'none' ? choice.reason : 'it is moved next'}`;
}

function answer(
  board: Board,
  input: PlacementInput,
  seats: readonly Seated[],
  stopped: ReadonlyMap<string, string>,
): Placement {
  const before = new Map(input.current.map((one) => [slotId(one), one]));
  const assignments: PlacedSlot[] = [];
  const unplaced: UnplacedSlot[] = [];
  const moves: Move[] = [];
  const seen = new Set<string>();
  for (const seat of seats.toSorted((a, b) => compareSlots(a.piece, b.piece))) {
    const { node, reason } = seat;
    const { app, process, slot, id } = seat.piece;
    const name: Slot = { app, process, slot };
    const from = before.get(id)?.node;
    seen.add(id);
    if (node === undefined) {
      const choice = choose(board, seat.piece, { overcommit: true });
      unplaced.push({ ...name, reason: choice.reason });
      if (from !== undefined) {
        moves.push({
          kind: 'stop',
          slot: name,
          from,
          reason: `${seat.cause}, and ${choice.reason}`,
        });
      }
      continue;
    }
    const stays = staysBecause(board, seat, node);
    assignments.push({ ...name, node: node.id, reason, ...(stays === undefined ? {} : { stays }) });
    if (from === undefined) moves.push({ kind: 'start', slot: name, to: node.id, reason });
    else if (from !== node.id) moves.push({ kind: 'move', slot: name, from, to: node.id, reason });
  }
  for (const { app, process, slot, node } of input.current.toSorted(compareSlots)) {
    const name: Slot = { app, process, slot };
    if (seen.has(slotId(name))) continue;
    seen.add(slotId(name));
    const reason = stopped.get(slotId(name)) ?? `${app} ${process} is no longer wanted`;
    moves.push({ kind: 'stop', slot: name, from: node, reason });
  }
  return { assignments, unplaced, moves };
}
