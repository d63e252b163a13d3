/** Fulfils what the API asks for about the nodes together (`src/api/cluster-cloud.ts`). */
import type { ClusterCloud, InviteRequest, LabelChange } from '../api/api.ts';
import type {
  AuthorityStatus,
  EventDetail,
  InviteDetail,
  ManagerStatus,
  NodeDetail,
  NodeStatus,
  RegionDetail,
  SlotDetail,
} from '../api/model.ts';
import { removalsGone } from '../apps/apps.ts';
import { MolnError } from '../base/errors.ts';
import type { Clock } from '../base/time.ts';
import { nearestName } from '../base/suggest.ts';
import {
  encodeInvite,
  type Events,
  type Identity,
  type ManagerRecords,
  leaderFacts,
  type Member,
  type Peers,
  type RegistryPlace,
} from '../cluster/cluster.ts';
import { findEtcd } from '../registry/registry.ts';
import type { NodeDatabaseCloud } from './database-cloud.ts';
import type { AuthorityView } from './authority-status.ts';
import type { NodeCluster } from './node-cluster.ts';
import type { NodeDirectory } from './node-directory.ts';
import type { Standby } from './standby.ts';
import type { NodeRegistry } from './node-registry.ts';
import { hostOf } from './registry-place.ts';
import { noAddress } from './join-node.ts';
import { troublesOf } from './sentence.ts';

export interface ClusterCloudOptions {
  readonly identity: Identity;
  readonly cluster: NodeCluster;
  readonly nodeRegistry: NodeRegistry;
  readonly directory: NodeDirectory;
  readonly events: Events;
  readonly authority: AuthorityView;
  readonly managers: ManagerRecords;
  readonly standby: Pick<Standby, 'status' | 'takeOver'>;
  /** Where other machines reach this one, the best first. */
  readonly addresses: readonly string[];
  readonly apiPort: number;
  /** Lets the control port be reached from other machines. */
  readonly openToOthers: () => Promise<void>;
  /** Instances by the name of their node. */
  readonly instancesByNode: () => Promise<ReadonlyMap<string, readonly { readonly id: string }[]>>;
  readonly why: (app: string) => Promise<readonly SlotDetail[]>;
  readonly databases: Pick<NodeDatabaseCloud, 'leave'>;
  readonly clock: Clock;
}

export class NodeClusterCloud implements ClusterCloud {
  readonly #options: ClusterCloudOptions;

  constructor(options: ClusterCloudOptions) {
    this.#options = options;
  }

  async createInvite(
    request: InviteRequest,
  ): Promise<{ readonly invite: string; readonly detail: InviteDetail }> {
    const { cluster, identity, nodeRegistry, openToOthers } = this.#options;
    const addresses = await this.#inviteAddresses();
    // Better said now than to the one who joins.
    if (nodeRegistry.place === undefined) await findEtcd();
    await openToOthers();
    const { secret, detail } = await cluster.invites.create(request);
    const invite = encodeInvite({
      pin: identity.authorities.pin,
      addresses,
      id: detail.id,
      secret,
      ...(request.region === undefined ? {} : { region: request.region }),
    });
    return { invite, detail };
  }

  listInvites(): Promise<readonly InviteDetail[]> {
    return this.#options.cluster.invites.list();
  }

  revokeInvite(id: string): Promise<void> {
    return this.#options.cluster.invites.revoke(id);
  }

  async listNodes(): Promise<readonly NodeDetail[]> {
    const { directory, cluster, nodeRegistry, instancesByNode } = this.#options;
    const [nodes, members, leader, instances] = await Promise.all([
      directory.list(),
      cluster.members.list(),
      this.#leader(),
      instancesByNode(),
    ]);
    const byId = new Map(members.map((member) => [member.id, member]));
    return nodes.map((node) => {
      const member = byId.get(node.id);
      const peer = cluster.peers.get(node.id);
      const presence =
        nodeRegistry.place === undefined ? undefined : cluster.presence?.get(node.id);
      const silentMs = peer?.silentMs ?? 0;
      return {
        ...node,
        reason: reasonOf(node, presence?.reason),
        isManager: member?.roles.includes('manager') ?? false,
        isLeader: leader?.id === node.id,
        silentMs: Number.isFinite(silentMs) ? Math.round(silentMs) : 0,
        joinedAt: member?.joinedAt ?? 0,
        certificateEndsAt: member?.certificate.notAfter ?? 0,
        instances: (instances.get(node.name) ?? []).map(({ id }) => id),
      };
    });
  }

