/**
 * How many managers there should be, and the one step that comes next. Pure: one step at a time, each of which may be tried
 * again. Whatever would leave etcd without a majority of voters that are there is not planned: nothing could be changed
 * after it.
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
  /** Id of the node that leads: it stays a manager where there is a choice. */
  readonly self: string;
  /** Oldest first. */
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

/** A member and its node, which is undefined when it was forgotten. */
interface Holder {
  readonly member: RegistryMember;
  readonly node: PeerNode | undefined;
}

export function planManagers(input: ManagerInput): ManagerStep {
  const { peers, members, setting, peerUrlOf } = input;
  const holders = members.map((member): Holder => {
    const node = peers.find(
      (peer) => peer.id === member.nodeId || peerUrlOf(peer) === member.peerUrl,
    );
    return { member, node };
  });
  const voters = holders.filter(({ member }) => !member.isLearner);
  const learner = holders.find(({ member }) => member.isLearner);
  if (learner !== undefined) return planLearner(learner, voters, input.avoid);
  const forgotten = removable(voters).find(({ node }) => node === undefined);
  if (forgotten !== undefined) return removeOf(forgotten, 'its node was forgotten');
  return setting.mode === 'pinned' ? planPinned(voters, input) : planAutomatic(voters, input);
}

function planLearner(
  learner: Holder,
  voters: readonly Holder[],
  avoid: ReadonlySet<string>,
): ManagerStep {
  const { member, node } = learner;
  if (node === undefined || node.state === 'lost' || avoid.has(node.id)) {
    return removeOf(learner, 'it cannot be started');
  }
  if (member.nodeId === '') return { kind: 'start', node, member };
  // From now on it counts: one that has just died would take the majority away from a single voter.
  const isSafe = isThere(learner) && hasMajority([...voters, learner]);
  return isSafe ? { kind: 'promote', member } : { kind: 'none' };
}

/** Those that were chosen are added whatever the count, so that an exchange can begin with the new one. */
function planPinned(voters: readonly Holder[], input: ManagerInput): ManagerStep {
  const { self, setting } = input;
  const isChosen = ({ name }: PeerNode): boolean => setting.pinned.includes(name);
  const wanted = setting.pinned.length;
  if (voters.length > wanted) {
    const surplus = removable(voters)
      .filter(({ node }) => node !== undefined && !isChosen(node))
      .toSorted((a, b) => worth(a, self) - worth(b, self))[0];
    if (surplus !== undefined) return removeOf(surplus, 'others were chosen');
  }
  const next = nextOf(voters, input, isChosen);
  return next === undefined ? { kind: 'none' } : addOf(next, voters);
}

/** More managers than are wanted stay as they are, for they do no harm; but for two, which both have to be there. */
function planAutomatic(voters: readonly Holder[], input: ManagerInput): ManagerStep {
  const { self, peers } = input;
  const wanted = wantedManagers(peers.length);
  const next = nextOf(voters, input, () => true);
  if (voters.length < wanted && next !== undefined) return addOf(next, voters);
  if (peers.length === 2 && voters.length === 2 && voters.every(isThere)) {
    const other = voters.find(({ node }) => node?.id !== self);
    if (other !== undefined) {
      return removeOf(other, 'two nodes: one holds the registry, the other one keeps a copy');
    }
  }
  const gone = removable(voters).find(
    ({ node }) => node?.state === 'lost' && node.silentMs >= REPLACE_AFTER_MS,
  );
  if (gone !== undefined && (next !== undefined || voters.length > wanted)) {
    return removeOf(gone, 'its node has been away for long');
  }
  return { kind: 'none' };
}

function addOf(node: PeerNode, voters: readonly Holder[]): ManagerStep {
  const there = voters.filter(isThere).length + 1;
  return isMajority(there, voters.length + 1) ? { kind: 'add', node } : { kind: 'none' };
}

function removeOf({ member }: Holder, why: string): ManagerStep {
  return { kind: 'remove', member, why };
}

/** A suspect one may be gone already, and whether it is will be known in seconds. */
function isThere({ node }: Holder): boolean {
  return node?.state === 'ready' || node?.state === 'draining';
}

/** Without it etcd decides nothing any more, not even to take another member in. */
function hasMajority(voters: readonly Holder[]): boolean {
  return isMajority(voters.filter(isThere).length, voters.length);
}

function isMajority(count: number, of: number): boolean {
  return count > of / 2;
}

/** Those without whom the others still decide. */
function removable(voters: readonly Holder[]): readonly Holder[] {
  return voters.filter((voter) => hasMajority(voters.filter((other) => other !== voter)));
}

/** Who goes last: those that are there, and of them the leader. */
function worth(holder: Holder, self: string): number {
  if (!isThere(holder)) return 0;
  return holder.node?.id === self ? 2 : 1;
}

/** Regions with fewer managers first, then the oldest node. */
function nextOf(
  voters: readonly Holder[],
  { peers, avoid }: ManagerInput,
  isChosen: (node: PeerNode) => boolean,
): PeerNode | undefined {
  const holders = new Set(voters.map(({ node }) => node?.id));
  const inRegion = (region: string): number =>
    peers.filter((peer) => holders.has(peer.id) && peer.region === region).length;
  return peers
    .filter((peer) => peer.state === 'ready' && !holders.has(peer.id) && !avoid.has(peer.id))
    .filter(isChosen)
    .toSorted((a, b) => inRegion(a.region) - inRegion(b.region))[0];
}
