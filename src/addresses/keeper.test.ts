/** Keeper and hold over a real registry; the kernel is played, and says when it would have let an address go. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { ManualClock } from '../../testing/manual-clock.ts';
import { until } from '../../testing/until.ts';
import { silentLogger } from '../base/log.ts';
import { alonePeers } from '../cluster/cluster.ts';
import { openSqliteRegistry, type Registry } from '../registry/registry.ts';
import { AddressRecords } from './address-records.ts';
import { AddressBook } from './book.ts';
import { Hold } from './hold.ts';
import { Keeper } from './keeper.ts';
import { HOLDER_TTL_MS, KERNEL_LIFE_S, KERNEL_SLACK_MS, REFUSED_MS } from './limits.ts';
import type { Links, PlacedAddress } from './links.ts';

const ADDRESS = '10.0.0.50';
const PLACED: PlacedAddress = { address: ADDRESS, card: 'eth0', name: 'moln', hardware: '02' };

class PlayedKernel implements Links {
  readonly calls: string[] = [];
  answering: string | undefined;
  /** Instead of telling. */
  failure: Error | undefined;
  #toldAtMs = -Infinity;
  readonly #clock: ManualClock;

  constructor(clock: ManualClock) {
    this.#clock = clock;
  }

  /** At the latest: it may let go sooner. */
  get has(): boolean {
    return this.#clock.monotonicMs() < this.#toldAtMs + KERNEL_LIFE_S * 1000 + KERNEL_SLACK_MS;
  }

  place = (): Promise<PlacedAddress> => Promise.resolve(PLACED);
  whoAnswers = (): Promise<string | undefined> => Promise.resolve(this.answering);
  prepare = (): Promise<void> => this.#did('prepare');
  announce = (): Promise<void> => this.#did('announce');

  sweep = (keep: readonly string[]): Promise<void> => {
    if (!keep.includes(ADDRESS)) this.#toldAtMs = -Infinity;
    return Promise.resolve();
  };

  tell = (): Promise<void> => {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    this.#toldAtMs = this.#clock.monotonicMs();
    return this.#did('tell');
  };

  drop = (): Promise<void> => {
    this.#toldAtMs = -Infinity;
    return this.#did('drop');
  };

  #did(call: string): Promise<void> {
    this.calls.push(call);
    return Promise.resolve();
  }
}

interface Scene {
  readonly registry: Registry;
  readonly records: AddressRecords;
  readonly clock: ManualClock;
  readonly told: string[];
  /** Of the calls to the registry that renew the lease: how long each takes. */
  renewalMs: number;
  /** An agent: both workers. */
  readonly agent: (kernel: PlayedKernel) => { readonly keeper: Keeper; readonly hold: Hold };
}

