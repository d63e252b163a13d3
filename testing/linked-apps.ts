/**
 * The run side of several nodes in one process, on one registry: calls between them go from object to object. Who counts
 * as away is for the test to say; such a node is not asked, and its calls go nowhere. What needs real connections, several
 * gateways or a lost manager is in `tests/cluster`.
 */
import { type Duplex, duplexPair } from 'node:stream';
import type { TestContext } from 'node:test';
import { join } from 'node:path';
import { MolnError } from '../src/base/errors.ts';
import { systemClock } from '../src/base/time.ts';
import type { Member, NodeMethods, PeerNode, Peers, PeerState } from '../src/cluster/cluster.ts';
import type { Vault } from '../src/apps/apps.ts';
import { openSqliteRegistry, type Registry } from '../src/registry/registry.ts';
import { dataFolder, openApps, type RunningApps, testLog } from './apps-kit.ts';
import { nothingKept } from './kept-kit.ts';

interface LinkedNode {
  readonly member: Member;
  readonly data: string;
  state: PeerState;
  running: RunningApps | undefined;
  /** The callers' ends. */
  readonly streams: Set<Duplex>;
}

export class LinkedApps {
  readonly #registry: Registry;
  readonly #vault: Vault;
  readonly #nodes = new Map<string, LinkedNode>();
  readonly #listeners = new Set<() => void>();
  readonly #unanswered = new Set<string>();

  private constructor(registry: Registry, vault: Vault) {
    this.#registry = registry;
    this.#vault = vault;
  }

  /** Nodes of these names, which are their ids too; all end with the test. `vault`: what they have of a file store. */
  static async open(
    t: TestContext,
    names: readonly string[],
    vault: Vault = nothingKept,
  ): Promise<LinkedApps> {
    // Hooks run in the order in which they were set: what runs has to end before the folders go.
    const end = new AsyncDisposableStack();
    t.after(() => end.disposeAsync());
    const path = join(dataFolder(t, 'registry'), 'registry.sqlite');
    const registry = await openSqliteRegistry({ path, clock: systemClock, log: testLog() });
    const linked = new LinkedApps(registry, vault);
    end.defer(() => linked.#end());
    for (const name of names) await linked.join(t, name);
    return linked;
  }

  /** One more node. */
  async join(t: TestContext, name: string): Promise<void> {
    const data = dataFolder(t);
    const node = { member: memberOf(name), data, state: 'ready', running: undefined } as const;
    this.#nodes.set(name, { ...node, streams: new Set() });
    await this.#start(name);
    this.setState(name, 'ready');
  }

  get registry(): Registry {
    return this.#registry;
  }

  /** Throws while its agent is away. */
  node(name: string): RunningApps {
    const { running } = this.#find(name);
    if (running === undefined) throw new Error(`Node "${name}" is away`);
    return running;
  }

  /** The others take it for this; it goes on. */
  setState(name: string, state: PeerState): void {
    this.#find(name).state = state;
    for (const call of this.#listeners) call();
  }

  /** What a node asks of another one, or of itself. */
  call(from: string, to: string, method: string, params: unknown): Promise<unknown> {
    return this.#peersOf(from).call(to, method, params);
  }

  /** The next call of this method to the node goes nowhere, as when it falls silent at that moment. */
  loseNext(name: string, method: string): void {
    this.#unanswered.add(`${name} ${method}`);
  }

  /** Its agent is killed; its instances run on. */
  async leave(name: string): Promise<void> {
    const node = this.#find(name);
    const { running } = node;
    this.setState(name, 'lost');
    node.running = undefined;
    for (const stream of node.streams) stream.destroy(new Error(`Node "${name}" is gone`));
    await running?.[Symbol.asyncDispose]();
  }

  /** A new agent on its data folder. */
  async comeBack(name: string): Promise<void> {
    await this.#start(name);
    this.setState(name, 'ready');
  }

  async #start(name: string): Promise<void> {
    const peers = this.#peersOf(name);
    const node = this.#find(name);
    node.running = await openApps(node.data, 'plain', {
      peers,
      registry: this.#registry,
      vault: this.#vault,
    });
  }

  async #end(): Promise<void> {
    for (const [name, node] of this.#nodes) {
      // Whatever it started has to end, also when the test left it away.
      if (node.running === undefined) await this.#start(name);
    }
    const all = [...this.#nodes.values()].flatMap(({ running }) => running ?? []);
    await Promise.all(all.map((running) => running.apps.stopAll()));
    await Promise.all(all.map((running) => running[Symbol.asyncDispose]()));
    await this.#registry[Symbol.asyncDispose]();
  }

  #find(name: string): LinkedNode {
    const node = this.#nodes.get(name);
    if (node === undefined) throw new Error(`There is no node "${name}"`);
    return node;
  }

