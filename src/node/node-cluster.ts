/**
 * This node as one of a cluster: its entry among the members, presence, the doors for others, and the way from being alone
 * to having company. Alone, nothing of it costs anything: no check-ins, no election.
 */
import { strict as assert } from 'node:assert';
import { followAgain } from '../base/again.ts';
import { isMolnError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import { countingSleep } from '../base/uptime.ts';
import type { StepResult, Worker, WorkerRunner } from '../base/worker.ts';
import {
  Admission,
  ClusterPeers,
  ClusterServer,
  type Doors,
  fetchAuthorityKey,
  Fence,
  type Identity,
  Invites,
  type Member,
  memberCertificateOf,
  Members,
  type NodeAddress,
  type NodeLoad,
  type NodeMethods,
  PRESENCE_CLOCKS,
  PresenceKeeper,
  PresenceWatch,
  type RegistryPlace,
  remoteIssuer,
  RotationRecords,
} from '../cluster/cluster.ts';
import type { NodeRegistry } from './node-registry.ts';

/** What this node says of itself; the rest is the registry's. */
export interface OwnFacts {
  /** Undefined: as it is known, or the default of a first node. */
  readonly region: string | undefined;
  /** Put over those that are known. */
  readonly labels: Readonly<Record<string, string>>;
  /** Where other nodes reach this one, the best first. */
  readonly addresses: readonly string[];
  readonly port: number;
  readonly gatewayPort: number;
  readonly gatewayWorkers: number;
  readonly memoryMiB: number;
  readonly version: string;
}

export interface NodeClusterOptions {
  readonly facts: OwnFacts;
  readonly identity: Identity;
  readonly registry: NodeRegistry;
  readonly workers: WorkerRunner;
  readonly load: () => NodeLoad;
  /** Starts an etcd member here; resolves to its endpoints. */
  readonly startEtcd: () => Promise<readonly string[]>;
  readonly clock: Clock;
  readonly log: Logger;
}

export const DEFAULT_REGION = 'home';
const RETRY_MS = 1000;
const REGISTER_AGAIN_MS = 30_000;

export class NodeCluster implements AsyncDisposable {
  readonly members: Members;
  readonly invites: Invites;
  readonly peers: ClusterPeers;
  readonly fence: Fence;
  readonly #options: NodeClusterOptions;
  /** What others believe of this node goes on while its machine is suspended. */
  readonly #sleepless: Clock;
  readonly #stop = new AbortController();
  readonly #stack = new AsyncDisposableStack();
  #presence: PresenceWatch | undefined;
  #keeper: PresenceKeeper | undefined;
  #moving: Promise<void> | undefined;
  #watching: Promise<void> | undefined;
  #hasLeft = false;
  #onCluster: () => Promise<void> = () => Promise.resolve();
  readonly #forgotten = Promise.withResolvers<unknown>();

  constructor(options: NodeClusterOptions) {
    this.#options = options;
    const { registry, identity, clock, log } = options;
    const shared = { registry: registry.registry, clock, log };
    this.members = new Members(shared);
    this.invites = new Invites(shared);
    this.peers = new ClusterPeers({ identity, clock, log });
    this.#sleepless = countingSleep(clock);
    this.fence = new Fence(this.#sleepless);
  }

  /** Enters this node among the members and begins to follow the others; from etcd on also presence. */
  async start(): Promise<void> {
    const { registry, identity, workers } = this.#options;
    this.#stack.use(this.peers);
    this.#stack.use(this.fence);
    if (!identity.isManager) this.#askManagers();
    if (registry.place === undefined) await this.#register();
    else workers.add(this.#registrar());
    this.#stack.use(identity.onRenewed(() => void this.#registerLater()));
    this.peers.setMembers(await this.members.list());
    this.#watching = this.#follow();
    for (const worker of [this.members.sweeper(), this.invites.sweeper()]) workers.add(worker);
    if (registry.place !== undefined) this.startPresence();
  }

  /** Alone, nobody could start a singleton elsewhere. */
  singletonFence(): {
    isFenced(lostAfterMs: number | undefined): boolean;
    remainingMs(lostAfterMs: number | undefined): number;
  } {
    return {
      remainingMs: (lostAfterMs = PRESENCE_CLOCKS.lostAfterMs) =>
        this.#options.registry.place === undefined ? Infinity : this.fence.remainingMs(lostAfterMs),
      isFenced: (lostAfterMs = PRESENCE_CLOCKS.lostAfterMs) =>
        this.#options.registry.place !== undefined && this.fence.isFenced(lostAfterMs),
    };
  }

  /** Opens the doors for other nodes on the control port. `methods`: what they may call. */
  serve(doors: Doors, methods: NodeMethods): void {
    const { identity, clock, log, facts } = this.#options;
    this.peers.serve(methods);
    // Also on a worker, which may become a manager; until then it refuses.
    const admission = new Admission({
      identity,
      invites: this.invites,
      members: this.members,
      rotations: new RotationRecords(this.#options.registry.live),
      clock,
      log,
      version: facts.version,
      region: facts.region ?? DEFAULT_REGION,
      openRegistry: () => this.openRegistry(),
    });
    const server = this.#stack.use(
      new ClusterServer({
        identity,
        members: this.members,
        admission,
        clock,
        log,
        version: facts.version,
        ...methods,
      }),
    );
    server.start(doors);
  }

  /** The registry becomes one that other machines reach, if it is not yet. */
  async openRegistry(): Promise<RegistryPlace> {
    const { registry } = this.#options;
    if (registry.place === undefined) {
      this.#moving ??= this.#move().finally(() => {
        this.#moving = undefined;
      });
      await this.#moving;
    }
    const { place } = registry;
    assert(place !== undefined, 'The registry has moved');
    return place;
  }

  get presence(): PresenceWatch | undefined {
    return this.#presence;
  }

  /** Presence begins to count. */
  startPresence(): void {
    if (this.#presence !== undefined) return;
    const { registry, identity, workers, load, clock, log } = this.#options;
    const nodeId = identity.node.id;
    const { live } = registry;
    const watch = new PresenceWatch({
      registry: live,
      nodeId,
      clocks: PRESENCE_CLOCKS,
      clock,
      log,
      onChange: () => this.peers.presenceChanged(),
    });
    this.#presence = this.#stack.use(watch);
    this.#keeper = new PresenceKeeper({
      registry: live,
      nodeId,
      fence: this.fence,
      clock: this.#sleepless,
      log,
      load,
      onForgotten: (why) => this.#forgotten.resolve(why),
    });
    this.peers.setPresence(watch);
    workers.add(this.#keeper);
    workers.add(watch);
  }

  /** Calls when the first companion is about to come in: the registry is etcd then. */
  onCluster(call: () => Promise<void>): void {
    this.#onCluster = call;
  }

  /** Fulfilled, with why, when this node finds out that it was forgotten. */
  get forgotten(): Promise<unknown> {
    return this.#forgotten.promise;
  }

  get hasLeft(): boolean {
    return this.#hasLeft;
  }

  /** The last instance has stopped: nobody has to wait for the clocks. */
  async leave(): Promise<void> {
    this.#hasLeft = true;
    await this.#keeper?.leave();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('The node stops'));
    await this.#watching;
    await this.#stack.disposeAsync();
  }

  async #move(): Promise<void> {
    const { registry, startEtcd } = this.#options;
    await registry.moveTo({ endpoints: await startEtcd() });
    this.startPresence();
    await this.#onCluster();
  }

  /** A node without the authority's key has its certificates signed by one that has it. */
  #askManagers(): void {
    const { identity, clock } = this.#options;
    const managers = (): Promise<readonly NodeAddress[]> => Promise.resolve(this.#managers());
    identity.setIssuer(remoteIssuer({ identity, managers, clock }));
  }

  #managers(): readonly NodeAddress[] {
    const { identity } = this.#options;
    const known = this.peers
      .all()
      .filter(({ isManager, id }) => isManager && id !== this.peers.self);
    return known.length > 0 ? known : identity.knownManagers;
  }

  /** Makes a manager of this node, after the registry has said so. */
  async becomeManager(): Promise<void> {
    const { identity } = this.#options;
    await this.fetchAuthorityKey(identity.fingerprint);
  }

  /** Asks the managers for the key of the authority with this fingerprint, unless it is here. */
  async fetchAuthorityKey(of: string): Promise<void> {
    const { identity, clock } = this.#options;
    if (identity.authorities.holdsKeyOf(of)) return;
    const managers = (): Promise<readonly NodeAddress[]> => Promise.resolve(this.#managers());
    await fetchAuthorityKey({ identity, managers, clock, of });
  }

  async #register(): Promise<void> {
    const { identity, facts, clock } = this.#options;
    const { id, name } = identity.node;
    const known = await this.members.get(id);
    const [address = '127.0.0.1'] = facts.addresses;
    const member: Member = {
      id,
      name,
      region: facts.region ?? known?.region ?? DEFAULT_REGION,
      labels: { ...known?.labels, ...facts.labels },
      address: known !== undefined && facts.addresses.length === 0 ? known.address : address,
      addresses: facts.addresses.length === 0 ? (known?.addresses ?? []) : facts.addresses,
      port: facts.port,
      gatewayPort: facts.gatewayPort,
      gatewayWorkers: facts.gatewayWorkers,
      memoryMiB: facts.memoryMiB,
      isDraining: known?.isDraining ?? false,
      roles: known?.roles ?? (identity.isManager ? ['manager'] : []),
      joinedAt: known?.joinedAt ?? clock.now(),
      certificate: memberCertificateOf(identity.certificate.certificatePem),
    };
    await this.members.register(member);
  }

  /** Until it is there: a certificate that the members do not know is not revoked when this node is forgotten. */
  async #registerLater(): Promise<void> {
    const { clock, log } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await this.#register();
        return;
      } catch (error) {
        if (signal.aborted || isMolnError(error, 'CLUSTER_NODE_FORGOTTEN')) return;
        log.warn('The renewed certificate is not among the members yet', { error });
      }
      await clock.sleep(REGISTER_AGAIN_MS, signal).catch(() => undefined);
    }
  }

  /** The registry may be away when a node starts: it serves what it knows, and enters itself later. */
  #registrar(): Worker {
    return {
      name: 'membership',
      status: () => 'Enters this node among the members',
      step: async (): Promise<StepResult> => {
        await this.#register();
        return { kind: 'done' };
      },
    };
  }

  #follow(): Promise<void> {
    const { clock, log } = this.#options;
    const { signal } = this.#stop;
    const onError = (error: unknown): void =>
      log.warn('Cannot follow the members and will retry', { error });
    const work = async (): Promise<void> => {
      for await (const members of this.members.watch(signal)) {
        const list = [...members.values()].toSorted((a, b) => a.joinedAt - b.joinedAt);
        this.peers.setMembers(list);
      }
    };
    return followAgain(work, { clock, signal, pauseMs: RETRY_MS, onError });
  }
}
