/**
 * How many managers there should be, and the one step that comes next. Pure: one step at a time, each of which may be tried
 * again, and nothing that costs the majority.
 */
import { array, integer, literal, object, type Schema, string } from '../base/schema.ts';
import { Collection, type Registry } from '../registry/registry.ts';
import type { PeerNode } from './peers.ts';

/** `/cluster/registry`: where the registry is, for all nodes. */
export interface RegistryState {
  readonly epoch: number;
  /** Of the members that vote. */
  readonly endpoints: readonly string[];
}

/** `/cluster/managers`: who should be one. */
export interface ManagerSetting {
  readonly mode: 'automatic' | 'pinned';
  /** Names of nodes. */
  readonly pinned: readonly string[];
}

export const AUTOMATIC: ManagerSetting = { mode: 'automatic', pinned: [] };

const stateSchema: Schema<RegistryState> = object({
  epoch: integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  endpoints: array(string(), { itemsMax: 100 }),
});

const settingSchema: Schema<ManagerSetting> = object({
  mode: literal('automatic', 'pinned'),
  pinned: array(string(), { itemsMax: 100 }),
});

export class ManagerRecords {
  readonly #states: Collection<RegistryState>;
  readonly #settings: Collection<ManagerSetting>;

  constructor(registry: Registry) {
    this.#states = new Collection({ registry, prefix: '/managers/at/', schema: stateSchema });
    this.#settings = new Collection({ registry, prefix: '/managers/set/', schema: settingSchema });
  }

  async state(): Promise<RegistryState | undefined> {
    return (await this.#states.get('now'))?.value;
  }

  /** Written only when it differs. */
  async setState(state: RegistryState): Promise<void> {
    const known = await this.#states.get('now');
    if (JSON.stringify(known?.value) === JSON.stringify(state)) return;
    await this.#states.put('now', state);
  }

  async *watchState(signal: AbortSignal): AsyncGenerator<RegistryState, void, undefined> {
    for await (const { records } of this.#states.watch(signal)) {
      const state = records.get('now');
      if (state !== undefined) yield state;
    }
  }

  async setting(): Promise<ManagerSetting> {
    return (await this.#settings.get('now'))?.value ?? AUTOMATIC;
  }

  async set(setting: ManagerSetting): Promise<void> {
    await this.#settings.put('now', setting);
  }
}

/** One member of etcd. */
export interface RegistryMember {
  readonly id: string;
  /** Id of its node; empty until it has started for the first time. */
  readonly nodeId: string;
  readonly peerUrl: string;
  readonly isLearner: boolean;
}

export type ManagerStep =
  /** The node is made a manager and its member added, as a learner. */
  | { readonly kind: 'add'; readonly node: PeerNode }
  /** The learner is started on its node; fine when it runs. */
  | { readonly kind: 'start'; readonly node: PeerNode; readonly member: RegistryMember }
  | { readonly kind: 'promote'; readonly member: RegistryMember }
  | { readonly kind: 'remove'; readonly member: RegistryMember; readonly why: string }
  | { readonly kind: 'none' };

export interface ManagerInput {
  readonly peers: readonly PeerNode[];
  readonly members: readonly RegistryMember[];
  readonly setting: ManagerSetting;
  /** Nodes that could not be made managers lately. */
  readonly avoid: ReadonlySet<string>;
  /** Where a node's member would be. */
  readonly peerUrlOf: (node: PeerNode) => string;
}

/** A manager is replaced when it was silent for so long and another node can take its place. */
export const REPLACE_AFTER_MS = 600_000;

/** One of one or two nodes, three from three on, five from seven on. */
export function wantedManagers(nodes: number): number {
  if (nodes < 3) return 1;
  return nodes < 7 ? 3 : 5;
}

export function planManagers(input: ManagerInput): ManagerStep {
  const { peers, members, setting, avoid, peerUrlOf } = input;
  const nodeOf = (member: RegistryMember): PeerNode | undefined =>
    peers.find((peer) => peer.id === member.nodeId || peerUrlOf(peer) === member.peerUrl);
  const learner = members.find(({ isLearner }) => isLearner);
  if (learner !== undefined) {
    const node = nodeOf(learner);
    if (node === undefined || node.state === 'lost' || avoid.has(node.id)) {
      return { kind: 'remove', member: learner, why: 'it cannot be started' };
    }
    return learner.nodeId === ''
      ? { kind: 'start', node, member: learner }
      : { kind: 'promote', member: learner };
  }
  const votes = members.length;
  const forgotten = members.find((member) => nodeOf(member) === undefined);
  if (forgotten !== undefined && votes > 1) {
    return { kind: 'remove', member: forgotten, why: 'its node was forgotten' };
  }
  const holders = new Set(members.map((member) => nodeOf(member)?.id));
  const isPinned = ({ name }: PeerNode): boolean => setting.pinned.includes(name);
  const may = (peer: PeerNode): boolean =>
    peer.state === 'ready' &&
    !holders.has(peer.id) &&
    !avoid.has(peer.id) &&
    (setting.mode === 'automatic' || isPinned(peer));
  const candidates = spread(peers.filter(may), peers, holders);
  const [next] = candidates;
  const isPinnedMode = setting.mode === 'pinned';
  const wanted = isPinnedMode ? setting.pinned.length : wantedManagers(peers.length);
  if (votes < wanted && next !== undefined) return { kind: 'add', node: next };
  const surplus = isPinnedMode
    ? members.find((member) => {
        const node = nodeOf(member);
        return node !== undefined && !isPinned(node);
      })
    : undefined;
  if (surplus !== undefined && votes > wanted && votes > 1) {
    return { kind: 'remove', member: surplus, why: 'others were chosen' };
  }
  const gone = members.find((member) => {
    const node = nodeOf(member);
    return node !== undefined && node.state === 'lost' && node.silentMs >= REPLACE_AFTER_MS;
  });
  if (gone !== undefined && next !== undefined && votes > 1) {
    return { kind: 'remove', member: gone, why: 'its node has been away for long' };
  }
  return { kind: 'none' };
}

/** Regions with fewer managers first, then the oldest node. */
function spread(
  candidates: readonly PeerNode[],
  peers: readonly PeerNode[],
  holders: ReadonlySet<string | undefined>,
): readonly PeerNode[] {
  const inRegion = (region: string): number =>
    peers.filter((peer) => holders.has(peer.id) && peer.region === region).length;
  return candidates.toSorted((a, b) => inRegion(a.region) - inRegion(b.region));
}
