/** Check-ins and their watch on the embedded registry, with a clock by hand. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { ManualClock } from '../../testing/manual-clock.ts';
import { until } from '../../testing/until.ts';
import { messageOf } from '../base/errors.ts';
import { silentLogger } from '../base/log.ts';
import { openSqliteRegistry, type Registry } from '../registry/registry.ts';
import { Fence } from './fence.ts';
import { CHECK_IN_MS, type NodeLoad } from './presence.ts';
import { PresenceKeeper } from './presence-keeper.ts';
import { PresenceWatch } from './presence-watch.ts';

const LOST_AFTER_MS = 10_000;
const log = silentLogger;

interface Stage {
  readonly registry: Registry;
  readonly clock: ManualClock;
  readonly keeperOf: (
    nodeId: string,
    load?: () => NodeLoad,
  ) => { keeper: PresenceKeeper; calls: string[] };
}

async function stageOf(context: TestContext): Promise<Stage> {
  const folder = await mkdtemp(join(tmpdir(), 'moln-presence-'));
  const clock = new ManualClock();
  const path = join(folder, 'registry.sqlite');
  const registry = await openSqliteRegistry({ path, clock, log });
  context.after(async () => {
    await registry[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });
  const keeperOf: Stage['keeperOf'] = (nodeId, load) => {
    const fence = new Fence(clock);
    const calls: string[] = [];
    fence.guard({
      lostAfterMs: LOST_AFTER_MS,
      onFenced: () => calls.push('fenced'),
      onReturned: (revision) => calls.push(`returned ${revision}`),
    });
    const onForgotten = (why: unknown): void => void calls.push(messageOf(why));
    const options = {
      registry,
      nodeId,
      fence,
      clock,
      log,
      lostAfterMs: LOST_AFTER_MS,
      onForgotten,
      ...(load === undefined ? {} : { load }),
    };
    return { keeper: new PresenceKeeper(options), calls };
  };
  return { registry, clock, keeperOf };
}

async function revisionOf(registry: Registry, node: string): Promise<number> {
  return (await registry.get(`/presence/${node}`))?.revision ?? 0;
}

test('a check-in keeps the lease alive, opens the fence, and comes back after its lease has ended', async (context) => {
  const { registry, clock, keeperOf } = await stageOf(context);
  const { keeper, calls } = keeperOf('n1');
  await keeper.step();
  const first = await revisionOf(registry, 'n1');
  assert.deepEqual(calls.splice(0), ['fenced', `returned ${first}`]);
  for (let round = 0; round < 20; round++) {
    clock.advance(LOST_AFTER_MS / 5);
    await keeper.step();
  }
  assert.deepEqual(calls, [], 'long past the first lease');
  clock.advance(LOST_AFTER_MS + 1);
  await until('its key has ended', async () => (await revisionOf(registry, 'n1')) === 0);
  await keeper.step();
  await until('it is there again', async () => {
    await keeper.step();
    return calls.length === 2;
  });
  assert.equal(calls[0], 'fenced');
  assert.match(calls[1] ?? '', /^returned \d+$/);
});

test('it checks in at a beat, and at once when it took so long that it missed one', async (context) => {
  const { clock, keeperOf } = await stageOf(context);
  let tookMs = 0;
  const load = (): NodeLoad => {
    clock.advance(tookMs);
    return { cpuPercent: 1, memoryFreeMiB: 1 };
  };
  const { keeper } = keeperOf('n1', load);
  clock.advance(CHECK_IN_MS - (clock.now() % CHECK_IN_MS));
  assert.deepEqual(await keeper.step(), { kind: 'idle', retryInMs: CHECK_IN_MS });
  tookMs = CHECK_IN_MS - 50;
  assert.deepEqual(await keeper.step(), { kind: 'idle', retryInMs: 50 });
  // Late by its machine, and slow by its registry.
  assert.deepEqual(await keeper.step(), { kind: 'idle', retryInMs: 1 });
});

test('the watch tells each change of a state once, and a good-bye at once', async (context) => {
  const { registry, clock, keeperOf } = await stageOf(context);
  let load: NodeLoad = { cpuPercent: 1, memoryFreeMiB: 1 };
  const [me, other] = [keeperOf('me').keeper, keeperOf('n1', () => load).keeper];
  const told: string[] = [];
  const watch = new PresenceWatch({
    registry,
    nodeId: 'me',
    clocks: { suspectAfterMs: 2000, lostAfterMs: LOST_AFTER_MS },
    clock,
    log,
    onChange: (changed) => told.push(...changed.map(({ node, state }) => `${node} ${state}`)),
  });
  const stop = new AbortController();
  await me.step();
  await other.step();
  const watching = watch.step(stop.signal);
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 500) {
      clock.advance(500);
      await me.step();
      const revision = await revisionOf(registry, 'me');
      await until('it hears itself', () => watch.get('me').revision === revision);
    }
  };
  await until('both are ready', () => told.length === 2);
  assert.deepEqual(told.splice(0), ['me ready', 'n1 ready']);
  await pass(2500);
  assert.deepEqual(told.splice(0), ['n1 suspect']);
  await other.step();
  await until('it is back', () => told.length === 1);
  assert.deepEqual(told.splice(0), ['n1 ready']);
  await pass(1500);
  clock.advance(499);
  assert.deepEqual(told, []);
  clock.advance(1);
  assert.deepEqual(told.splice(0), ['n1 suspect'], 'by time alone, between two check-ins');
  await other.step();
  await until('it is back once more', () => told.length === 1);
  assert.deepEqual(told.splice(0), ['n1 ready']);
  for (const disk of [{ diskFullMiB: 5 }, { diskFullMiB: 4 }, {}]) {
    load = { cpuPercent: 1, memoryFreeMiB: 1, ...disk };
    await other.step();
    const revision = await revisionOf(registry, 'n1');
    await until('it is heard', () => watch.get('n1').revision === revision);
  }
  assert.deepEqual(told.splice(0), ['n1 ready', 'n1 ready'], 'its disk is full, and is not');
  await pass(LOST_AFTER_MS + 500);
  assert.deepEqual(told.splice(0), ['n1 suspect', 'n1 lost']);
  assert.equal(watch.status(), '1 of 2 nodes are ready');
  await keeperOf('n2').keeper.leave();
  await until('it said good-bye', () => told.length === 1);
  assert.deepEqual(told, ['n2 lost']);
  stop.abort();
  assert.deepEqual(await watching, { kind: 'done' });
  watch[Symbol.dispose]();
});

test('a forgotten node is fenced at its next check-in, which nobody hears, and for good', async (context) => {
  const { registry, clock, keeperOf } = await stageOf(context);
  const { keeper, calls } = keeperOf('n1');
  await keeper.step();
  const heard = await revisionOf(registry, 'n1');
  calls.splice(0);
  await registry.commit(
    [],
    [{ kind: 'put', key: '/cluster/revoked/n1', value: Buffer.from('{}') }],
  );
  clock.advance(1000);
  assert.deepEqual(await keeper.step(), { kind: 'done' });
  assert.deepEqual(calls, ['fenced', 'This node was removed from the cluster']);
  assert.equal(await revisionOf(registry, 'n1'), heard);
  await keeper.leave();
  assert.equal(await revisionOf(registry, 'n1'), heard);
});