  async showNode(name: string): Promise<NodeDetail> {
    const nodes = await this.listNodes();
    const found = nodes.find((node) => node.name === name);
    if (found === undefined) {
      throw nodeMissing(
        name,
        nodes.map((node) => node.name),
      );
    }
    return found;
  }

  async drainNode(name: string): Promise<void> {
    await this.#change(name, (member) => ({ ...member, isDraining: true }));
  }

  async undrainNode(name: string): Promise<void> {
    await this.#change(name, (member) => ({ ...member, isDraining: false }));
  }

  async forgetNode(name: string): Promise<void> {
    const { cluster, events, databases } = this.#options;
    const node = await this.showNode(name);
    if (node.id === cluster.peers.self) throw notItself(name);
    // The leader takes its member out of etcd, which needs another one to go on with.
    if ((await this.manager()).managers.join() === name) throw onlyManager(name);
    // A node that is still well hands over before nobody hears it any more; others take over from one that is not.
    if (isWell(node)) {
      await this.drainNode(name);
      await databases.leave(node.id, `${name} was forgotten`);
      await this.#emptied(name);
    }
    await cluster.members.forget(name, (id) => [removalsGone(id)]);
    events.tell('node', `${name} was forgotten`, { node: name });
  }

  /** Until others run what the node ran. What finds no other place, or does not end in time, ends with it. */
  async #emptied(name: string): Promise<void> {
    const { clock } = this.#options;
    const endMs = clock.monotonicMs() + HANDOVER_MS_MAX;
    while (clock.monotonicMs() < endMs) {
      const node = await this.showNode(name);
      if (node.instances.length === 0 || !isWell(node)) return;
      await clock.sleep(HANDOVER_LOOK_MS);
    }
  }

  async labelNode(name: string, { set, unset }: LabelChange): Promise<void> {
    await this.#change(name, (member) => {
      const kept = Object.entries(member.labels).filter(([key]) => !unset.includes(key));
      return { ...member, labels: { ...Object.fromEntries(kept), ...set } };
    });
  }

  async regions(): Promise<readonly RegionDetail[]> {
    const regions = new Map<string, { nodes: string[]; ready: number }>();
    for (const { region, name, state } of this.#options.cluster.peers.all()) {
      const known = regions.get(region) ?? { nodes: [], ready: 0 };
      known.nodes.push(name);
      if (state === 'ready') known.ready++;
      regions.set(region, known);
    }
    return [...regions].map(([name, rest]) => ({ name, ...rest }));
  }

  async manager(): Promise<ManagerStatus> {
    const { cluster, directory, nodeRegistry, managers, standby } = this.#options;
    const { place } = nodeRegistry;
    // The role comes before the member: only who holds the registry counts.
    const holders = cluster.peers
      .all()
      .filter((peer) => peer.isManager && (place === undefined || holdsRegistry(peer, place)));
    const nodes = await directory.list();
    const isAway = ({ id, state }: { readonly id: string; readonly state: string }): boolean =>
      state === 'suspect' ||
      state === 'lost' ||
      nodes.some((node) => node.id === id && node.etcd === 'away');
    const away = holders.filter(isAway).length;
    return {
      sentence: nodeRegistry.isLive
        ? place?.foreign === undefined
          ? managerSentence(
              { nodes: cluster.peers.all().length, managers: holders.length, away },
              standby.status(),
            )
          : `The registry is on an etcd of your own: ${place.endpoints.join(', ')}`
        : awaySentence(holders.length, standby.status()),
      engine: nodeRegistry.live.engine,
      isLive: nodeRegistry.isLive,
      ...(await this.#leadership()),
      managers: holders.map(({ name }) => name),
      mode: (await managers.setting()).mode,
      standby: standby.status(),
      endpoints: place?.endpoints ?? [],
    };
  }

  async setManagers(names: readonly string[] | undefined): Promise<void> {
    const { cluster, managers, events, nodeRegistry } = this.#options;
    const { place } = nodeRegistry;
    if (place?.foreign !== undefined) throw foreignManagers(place.endpoints);
    if (names === undefined) {
      await managers.set({ mode: 'automatic', pinned: [] });
      events.tell('manager', 'The managers are chosen automatically');
      return;
    }
    const known = cluster.peers.all().map(({ name }) => name);
    for (const name of names) if (!known.includes(name)) throw nodeMissing(name, known);
    const pinned = [...new Set(names)];
    if (pinned.length % 2 === 0) throw evenManagers(pinned.length);
    await managers.set({ mode: 'pinned', pinned });
    events.tell('manager', `The managers are to be ${pinned.join(', ')}`);
  }

  takeover(options: { readonly force: boolean }): Promise<void> {
    return this.#options.standby.takeOver(options);
  }

  authority(): Promise<AuthorityStatus> {
    return this.#options.authority.status();
  }

  rotateAuthority(): Promise<void> {
    return this.#options.authority.rotate();
  }

  listEvents(): Promise<readonly EventDetail[]> {
    return this.#options.events.list();
  }

  followEvents(signal: AbortSignal): AsyncIterable<EventDetail> {
    return this.#options.events.follow(signal);
  }

  whyApp(app: string): Promise<readonly SlotDetail[]> {
    return this.#options.why(app);
  }

  /** Managers other than this one are named too: any of them takes a joiner in. */
  async #inviteAddresses(): Promise<readonly { readonly host: string; readonly port: number }[]> {
    const { addresses, apiPort, cluster, identity } = this.#options;
    const { self } = cluster.peers;
    const own = addresses.map((host) => ({ host, port: apiPort }));
    if (own.length === 0) throw noAddress();
    const others = cluster.peers
      .all()
      .filter(({ id, isManager, state }) => id !== self && isManager && state === 'ready')
      .map(({ address, port }) => ({ host: address, port }));
    return (identity.isManager ? [...own, ...others] : others).slice(0, INVITE_ADDRESSES);
  }

  async #leadership(): Promise<Pick<ManagerStatus, 'leader' | 'leaderWhy'>> {
    const { nodeRegistry, cluster } = this.#options;
    if (nodeRegistry.place === undefined) {
      const own = cluster.peers.get(cluster.peers.self)?.name ?? '';
      return { leader: own, leaderWhy: `${own} leads: it is alone` };
    }
    const facts = await this.#facts();
    return {
      leader: facts?.leader?.nodeName,
      leaderWhy: facts?.summary ?? 'No manager answers, so nobody can tell',
    };
  }

  async #leader(): Promise<{ readonly id: string } | undefined> {
    const { nodeRegistry, cluster } = this.#options;
    if (nodeRegistry.place === undefined) return { id: cluster.peers.self };
    const leader = (await this.#facts())?.leader;
    return leader === undefined ? undefined : { id: leader.nodeId };
  }

  /** Undefined while no manager answers: who leads is not kept in mirrors. */
  async #facts(): Promise<Awaited<ReturnType<typeof leaderFacts>> | undefined> {
    const { nodeRegistry } = this.#options;
    return nodeRegistry.isLive ? leaderFacts(nodeRegistry.live) : undefined;
  }

  async #change(
    name: string,
    edit: (member: Member) => Pick<Member, 'labels' | 'isDraining' | 'roles'>,
  ): Promise<void> {
    await this.showNode(name);
    await this.#options.cluster.members.change(name, edit);
  }
}

