/** Nodes and members of etcd in one word each, for tests of who becomes a manager. */
import {
  AUTOMATIC,
  type ManagerInput,
  type ManagerStep,
  type RegistryMember,
} from '../src/cluster/managers.ts';
import type { PeerNode } from '../src/cluster/peers.ts';

export function node(id: string, changes: Partial<PeerNode> = {}): PeerNode {
  return {
    id,
    name: `name-${id}`,
    region: 'east',
    labels: {},
    state: 'ready',
    silentMs: 0,
    address: id,
    port: 7421,
    gatewayPort: 7423,
    memoryMiB: 4096,
    load: 0,
    isManager: false,
    ...changes,
  };
}

/** `abc` are three that are ready. */
export function nodes(
  ids: string,
  changes: Readonly<Record<string, Partial<PeerNode>>> = {},
): PeerNode[] {
  return Array.from(ids, (id) => node(id, changes[id]));
}

export function peerUrlOf({ address }: Pick<PeerNode, 'address'>): string {
  return `https://${address}:7422`;
}

export function voter(id: string): RegistryMember {
  return { id: `m-${id}`, nodeId: id, peerUrl: peerUrlOf({ address: id }), isLearner: false };
}

export function voters(ids: string): RegistryMember[] {
  return Array.from(ids, voter);
}

/** One that runs; `new` before it has started for the first time. */
export function learner(id: string, isNew?: 'new'): RegistryMember {
  return { ...voter(id), nodeId: isNew === 'new' ? '' : id, isLearner: true };
}

export function pinned(ids: string): ManagerInput['setting'] {
  return { mode: 'pinned', pinned: Array.from(ids, (id) => `name-${id}`) };
}

export interface PlanCase {
  readonly peers: readonly PeerNode[];
  readonly members: readonly RegistryMember[];
  readonly self?: string;
  readonly setting?: ManagerInput['setting'];
  /** Ids of nodes. */
  readonly avoid?: string;
}

export function inputOf({
  peers,
  members,
  self = 'a',
  setting = AUTOMATIC,
  avoid,
}: PlanCase): ManagerInput {
  return { self, peers, members, setting, avoid: new Set(avoid ?? ''), peerUrlOf };
}

export function words(step: ManagerStep): string {
  switch (step.kind) {
    case 'add':
      return `add ${step.node.id}`;
    case 'start':
      return `start ${step.member.id} on ${step.node.id}`;
    case 'promote':
      return `promote ${step.member.id}`;
    case 'remove':
      return `remove ${step.member.id}: ${step.why}`;
    case 'none':
      return 'none';
  }
}