async function makeScene(t: TestContext): Promise<Scene> {
  const folder = mkdtempSync(join(tmpdir(), 'moln-addresses-'));
  const clock = new ManualClock();
  const path = join(folder, 'registry.sqlite');
  const registry = await openSqliteRegistry({ path, clock, log: silentLogger });
  t.after(async () => {
    await registry[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });
  const records = new AddressRecords(registry);
  await records.added.create(ADDRESS, { address: ADDRESS, nodes: [], addedAt: 1, by: 'boss' });
  const told: string[] = [];
  const scene: Scene = {
    registry,
    records,
    clock,
    told,
    renewalMs: 0,
    agent: (links) => {
      const slow: Registry = Object.create(registry, {
        lease: {
          value: async (ttlMs: number) => {
            const lease = await registry.lease(ttlMs);
            const renew = async (): Promise<void> => {
              await lease.renew();
              clock.advance(scene.renewalMs);
            };
            return { id: lease.id, ttlMs, renew, revoke: () => lease.revoke() };
          },
        },
      }) as Registry;
      const shared = { links, clock, log: silentLogger };
      const hold = new Hold({ ...shared, registry: slow, onTrouble: () => undefined });
      const keeper = new Keeper({
        ...shared,
        records,
        hold,
        peers: alonePeers({ id: 'n1', name: 'one' }),
        whyNot: () => Promise.resolve({ [ADDRESS]: '' }),
        onTaken: () => undefined,
        tell: (text) => told.push(text),
      });
      return { keeper, hold };
    },
  };
  return scene;
}

/** The first says what the node can do, the second acts on it. */
async function takes(keeper: Keeper): Promise<void> {
  await keeper.step();
  await keeper.step();
}

test('takes, keeps and gives back', async (t) => {
  const { agent, clock, records, told } = await makeScene(t);
  const kernel = new PlayedKernel(clock);
  const { keeper, hold } = agent(kernel);
  await takes(keeper);
  assert.deepEqual(kernel.calls, ['prepare', 'tell', 'announce']);
  assert.deepEqual(told, [`one holds the address ${ADDRESS}: nobody held it`]);
  for (let second = 0; second < 10; second++) {
    clock.advance(1000);
    await hold.step();
    assert.equal(kernel.has, true);
  }
  await keeper.leave(() => void keeper.step());
  assert.equal(kernel.has, false);
  assert.equal((await records.held.get(ADDRESS))?.value.ended, 'stopped');
});

test('the kernel is told only while the lease is proven', async (t) => {
  const scene = await makeScene(t);
  const { clock, records } = scene;
  const kernel = new PlayedKernel(clock);
  const { keeper, hold } = scene.agent(kernel);
  await takes(keeper);
  kernel.calls.length = 0;

  scene.renewalMs = 1500;
  await hold.step();
  assert.deepEqual(kernel.calls, [], 'an old answer is no proof');
  scene.renewalMs = 0;
  await hold.step();
  assert.deepEqual(kernel.calls, ['tell']);

  // The agent stands still: the kernel lets go before the registry may give it to another node.
  clock.advance(HOLDER_TTL_MS - 1);
  assert.equal(kernel.has, false);
  assert.notEqual(await records.held.get(ADDRESS), undefined);
  clock.advance(HOLDER_TTL_MS);
  await until('the lease to end', async () => (await records.held.get(ADDRESS)) === undefined);
  kernel.calls.length = 0;
  await hold.step();
  assert.deepEqual(kernel.calls, ['drop'], 'it goes on, and tells nothing');
  assert.deepEqual(hold.addresses, []);
});

test('an agent that is started anew goes on with what it held', async (t) => {
  const { agent, clock, records, told } = await makeScene(t);
  await takes(agent(new PlayedKernel(clock)).keeper);
  const before = await records.held.get(ADDRESS);
  const kernel = new PlayedKernel(clock);
  const { keeper } = agent(kernel);
  await keeper.step();
  assert.deepEqual(kernel.calls, ['prepare', 'tell', 'announce']);
  const after = await records.held.get(ADDRESS);
  assert.equal(after?.value.since, before?.value.since);
  assert.notEqual(after?.value.incarnation, before?.value.incarnation);
  assert.equal(told.length, 1);
});

test('one that stops at once gives back what its predecessor put up', async (t) => {
  const { agent, clock, records } = await makeScene(t);
  const kernel = new PlayedKernel(clock);
  await takes(agent(kernel).keeper);
  const { keeper, hold } = agent(kernel);
  await keeper.leave(() => void keeper.step());
  assert.deepEqual(hold.addresses, []);
  assert.equal(kernel.has, false);
  assert.equal(await records.held.get(ADDRESS), undefined);
});

test('what was taken under a lease that has ended is not kept', async (t) => {
  const { agent, clock } = await makeScene(t);
  const kernel = new PlayedKernel(clock);
  const { hold } = agent(kernel);
  const before = await hold.lease();
  clock.advance(2 * HOLDER_TTL_MS);
  await assert.rejects(hold.lease(), { code: 'REGISTRY_LEASE_LOST' });
  assert.notEqual(await hold.lease(), before);
  await hold.keep(PLACED, before);
  assert.equal(kernel.has, false);
});

test('an address that somebody has is left alone, and tried again', async (t) => {
  const { agent, clock, records } = await makeScene(t);
  const kernel = new PlayedKernel(clock);
  const { keeper } = agent(kernel);
  kernel.answering = 'aa:bb';
  await takes(keeper);
  await keeper.step();
  assert.deepEqual(kernel.calls, []);
  const able = await records.able.get('n1');
  assert.match(able?.value.whyNot[ADDRESS] ?? '', /hardware address aa:bb has it/);
  kernel.answering = undefined;
  clock.advance(REFUSED_MS);
  await takes(keeper);
  assert.equal(kernel.has, true);
});

test('without managers nobody holds it, and the list says so', async (t) => {
  const { agent, clock, records, registry } = await makeScene(t);
  const list = t.mock.method(registry, 'list');
  const { keeper } = agent(new PlayedKernel(clock));
  await takes(keeper);
  const book = new AddressBook({
    records,
    known: records,
    isBlind: () => keeper.isBlind,
    peers: alonePeers({ id: 'n1', name: 'one' }),
    requireAble: () => Promise.resolve(),
    tell: () => undefined,
    clock,
  });
  const sentence = async (): Promise<string | undefined> => (await book.list())[0]?.sentence;
  assert.equal(await sentence(), 'one holds it: nobody held it');
  list.mock.mockImplementation(() => Promise.reject(new Error('No manager answers')));
  await keeper.step();
  clock.advance(HOLDER_TTL_MS + 1);
  list.mock.restore();
  assert.match((await sentence()) ?? '', /^Nobody holds it: no manager answers/);
  await keeper.step();
  assert.equal(keeper.isBlind, false);
});

test('an interface that somebody took away is put up again', async (t) => {
  const { agent, clock } = await makeScene(t);
  const kernel = new PlayedKernel(clock);
  const { keeper, hold } = agent(kernel);
  await takes(keeper);
  kernel.failure = new Error('Cannot find device');
  await hold.step();
  await hold.step();
  kernel.failure = undefined;
  kernel.calls.length = 0;
  await keeper.step();
  assert.deepEqual(kernel.calls, ['prepare', 'tell', 'announce']);
});
