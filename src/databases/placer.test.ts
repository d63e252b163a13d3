/** The leader's duty over many databases at a time: what one gives to a node counts for the next, so that it comes to rest; and while a stripe moves. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { ManualClock } from '../../testing/manual-clock.ts';
import { silentLogger } from '../base/log.ts';
import type { PeerNode } from '../cluster/cluster.ts';
import { openSqliteRegistry, type Registry } from '../registry/registry.ts';
import type { DatabaseState } from './control.ts';
import { DatabasePlacer } from './placer.ts';
import { databaseRecords, placesRecords } from './records.ts';

const NODES = ['a', 'b', 'c'];
const DATABASES = 12;
const LOOK_MS = 1000;

function node(id: string): PeerNode {
  return {
    id,
    name: id,
    region: 'home',
    labels: {},
    state: 'ready',
    silentMs: 0,
    address: '127.0.0.1',
    port: 1,
    gatewayPort: 2,
    memoryMiB: 1,
    load: 0,
    isManager: true,
  };
}

function even(ids: readonly (string | undefined)[], nodes: readonly string[]): boolean {
  const counts = nodes.map((id) => ids.filter((one) => one === id).length);
  return Math.max(...counts) - Math.min(...counts) <= 1;
}

class Placing implements AsyncDisposable {
  readonly registry: Registry;
  readonly leads = new Map<string, string>();
  /** Each move waits for it before the other node leads. */
  gate: PromiseWithResolvers<void> | undefined;
  moves = 0;
  readonly #clock: ManualClock;
  readonly #stop = new AbortController();
  #leading: Promise<void> = Promise.resolve();

  private constructor(registry: Registry, clock: ManualClock) {
    this.registry = registry;
    this.#clock = clock;
  }

  static async open(t: TestContext): Promise<Placing> {
    const folder = mkdtempSync(join(tmpdir(), 'moln-placer-'));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const clock = new ManualClock();
    const path = join(folder, 'r.sqlite');
    return new Placing(await openSqliteRegistry({ path, clock, log: silentLogger }), clock);
  }

  async add(id: string, nodes: readonly string[], lead: string): Promise<void> {
    await databaseRecords(this.registry).put(id, {
      id,
      createdAt: 0,
      by: 'ann',
      stripes: 1,
      copies: 2,
      regions: [],
      tokenKey: 'AAAA',
    });
    await placesRecords(this.registry).put(id, { stripes: [nodes], asked: [] });
    this.leads.set(id, lead);
  }

  async placed(): Promise<ReadonlyMap<string, readonly string[]>> {
    const all = await placesRecords(this.registry).list();
    return new Map(all.map((one) => [one.id, one.value.stripes.flat()]));
  }

  /** What a process says of a database, as far as the leader looks at it. */
  #stateOf(id: string): DatabaseState {
    return {
      id,
      primaries: [this.leads.get(id) ?? null],
      stripes: [{ number: 0, head: 1, applied: 1, fileBytes: 1 }],
    } as unknown as DatabaseState;
  }

  lead(): void {
    const { registry } = this;
    const placer = new DatabasePlacer({
      registry,
      peers: { all: () => NODES.map(node) },
      own: () => Promise.resolve([...this.leads.keys()].map((id) => this.#stateOf(id))),
      states: async () => {
        const places = [...(await this.placed())];
        const of = (one: string): readonly DatabaseState[] =>
          places.filter(([, ids]) => ids.includes(one)).map(([id]) => this.#stateOf(id));
        return new Map(NODES.map((one) => [one, of(one)]));
      },
      readers: () => Promise.resolve(new Map()),
      move: async (from, { database, to }) => {
        this.moves++;
        await (this.gate?.promise ?? turn());
        assert.equal(this.leads.get(database), from);
        this.leads.set(database, to);
        return { pauseMs: 1 };
      },
      events: { tell: () => undefined },
      clock: this.#clock,
      log: silentLogger,
    });
    this.#leading = placer.lead({
      token: 1,
      signal: this.#stop.signal,
      commit: (conditions, operations) => registry.commit(conditions, operations),
    });
  }

  async look(): Promise<void> {
    this.#clock.advance(LOOK_MS);
    for (let turns = 0; turns < 40; turns++) await turn();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.gate?.resolve();
    await this.#leading;
    await this.registry[Symbol.asyncDispose]();
  }
}

test('a third node gets its share of many small databases, and then nothing moves any more', async (t) => {
  await using placing = await Placing.open(t);
  for (let at = 0; at < DATABASES; at++)
    await placing.add(`db${String(at).padStart(10, '0')}`, ['a', 'b'], 'a');
  placing.lead();
  const isEven = async (): Promise<boolean> => {
    const all = [...(await placing.placed()).values()];
    const isSettled = all.every((ids) => ids.length === 2);
    return isSettled && even(all.flat(), NODES) && even([...placing.leads.values()], NODES);
  };
  for (let looks = 0; !(await isEven()); looks++) {
    assert.ok(looks < 200, 'it does not come to rest');
    await placing.look();
  }
  const { leads, moves } = placing;
  const now = async (): Promise<string> =>
    JSON.stringify([[...(await placing.placed())], [...leads], placing.moves]);
  const before = await now();
  for (let looks = 0; looks < 20; looks++) await placing.look();
  assert.equal(await now(), before);
  assert.ok(moves <= 2 * DATABASES, `${moves} moves`);
});

test('a copy that leads stays until another one does', async (t) => {
  await using placing = await Placing.open(t);
  const id = 'db0000000000';
  await placing.add(id, ['b', 'c', 'a'], 'a');
  await placing.add('db0000000001', ['a', 'b'], 'b');
  await placing.add('db0000000002', ['a', 'c'], 'c');
  placing.gate = Promise.withResolvers();
  placing.lead();
  const ids = async (): Promise<string> => [...((await placing.placed()).get(id) ?? [])].join(' ');
  for (let looks = 0; looks < 20; looks++) await placing.look();
  assert.ok(placing.moves > 0);
  assert.equal(placing.leads.get(id), 'a');
  assert.equal(await ids(), 'b c a');
  placing.gate.resolve();
  for (let looks = 0; (await ids()) !== 'b c'; looks++) {
    assert.ok(looks < 20, 'it does not go');
    await placing.look();
  }
});
