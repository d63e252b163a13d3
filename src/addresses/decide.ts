/**
 * Pure: which addresses this node should take and which it should give back now. Every node decides for itself out of the same
 * records; a commit with a condition settles who was first. Nothing moves for balance alone, for a move breaks connections.
 */
import { sha256Hex } from '../base/ids.ts';
import { TURN_MS } from './limits.ts';

export interface DecidingNode {
  readonly id: string;
  readonly name: string;
  /** `away`: not heard of for a moment or longer. */
  readonly state: 'ready' | 'draining' | 'away';
  /** By address: empty, or why it cannot hold it; undefined for one that it has not looked at yet. */
  readonly whyNot: Readonly<Record<string, string>>;
}

export interface DecidingAddress {
  readonly address: string;
  /** Names of the nodes that may hold it; empty: any. */
  readonly nodes: readonly string[];
}

export interface DecidingHolder {
  readonly nodeId: string;
  /** Empty while it holds it. */
  readonly ended: string;
}

export interface Deciding {
  readonly self: string;
  /** This node is about to end. */
  readonly isLeaving: boolean;
  readonly nodes: readonly DecidingNode[];
  readonly addresses: readonly DecidingAddress[];
  /** By address. */
  readonly holders: ReadonlyMap<string, DecidingHolder>;
  /** By address: for how long this node has seen that nobody holds it. */
  readonly freeMs: ReadonlyMap<string, number>;
}

export interface Decision {
  readonly take: readonly string[];
  readonly giveBack: readonly { readonly address: string; readonly why: string }[];
  /** When to look again if nothing changes; Infinity: no need. */
  readonly againMs: number;
}

export function decide(state: Deciding): Decision {
  const { addresses, holders, self, isLeaving } = state;
  const take: string[] = [];
  const giveBack: { address: string; why: string }[] = [];
  const counts = countsOf(holders);
  let againMs = Infinity;
  for (const one of addresses) {
    const { address } = one;
    const last = holders.get(address);
    const fit = fitNodes(one, state);
    if (last?.ended === '') {
      const why = last.nodeId === self ? whyGive(address, state, fit) : undefined;
      if (why !== undefined) giveBack.push({ address, why });
      continue;
    }
    const order = inOrder(address, fit, counts, last?.nodeId);
    const first = order[0];
    // As if it were taken, so that the next address goes to another node.
    if (first !== undefined) counts.set(first, (counts.get(first) ?? 0) + 1);
    const turn = order.indexOf(self);
    if (turn < 0 || isLeaving) continue;
    const waitMs = turn * TURN_MS - (state.freeMs.get(address) ?? 0);
    if (waitMs <= 0) take.push(address);
    else againMs = Math.min(againMs, waitMs);
  }
  for (const [address, { nodeId, ended }] of holders) {
    if (nodeId !== self || ended !== '' || addresses.some((one) => one.address === address)) {
      continue;
    }
    giveBack.push({ address, why: 'let it go, for it was removed' });
  }
  return { take, giveBack, againMs };
}

/** Those that may hold it and could take it now, as far as it is known here. Better one that is to be drained than none. */
function fitNodes(
  { address, nodes: allowed }: DecidingAddress,
  { nodes }: Deciding,
): readonly DecidingNode[] {
  const able = nodes.filter(
    ({ name, whyNot }) =>
      whyNot[address] === '' && (allowed.length === 0 || allowed.includes(name)),
  );
  const ready = able.filter(({ state }) => state === 'ready');
  return ready.length > 0 ? ready : able.filter(({ state }) => state === 'draining');
}

/** Nobody gives back what no other could take. */
function whyGive(
  address: string,
  { self, nodes, isLeaving }: Deciding,
  fit: readonly DecidingNode[],
): string | undefined {
  if (isLeaving) return 'stopped';
  if (fit.length === 0 || fit.some(({ id }) => id === self)) return undefined;
  const own = nodes.find(({ id }) => id === self);
  if (own?.state === 'draining') return 'gave it back, for it is to be drained';
  const why = own?.whyNot[address] ?? '';
  return why === '' ? undefined : `gave it back: ${why}`;
}

function countsOf(holders: ReadonlyMap<string, DecidingHolder>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { nodeId, ended } of holders.values()) {
    if (ended === '') counts.set(nodeId, (counts.get(nodeId) ?? 0) + 1);
  }
  return counts;
}

/**
 * Those with the fewest addresses first; among equals in an order of the address's own (rendezvous hashing). Whoever has just
 * given it back is last.
 */
function inOrder(
  address: string,
  nodes: readonly DecidingNode[],
  counts: ReadonlyMap<string, number>,
  gaveBack: string | undefined,
): readonly string[] {
  return nodes
    .map(({ id }) => ({
      id,
      count: id === gaveBack ? Infinity : (counts.get(id) ?? 0),
      weight: sha256Hex(`${address} ${id}`),
    }))
    .toSorted((a, b) => (a.count === b.count ? (a.weight < b.weight ? 1 : -1) : a.count - b.count))
    .map(({ id }) => id);
}
