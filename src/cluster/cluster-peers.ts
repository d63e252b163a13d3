/**
 * The peers of a real node: members out of the registry, their state out of presence, calls over one connection a node.
 * While nobody tells it about presence, the node is alone and everybody it knows is ready.
 */
import { strict as assert } from 'node:assert';
import { type Duplex, duplexPair } from 'node:stream';
import { messageOf, type MolnError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { type Clock, withDeadline } from '../base/time.ts';
import {
  type RpcClient,
  type RpcContext,
  type RpcMethod,
  type RpcStreamMethod,
} from '../net/net.ts';
import { callDeadline } from './errors.ts';
import type { Identity } from './identity.ts';
import { nodeUnknown } from './join-errors.ts';
import type { Member } from './members.ts';
import { connectNode } from './node-client.ts';
import type { PeerCallOptions, PeerNode, Peers, PeerState } from './peers.ts';
import type { NodePresence } from './presence.ts';

/** What this node answers, to others through `ClusterServer` and to itself in process. */
export interface NodeMethods {
  readonly methods: Readonly<Record<string, RpcMethod<Member>>>;
  readonly streams: Readonly<Record<string, RpcStreamMethod<Member>>>;
}

/** `PresenceWatch` is one. */
export interface PresenceSource {
  get(nodeId: string): NodePresence;
  /** Ids of all of them: of others nothing is kept. */
  members(nodes: readonly string[]): void;
}

interface Connection {
  readonly where: string;
  readonly client: RpcClient;
}

export class ClusterPeers implements Peers, AsyncDisposable {
  readonly self: string;
  readonly #identity: Identity;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #connections = new Map<string, Connection>();
  readonly #listeners = new Set<() => void>();
  /** When this node saw that they are no members any more, by the monotonic clock. */
  readonly #goneAtMs = new Map<string, number>();
  readonly #startedMs: number;
  readonly #renewals: Disposable;
  #members: readonly Member[] = [];
  #presence: PresenceSource | undefined;
  #own: NodeMethods = { methods: {}, streams: {} };
  #said = '';

  constructor(options: {
    readonly identity: Identity;
    readonly clock: Clock;
    readonly log: Logger;
  }) {
    this.#identity = options.identity;
    this.self = options.identity.node.id;
    this.#clock = options.clock;
    this.#startedMs = options.clock.monotonicMs();
    this.#log = options.log;
    // Connections are made anew with the certificates and authorities of now, before the others drop the former ones.
    this.#renewals = options.identity.onRenewed(() => {
      for (const { client } of this.#connections.values()) client.renew();
    });
  }

  /** What calls to this node itself lead to. */
  serve(own: NodeMethods): void {
    this.#own = own;
  }

  /** Oldest first. */
  setMembers(members: readonly Member[]): void {
    for (const { id } of this.#members)
      if (!members.some((member) => member.id === id))
        this.#goneAtMs.set(id, this.#clock.monotonicMs());
    this.#members = members;
    this.#presence?.members(members.map(({ id }) => id));
    for (const [id, { client }] of this.#connections) {
      if (members.some((member) => member.id === id)) continue;
      this.#connections.delete(id);
      this.#close(client);
    }
    this.presenceChanged();
  }

  /** From now on silence counts. */
  setPresence(source: PresenceSource): void {
    this.#presence = source;
    source.members(this.#members.map(({ id }) => id));
    this.presenceChanged();
  }

  /** To be called after every change of presence. */
  presenceChanged(): void {
    const now = JSON.stringify(
      this.all().map(({ load: _load, silentMs: _silentMs, ...rest }) => rest),
    );
    if (now === this.#said) return;
    this.#said = now;
    for (const call of this.#listeners) call();
  }

  all(): readonly PeerNode[] {
    return this.#members.map((member) => this.#peer(member));
  }

  ready(): readonly PeerNode[] {
    const ready = this.all().filter(({ state }) => state === 'ready');
    return ready.toSorted((a, b) => Number(b.id === this.self) - Number(a.id === this.self));
  }

  get(nodeId: string): PeerNode | undefined {
    const member = this.#members.find(({ id }) => id === nodeId);
    return member === undefined ? undefined : this.#peer(member);
  }

  goneMs(nodeId: string): number {
    return this.#clock.monotonicMs() - (this.#goneAtMs.get(nodeId) ?? this.#startedMs);
  }

  onChange(call: () => void): Disposable {
    this.#listeners.add(call);
    return { [Symbol.dispose]: () => this.#listeners.delete(call) };
  }

  async call(
    nodeId: string,
    method: string,
    params: unknown,
    options: PeerCallOptions = {},
  ): Promise<unknown> {
    if (nodeId !== this.self) return this.#client(nodeId).call(method, params, options);
    const own = this.#own.methods[method];
    assert(own !== undefined, `This node has no method "${method}"`);
    const { deadlineMs, signal } = options;
    const work = (until: AbortSignal | undefined): Promise<unknown> =>
      own(copy(params), this.#ownContext(until));
    if (deadlineMs === undefined) return copy(await work(signal));
    const late = (): MolnError => callDeadline(method, deadlineMs);
    const both = (until: AbortSignal): AbortSignal =>
      signal === undefined ? until : AbortSignal.any([signal, until]);
    return copy(await withDeadline(deadlineMs, late, (until) => work(both(until))));
  }

  async open(
    nodeId: string,
    method: string,
    params: unknown,
    options: PeerCallOptions = {},
  ): Promise<Duplex> {
    if (nodeId !== this.self) return this.#client(nodeId).open(method, params, options);
    const own = this.#own.streams[method];
    assert(own !== undefined, `This node has no stream "${method}"`);
    const left = new AbortController();
    const { signal } = options;
    const both = signal === undefined ? left.signal : AbortSignal.any([signal, left.signal]);
    const use = await own(copy(params), this.#ownContext(both));
    const [near, far] = duplexPair();
    near.once('close', () => left.abort(new Error('The caller left')));
    both.addEventListener('abort', () => near.destroy(), { once: true });
    use(far).then(
      () => far.end(),
      (error: unknown) => far.destroy(new Error(messageOf(error), { cause: error })),
    );
    return near;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#renewals[Symbol.dispose]();
    const all = [...this.#connections.values()];
    this.#connections.clear();
    await Promise.all(all.map(({ client }) => client[Symbol.asyncDispose]()));
  }

  #peer(member: Member): PeerNode {
    const { id, name, region, labels, address, port, gatewayPort, memoryMiB, roles } = member;
    const { gatewayWorkers = 1 } = member;
    // Itself it always reaches, whether or not the registry hears it.
    const presence = id === this.self ? undefined : this.#presence?.get(id);
    const said = this.#presence?.get(id).load;
    return {
      id,
      name,
      region,
      labels,
      state: stateOf(member, presence),
      silentMs: presence?.silentMs ?? 0,
      address,
      port,
      gatewayPort,
      gatewayWorkers,
      memoryMiB,
      load: (said?.cpuPercent ?? 0) / 100,
      diskFullMiB: said?.diskFullMiB,
      isManager: roles.includes('manager'),
    };
  }

  /** Throws `CLUSTER_NODE_UNKNOWN`. */
  #client(nodeId: string): RpcClient {
    const member = this.#members.find(({ id }) => id === nodeId);
    if (member === undefined) throw nodeUnknown();
    const { id, address, port } = member;
    const where = `${address} ${port}`;
    const known = this.#connections.get(nodeId);
    if (known?.where === where) return known.client;
    if (known !== undefined) this.#close(known.client);
    const node = { id, address, port };
    const client = connectNode({ identity: this.#identity, node, clock: this.#clock });
    this.#connections.set(nodeId, { where, client });
    return client;
  }

  #close(client: RpcClient): void {
    client[Symbol.asyncDispose]().catch((error: unknown) =>
      this.#log.debug('A connection did not close cleanly', { error }),
    );
  }

  #ownContext(signal: AbortSignal | undefined): RpcContext<Member> {
    const peer = this.#members.find(({ id }) => id === this.self);
    if (peer === undefined) throw nodeUnknown();
    return { peer, remoteAddress: undefined, signal: signal ?? new AbortController().signal };
  }
}

function stateOf(member: Member, presence: NodePresence | undefined): PeerState {
  if (presence !== undefined && presence.state !== 'ready') return presence.state;
  return member.isDraining ? 'draining' : 'ready';
}

/** As if it had gone over the wire, so that near and far cannot behave differently. */
function copy(value: unknown): unknown {
  return value === undefined ? undefined : (JSON.parse(JSON.stringify(value)) as unknown);
}