/** As many as fit into a line that one pastes. */
const INVITE_ADDRESSES = 6;

/** A node that is forgotten is waited for so long. */
const HANDOVER_MS_MAX = 30_000;
const HANDOVER_LOOK_MS = 250;

function isWell({ state }: Pick<NodeStatus, 'state'>): boolean {
  return state === 'ready' || state === 'draining';
}

function reasonOf(node: NodeStatus, heard: string | undefined): string {
  const { state } = node;
  // Of one that is away nobody knows more than that.
  if (state === 'suspect' || state === 'lost') return heard ?? '';
  const first =
    state === 'draining'
      ? 'It is to hold nothing any more'
      : state === 'stopping'
        ? 'It stops'
        : (heard ?? 'It is this node');
  const troubles = troublesOf(node);
  return troubles.length === 0 ? first : `${first}, but ${troubles.join(', and ')}`;
}

function holdsRegistry(
  { address }: { readonly address: string },
  { endpoints, foreign }: Pick<RegistryPlace, 'endpoints' | 'foreign'>,
): boolean {
  if (foreign !== undefined) return true;
  return endpoints.some((endpoint) => hostOf(endpoint) === address);
}

/** No manager answers: what still works, and what a person can do when the only one never comes back. */
export function awaySentence(
  managers: number,
  standby?: { readonly node: string; readonly isInSync: boolean },
): string {
  const away = 'No manager answers: apps go on, and nothing can be changed';
  if (managers > 1 || standby?.isInSync !== true) return away;
  return `${away}; if its machine is gone for good, run "moln manager takeover" on ${standby.node}`;
}

