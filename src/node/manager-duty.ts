/**
 * A duty of the leader: makes managers of nodes until there are as many as there should be, replaces those that are gone for
 * long, tells all nodes where the registry is, has etcd refuse nodes that were forgotten and trust the authorities of now.
 */
import { isMolnError, messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { array, object, type Schema, string } from '../base/schema.ts';
import type { Clock } from '../base/time.ts';
import {
  duringTerm,
  type Events,
  type LeaderTerm,
  ManagerRecords,
  type ManagerStep,
  Members,
  type NodeMethods,
  type PeerNode,
  planManagers,
  type RegistryMember,
  RotationRecords,
} from '../cluster/cluster.ts';
import {
  type EtcdAdmin,
  type EtcdMemberInfo,
  type EtcdTls,
  EtcdUpkeep,
  openEtcdAdmin,
} from '../registry/registry.ts';
import { nextManager } from './appoint-managers.ts';
import { Attention } from './attention.ts';
import { CutOff } from './cut-off.ts';
import type { Duty } from './leadership.ts';
import type { NodeCluster } from './node-cluster.ts';
import type { EtcdPlace, NodeRegistry } from './node-registry.ts';
import type { OwnEtcd } from './own-etcd.ts';

const LOOK_EVERY_MS = 3000;
/** What is as it should be is looked at at once when something changes; and so often, for etcd has lost events before. */
const LOOK_SELDOM_MS = 30_000;
/** What the duty goes by, beside the nodes and the members of etcd, which nobody else changes. */
const FOLLOWED = ['/managers/set/', '/cluster/revoked/', '/authority/at/'] as const;
/** A step that did not lead on is taken again soon. */
const STEP_EVERY_MS = 500;
const AVOID_MS = 300_000;
const START_WITHIN_MS = 60_000;
/** A learner that does not catch up in this time is given up. */
const CATCH_UP_MS = 120_000;

const startSchema: Schema<{
  readonly members: readonly { readonly name: string; readonly peerUrl: string }[];
  readonly token: string;
}> = object({
  members: array(object({ name: string(), peerUrl: string() }), { itemsMax: 20 }),
  token: string(),
});

export interface ManagerDutyOptions {
  readonly cluster: NodeCluster;
  readonly nodeRegistry: NodeRegistry;
  readonly etcd: OwnEtcd;
  readonly events: Events;
  readonly clusterId: string;
  readonly tls: (place: EtcdPlace) => EtcdTls;
  /** This node may lead from now on. */
  readonly onManager: () => Promise<void>;
  readonly clock: Clock;
  readonly log: Logger;
}

export class ManagerDuty implements Duty {
  readonly name = 'managers';
  readonly records: ManagerRecords;
  readonly #options: ManagerDutyOptions;
  /** Until when, by the monotonic clock. */
  readonly #avoid = new Map<string, number>();
  #learnerSinceMs: number | undefined;

  constructor(options: ManagerDutyOptions) {
    this.#options = options;
    this.records = new ManagerRecords(options.nodeRegistry.registry);
  }

  /** What the leader asks of this node. */
  methods(): NodeMethods['methods'] {
    const { cluster, etcd, nodeRegistry, onManager } = this.#options;
    return {
      'cluster.becomeManager': async () => {
        await cluster.becomeManager();
        if (nodeRegistry.place?.foreign !== undefined) {
          await onManager();
          return {};
        }
        return { peerUrl: await etcd.plannedPeerUrl() };
      },
      'cluster.startMember': async (params) => {
        const { members, token } = startSchema.decode(params, '');
        await etcd.startJoined({ members, token });
        await onManager();
        return {};
      },
      'cluster.refuseRevoked': () => etcd.refuseRevoked(),
      'cluster.restartMember': async () => {
        await etcd.restartIfBehind();
        return {};
      },
      'cluster.stopMember': async () => {
        await etcd.remove();
        return {};
      },
    };
  }

  async lead(term: LeaderTerm): Promise<void> {
    const { nodeRegistry, cluster, events, clock, tls, log } = this.#options;
    const { place } = nodeRegistry;
    if (place === undefined) {
      await untilAborted(term.signal);
      return;
    }
    if (place.foreign !== undefined) {
      await this.#appoint(term.signal);
      return;
    }
    using admin = await openEtcdAdmin({
      endpoints: place.endpoints,
      tls: () => tls(place),
      clock,
      log,
    });
    const upkeep = this.#keepUp(admin, term.signal);
    const registry = duringTerm(nodeRegistry.live, term);
    const records = new ManagerRecords(registry);
    const members = new Members({ registry, clock, log });
    const rotations = new RotationRecords(registry);
    const { peers } = cluster;
    const cutOff = new CutOff({ members, rotations, peers, events, admin, clock, log });
    using attention = new Attention({ registry, prefixes: FOLLOWED, clock, log });
    attention.start();
    using _peers = peers.onChange(() => attention.notice());
    while (!term.signal.aborted) {
      const voters = await admin.members();
      const made = await this.#step(admin, records, voters);
      const cutting = await cutOff.step({ voters, mayRestart: made !== 'busy' });
      await attention.rest(pauseMsOf(made, cutting), term.signal);
    }
    await upkeep;
  }

  async #appoint(signal: AbortSignal): Promise<void> {
    const { cluster, events, clock } = this.#options;
    while (!signal.aborted) {
      const next = nextManager(cluster.peers.all());
      if (next !== undefined) {
        const options = { deadlineMs: START_WITHIN_MS };
        await this.#setRole(next, true);
        await cluster.peers.call(next.id, 'cluster.becomeManager', {}, options);
        events.tell('manager', `${next.name} is a manager now`, { node: next.name });
      }
      await clock.sleep(LOOK_EVERY_MS, signal).catch(() => undefined);
    }
  }

  /** `settled`: there is nothing to do until something changes. */
  async #step(
    admin: EtcdAdmin,
    records: ManagerRecords,
    all: readonly EtcdMemberInfo[],
  ): Promise<Progress> {
    const { cluster, events, clock, log, nodeRegistry } = this.#options;
    const members: RegistryMember[] = all.map(({ id, name, peerUrls, isLearner }) => ({
      id,
      nodeId: name,
      peerUrl: peerUrls[0] ?? '',
      isLearner,
    }));
    const endpoints = all
      .filter(({ isLearner, clientUrls }) => !isLearner && clientUrls.length > 0)
      .map(({ clientUrls }) => clientUrls[0] ?? '')
      .toSorted();
    const { place } = nodeRegistry;
    if (endpoints.length > 0 && place !== undefined) {
      admin.setEndpoints(endpoints);
      await records.setState({ epoch: place.epoch, endpoints });
    }
    const nowMs = clock.monotonicMs();
    const avoid = new Set([...this.#avoid].filter(([, until]) => until > nowMs).map(([id]) => id));
    const step = planManagers({
      self: cluster.peers.self,
      peers: cluster.peers.all(),
      members,
      setting: await records.setting(),
      avoid,
      peerUrlOf: ({ address }) => peerUrlOf(address),
    });
    try {
      await this.#carryOut(step, admin, members);
    } catch (error) {
      const node = step.kind === 'add' || step.kind === 'start' ? step.node : undefined;
      if (node === undefined) throw error;
      if (isMolnError(error) && error.retryable) {
        // Right after a change etcd refuses the next one for a few seconds.
        log.info('A node is not a manager yet', { node: node.name, reason: error.message });
        return 'waiting';
      }
      this.#avoid.set(node.id, nowMs + AVOID_MS);
      events.tell('manager', `${node.name} could not become a manager: ${messageOf(error)}`, {
        node: node.name,
      });
      log.warn('A node could not become a manager', { node: node.name, error });
    }
    if (step.kind !== 'none') return 'busy';
    return members.some(({ isLearner }) => isLearner) ? 'waiting' : 'settled';
  }

  async #carryOut(
    step: ManagerStep,
    admin: EtcdAdmin,
    members: readonly RegistryMember[],
  ): Promise<void> {
    switch (step.kind) {
      case 'add':
        await this.#add(step.node, admin);
        return;
      case 'start':
        await this.#start(step.node, members);
        return;
      case 'promote':
        await this.#promote(step.member, admin);
        return;
      case 'remove':
        await this.#remove(step, admin);
        return;
      case 'none':
        this.#learnerSinceMs = undefined;
    }
  }

  /** First what may be refused, so that etcd is not told of a member that never comes. */
  async #add(node: PeerNode, admin: EtcdAdmin): Promise<void> {
    const { cluster, clock } = this.#options;
    await this.#setRole(node, true);
    const said = await cluster.peers.call(
      node.id,
      'cluster.becomeManager',
      {},
      {
        deadlineMs: START_WITHIN_MS,
      },
    );
    const { peerUrl } = object({ peerUrl: string() }).decode(said, '');
    this.#learnerSinceMs = clock.monotonicMs();
    await admin.addLearner(peerUrl);
  }

  async #start(node: PeerNode, members: readonly RegistryMember[]): Promise<void> {
    const { cluster, clusterId } = this.#options;
    const own = { name: node.id, peerUrl: peerUrlOf(node.address) };
    const others = members
      .filter(({ nodeId }) => nodeId !== '')
      .map(({ nodeId, peerUrl }) => ({ name: nodeId, peerUrl }));
    const params = { members: [...others, own], token: clusterId };
    await cluster.peers.call(node.id, 'cluster.startMember', params, {
      deadlineMs: START_WITHIN_MS,
    });
  }

  async #promote(member: RegistryMember, admin: EtcdAdmin): Promise<void> {
    const { cluster, events, clock } = this.#options;
    const node = cluster.peers.get(member.nodeId);
    if (await admin.promote(member.id)) {
      this.#learnerSinceMs = undefined;
      const name = node?.name ?? member.nodeId;
      events.tell('manager', `${name} is a manager now`, { node: name });
      return;
    }
    const sinceMs = (this.#learnerSinceMs ??= clock.monotonicMs());
    if (clock.monotonicMs() - sinceMs < CATCH_UP_MS) return;
    this.#avoid.set(member.nodeId, clock.monotonicMs() + AVOID_MS);
  }

  async #remove(step: Extract<ManagerStep, { kind: 'remove' }>, admin: EtcdAdmin): Promise<void> {
    const { cluster, events } = this.#options;
    const { member, why } = step;
    await admin.remove(member.id);
    const node = cluster.peers.get(member.nodeId);
    const name = node?.name ?? member.nodeId;
    if (node !== undefined) {
      await this.#setRole(node, false);
      await this.#stopMember(node);
    }
    events.tell('manager', `${name} is not a manager any more: ${why}`, { node: name });
  }

  /** It would try for ever to come back to members that do not know it any more. */
  async #stopMember(node: PeerNode): Promise<void> {
    const { cluster, log } = this.#options;
    if (node.state === 'lost') return;
    const options = { deadlineMs: START_WITHIN_MS };
    await cluster.peers.call(node.id, 'cluster.stopMember', {}, options).catch((error: unknown) => {
      log.warn('A member of etcd that was removed could not be stopped', {
        node: node.name,
        error,
      });
    });
  }

  async #setRole(node: PeerNode, isManager: boolean): Promise<void> {
    if (node.isManager === isManager) return;
    await this.#options.cluster.members.change(node.name, (member) => ({
      ...member,
      roles: isManager ? ['manager'] : [],
    }));
  }

  async #keepUp(admin: EtcdAdmin, signal: AbortSignal): Promise<void> {
    const { cluster, clock, log } = this.#options;
    const upkeep = new EtcdUpkeep({ admin, ownName: cluster.peers.self, clock, log });
    while (!signal.aborted) {
      let pauseMs = LOOK_EVERY_MS;
      try {
        const result = await upkeep.step();
        pauseMs = result.kind === 'idle' ? (result.retryInMs ?? LOOK_EVERY_MS) : STEP_EVERY_MS;
      } catch (error) {
        log.debug('etcd could not be looked after', { reason: messageOf(error) });
      }
      await clock.sleep(pauseMs, signal).catch(() => undefined);
    }
  }
}

type Progress = 'busy' | 'waiting' | 'settled';

function pauseMsOf(...all: readonly Progress[]): number {
  if (all.includes('busy')) return STEP_EVERY_MS;
  return all.includes('waiting') ? LOOK_EVERY_MS : LOOK_SELDOM_MS;
}

/** Where a node's member is for the other members. */
export function peerUrlOf(address: string): string {
  return `https://${address.includes(':') ? `[${address}]` : address}:${PEER_PORT}`;
}

const PEER_PORT = 7422;

async function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