  #peersOf(self: string): Peers {
    const view = (node: LinkedNode): PeerNode => ({
      ...node.member,
      state: node.member.id === self ? 'ready' : node.state,
      silentMs: 0,
      load: 0,
      isManager: true,
    });
    const all = (): readonly PeerNode[] => [...this.#nodes.values()].map(view);
    const ready = (): readonly PeerNode[] =>
      all()
        .filter(({ state }) => state === 'ready')
        .toSorted((a, b) => Number(b.id === self) - Number(a.id === self));
    return {
      self,
      all,
      ready,
      get: (id) => all().find((peer) => peer.id === id),
      goneMs: () => Infinity,
      call: async (id, method, params, options) => {
        const answer = this.#methods(self, id, method).methods[method];
        if (answer === undefined) throw new Error(`No method "${method}"`);
        const signal = options?.signal ?? new AbortController().signal;
        return copy(await answer(copy(params), this.#context(self, signal)));
      },
      open: async (id, method, params, options) => {
        const serve = this.#methods(self, id, method).streams[method];
        if (serve === undefined) throw new Error(`No stream "${method}"`);
        const left = new AbortController();
        const until = AbortSignal.any([left.signal, ...(options?.signal ? [options.signal] : [])]);
        const use = await serve(copy(params), this.#context(self, until));
        const stream = carried(use, left, until);
        const { streams } = this.#find(id);
        streams.add(stream);
        return stream.once('close', () => streams.delete(stream));
      },
      onChange: (call) => {
        this.#listeners.add(call);
        return { [Symbol.dispose]: () => this.#listeners.delete(call) };
      },
    };
  }

  #methods(from: string, to: string, method: string): NodeMethods {
    const { running } = this.#find(to);
    const isLost = this.#unanswered.delete(`${to} ${method}`);
    if (running === undefined || this.#find(from).running === undefined || isLost) {
      throw new MolnError('NET_RPC_UNREACHABLE', `Node "${to}" cannot be reached`);
    }
    return running.apps.methods();
  }

  #context(
    self: string,
    signal: AbortSignal,
  ): { readonly peer: Member; readonly remoteAddress: undefined; readonly signal: AbortSignal } {
    return { peer: this.#find(self).member, remoteAddress: undefined, signal };
  }
}

function carried(
  use: (stream: Duplex) => Promise<void>,
  left: AbortController,
  until: AbortSignal,
): Duplex {
  const [near, far] = duplexPair();
  near.once('close', () => left.abort(new Error('The caller left')));
  until.addEventListener('abort', () => near.destroy(), { once: true });
  use(far).then(
    () => far.end(),
    (error: unknown) => near.destroy(new Error('The other side failed', { cause: error })),
  );
  return near;
}

function memberOf(name: string): Member {
  return {
    id: name,
    name,
    region: 'home',
    labels: {},
    address: '127.0.0.1',
    addresses: ['127.0.0.1'],
    port: 1,
    gatewayPort: 1,
    memoryMiB: 4096,
    isDraining: false,
    roles: ['manager'],
    joinedAt: 0,
    certificate: { serial: name, sha256: name, keySha256: name, notAfter: 0 },
  };
}

/** As if it had gone over a wire. */
function copy(value: unknown): unknown {
  return value === undefined ? undefined : (JSON.parse(JSON.stringify(value)) as unknown);
}