/** What the loss of a machine would mean; `away`: how many managers are silent already. */
export function managerSentence(
  counts: { readonly nodes: number; readonly managers: number; readonly away: number },
  standby?: { readonly node: string; readonly isInSync: boolean },
): string {
  const { nodes, managers, away } = counts;
  if (nodes === 1) return 'One node: it holds everything; with two more, failover is automatic';
  if (managers < 3) {
    const more = nodes === 2 ? 'one more machine' : 'three managers';
    const copy =
      standby?.isInSync === true
        ? `${standby.node} keeps a complete copy`
        : 'changes are on one machine only';
    return `${nodes} nodes, ${managers} of them a manager, ${copy}: ${more} and failover is automatic`;
  }
  const losable = Math.floor((managers - 1) / 2) - away;
  if (away > 0) {
    const next =
      losable > 0
        ? `the loss of any ${losable} more changes nothing`
        : 'if one more is lost, nothing can be changed';
    return `${managers} managers, ${away} of them away: ${next}`;
  }
  return `${managers} managers: the loss of any ${losable} of them changes nothing`;
}

function nodeMissing(name: string, known: readonly string[]): MolnError {
  const nearest = nearestName(name, known);
  const hint =
    nearest === undefined ? 'Run "moln nodes" to see them' : `Did you mean "${nearest}"?`;
  return new MolnError('NODE_NOT_FOUND', `There is no node "${name}"`, { hint });
}

function notItself(name: string): MolnError {
  return new MolnError('NODE_IN_USE', `Node "${name}" cannot forget itself`, {
    hint: 'Ask another node with --url, or stop this one with "moln down" first',
  });
}

function onlyManager(name: string): MolnError {
  return new MolnError('NODE_IN_USE', `Node "${name}" is the only one that holds the registry`, {
    hint: 'If its machine is gone for good, run "moln manager takeover" on another one first',
  });
}

function evenManagers(count: number): MolnError {
  return new MolnError('NODE_MANAGERS_EVEN', `${count} managers are no better than ${count - 1}`, {
    hint: 'Name one, three or five nodes',
  });
}

function foreignManagers(endpoints: readonly string[]): MolnError {
  const where = endpoints.join(', ');
  return new MolnError(
    'NODE_MANAGERS_FOREIGN',
    `The registry is on an etcd of your own: ${where}`,
    {
      hint: 'Its members are for you to choose; nodes that may lead are made so by themselves',
    },
  );
}

/** With names in place of ids. */
export function slotDetails(
  slots: readonly {
    readonly process: string;
    readonly slot: number;
    readonly node?: string | undefined;
    readonly leaving?: string | undefined;
    readonly reason: string;
  }[],
  peers: Peers,
): readonly SlotDetail[] {
  const nameOf = (id: string | undefined): string | undefined =>
    id === undefined ? undefined : (peers.get(id)?.name ?? id);
  return slots.map(({ process, slot, node, leaving, reason }) => ({
    process,
    slot,
    node: nameOf(node),
    leaving: nameOf(leaving),
    reason,
  }));
}
