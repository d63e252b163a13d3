import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MolnError } from '../base/errors.ts';
import { silentLogger } from '../base/log.ts';
import { systemClock } from '../base/time.ts';
import type { Member, PeerNode, Peers, PeerState } from '../cluster/cluster.ts';
import { until } from '../../testing/until.ts';
import { gatewayMethods, GatewaysSettled } from './gateways-settled.ts';

/** Some nodes' gateways, each at a revision that the test sets; `here` asks. */
class Nodes implements Pick<Peers, 'self' | 'all' | 'get' | 'call' | 'onChange'> {
  readonly self = 'here';
  readonly at = new Map<string, number>();
  readonly states = new Map<string, PeerState>();
  calls = 0;
  broken: string | undefined;
  readonly #changes = new Set<() => void>();
  readonly #waiters = new Set<() => void>();

  constructor(...names: readonly string[]) {
    for (const name of names) {
      this.states.set(name, 'ready');
      this.at.set(name, 0);
    }
  }

  apply(node: string, revision: number): void {
    this.at.set(node, revision);
    for (const wake of this.#waiters) wake();
  }

  become(node: string, state: PeerState): void {
    this.states.set(node, state);
    for (const call of this.#changes) call();
  }

  all(): readonly PeerNode[] {
    return [...this.states.keys()].flatMap((id) => this.get(id) ?? []);
  }

  get(id: string): PeerNode | undefined {
    const state = this.states.get(id);
    if (state === undefined) return undefined;
    const rest = { region: 'home', labels: {}, silentMs: 0, address: '', port: 1, gatewayPort: 1 };
    return { id, name: id, state, memoryMiB: 0, load: 0, isManager: false, ...rest };
  }

  async call(
    node: string,
    method: string,
    params: unknown,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<unknown> {
    this.calls++;
    if (node === this.broken) throw new MolnError('NET_RPC_UNREACHABLE', 'It does not answer');
    const appliedAt = this.appliedAt(node);
    const run = gatewayMethods({ appliedAt, clock: systemClock })[method];
    assert.ok(run !== undefined);
    const signal = options.signal ?? new AbortController().signal;
    return run(params, { peer: {} as Member, remoteAddress: undefined, signal });
  }

  onChange(call: () => void): Disposable {
    this.#changes.add(call);
    return { [Symbol.dispose]: () => this.#changes.delete(call) };
  }

  appliedAt(node: string): (revision: number, signal: AbortSignal) => Promise<void> {
    return async (revision, signal) => {
      while ((this.at.get(node) ?? 0) < revision) {
        signal.throwIfAborted();
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#waiters.add(resolve);
        signal.addEventListener('abort', () => resolve(), { once: true });
        await promise;
        this.#waiters.delete(resolve);
      }
    };
  }

  settle(revision: number, withinMs = 10_000): { isDone: boolean; end: Promise<void> } {
    const settled = new GatewaysSettled({
      peers: this as unknown as Peers,
      appliedAt: this.appliedAt('here'),
      clock: systemClock,
      log: silentLogger,
      withinMs,
    });
    const asked = { isDone: false, end: Promise.resolve() };
    asked.end = settled.settled(revision).then(() => {
      asked.isDone = true;
    });
    return asked;
  }
}

test('settled when the gateways of this node and of all others are', async () => {
  const nodes = new Nodes('here', 'there', 'far');
  const asked = nodes.settle(7);
  for (const node of ['far', 'here']) {
    nodes.apply(node, 7);
    await until(`${node} has been asked`, () => nodes.calls === 2);
    assert.equal(asked.isDone, false);
  }
  nodes.apply('there', 8);
  await asked.end;
});

test('a node that falls silent is not waited for; one that is to be emptied is', async () => {
  const nodes = new Nodes('here', 'there', 'far', 'lost');
  nodes.become('lost', 'lost');
  nodes.become('far', 'draining');
  nodes.apply('here', 7);
  const asked = nodes.settle(7);
  await until('both have been asked', () => nodes.calls === 2);
  nodes.become('there', 'suspect');
  nodes.apply('there', 3);
  assert.equal(asked.isDone, false);
  nodes.apply('far', 7);
  await asked.end;
});

test('a node that cannot be called is asked again until it falls silent', async () => {
  const nodes = new Nodes('here', 'there');
  nodes.apply('here', 7);
  nodes.broken = 'there';
  const asked = nodes.settle(7);
  await until('it was asked twice', () => nodes.calls >= 2);
  assert.equal(asked.isDone, false);
  nodes.become('there', 'suspect');
  await asked.end;
});

test('who does not follow is named', async () => {
  const nodes = new Nodes('here', 'there', 'far');
  nodes.apply('here', 7);
  nodes.apply('far', 7);
  await assert.rejects(nodes.settle(7, 50).end, {
    code: 'NODE_GATEWAYS_BEHIND',
    message: 'The gateways of "there" did not take the new routes in 50 ms',
  });
});

test('a call says after its time that the routes are not applied yet', async () => {
  const nodes = new Nodes('here');
  const methods = gatewayMethods({ appliedAt: nodes.appliedAt('here'), clock: systemClock });
  const call = {
    peer: {} as Member,
    remoteAddress: undefined,
    signal: new AbortController().signal,
  };
  const ask = methods['gateway.applied'];
  assert.ok(ask !== undefined);
  assert.deepEqual(await ask({ revision: 5, waitMs: 1 }, call), { isApplied: false });
  nodes.apply('here', 5);
  assert.deepEqual(await ask({ revision: 5, waitMs: 1 }, call), { isApplied: true });
  await assert.rejects(async () => ask({ revision: -1, waitMs: 1 }, call));
});
