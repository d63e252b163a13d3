/**
 * Pure: which addresses this node should take and which it should give back now. Every node decides for itself out of the same
 * records; a commit with a condition settles who was first. Nothing moves for balance alone, for a move breaks connections.
 */
import { sha256Hex } from '../base/ids.ts';
import { TURN_MS } from './limits.ts';
import type { VirtualAddress } from './virtual-address.ts';

export interface DecidingNode {
  readonly id: string;
  readonly name: string;
  /** Heard of, and not to be drained. */
  readonly isReady: boolean;
}

export interface Deciding {
  readonly self: string;
  /** The gateway here answers. */
  readonly isServing: boolean;
  /** This node is about to end. */
  readonly isLeaving: boolean;
  readonly nodes: readonly DecidingNode[];
  readonly addresses: readonly VirtualAddress[];
  /** By address: id of the node that holds it. */
  readonly held: ReadonlyMap<string, string>;
  /** By address: for how long this node has seen that nobody holds it. */
  readonly freeMs: ReadonlyMap<string, number>;
}

export interface Decision {
  readonly take: readonly VirtualAddress[];
  readonly giveBack: readonly { readonly address: string; readonly why: string }[];
  /** When to look again if nothing changes; Infinity: no need. */
  readonly againMs: number;
}

export function decide(state: Deciding): Decision {
  const { addresses, held, self } = state;
  const take: VirtualAddress[] = [];
  const giveBack: { address: string; why: string }[] = [];
  const counts = new Map<string, number>();
  for (const id of held.values()) counts.set(id, (counts.get(id) ?? 0) + 1);
  let againMs = Infinity;
  for (const address of addresses) {
    const holder = held.get(address.address);
    const fit = fitNodes(address, state);
    if (holder === self) {
      const why = whyGive(address, state, fit);
      if (why !== undefined) giveBack.push({ address: address.address, why });
    } else if (holder === undefined) {
      const order = inOrder(address.address, fit, counts);
      const first = order[0];
      // As if it were taken, so that the next address goes to another node.
      if (first !== undefined) counts.set(first.id, (counts.get(first.id) ?? 0) + 1);
      const turn = order.findIndex(({ id }) => id === self);
      if (turn < 0 || !state.isServing || state.isLeaving) continue;
      const waitMs = turn * TURN_MS - (state.freeMs.get(address.address) ?? 0);
      if (waitMs <= 0) take.push(address);
      else againMs = Math.min(againMs, waitMs);
    }
  }
  for (const [address, id] of held) {
    if (id === self && !addresses.some((one) => one.address === address)) {
      giveBack.push({ address, why: 'let it go, for it was removed' });
    }
  }
  return { take, giveBack, againMs };
}

/** Those that may hold it and could take it now, as far as it is known here. */
function fitNodes({ nodes: allowed }: VirtualAddress, { nodes }: Deciding): DecidingNode[] {
  return nodes.filter(
    ({ name, isReady }) => isReady && (allowed.length === 0 || allowed.includes(name)),
  );
}

/** Better a node that is to be drained than none. */
function whyGive(
  { nodes: allowed }: VirtualAddress,
  { self, nodes, isServing, isLeaving }: Deciding,
  fit: readonly DecidingNode[],
): string | undefined {
  if (isLeaving) return 'stopped';
  const own = nodes.find(({ id }) => id === self);
  if (own !== undefined && allowed.length > 0 && !allowed.includes(own.name)) {
    return 'may not hold it any more';
  }
  if (!fit.some(({ id }) => id !== self)) return undefined;
  if (!isServing) return 'gave it back, for its gateway did not answer';
  if (own?.isReady === false) return 'gave it back, for it is to be drained';
  return undefined;
}

/** Those with the fewest addresses first; among equals in an order of the address's own (rendezvous hashing). */
function inOrder(
  address: string,
  nodes: readonly DecidingNode[],
  counts: ReadonlyMap<string, number>,
): readonly DecidingNode[] {
  return nodes
    .map((node) => ({
      node,
      count: counts.get(node.id) ?? 0,
      weight: sha256Hex(`${address} ${node.id}`),
    }))
    .toSorted((a, b) => a.count - b.count || (a.weight < b.weight ? 1 : -1))
    .map(({ node }) => node);
}
