/** What is read again and when: by a real registry whose reads are counted. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ManualClock } from '../../testing/manual-clock.ts';
import { until } from '../../testing/until.ts';
import { silentLogger } from '../base/log.ts';
import { openSqliteRegistry, type Registry } from '../registry/registry.ts';
import { newApp } from './app-wishes.ts';
import { AppStore } from './app-store.ts';
import { FollowedApps } from './followed-apps.ts';
import { reportRecords } from './reporter.ts';
import { assignmentRecords } from './slots.ts';

const SHOP = newApp('shop', 61_000, 0);
const SLOT = { process: 'web', slot: 0, node: 'n1', reason: 'it has room' } as const;

interface Ground {
  readonly registry: Registry;
  readonly store: AppStore;
  readonly clock: ManualClock;
  readonly followed: FollowedApps;
  /** Reads of the registry so far. */
  readonly reads: () => number;
  /** The next read of a key waits for what this resolves. */
  readonly holdNextGet: () => PromiseWithResolvers<void>;
  readonly follow: () => Promise<void>;
}

async function ground(context: TestContext): Promise<Ground> {
  const folder = await mkdtemp(join(tmpdir(), 'moln-followed-'));
  const clock = new ManualClock();
  const path = join(folder, 'registry.sqlite');
  const real = await openSqliteRegistry({ path, clock, log: silentLogger });
  let reads = 0;
  let held: PromiseWithResolvers<void> | undefined;
  const registry: Registry = {
    engine: real.engine,
    get: async (key) => {
      reads++;
      const entry = await real.get(key);
      const hold = held;
      held = undefined;
      await hold?.promise;
      return entry;
    },
    list: (prefix) => {
      reads++;
      return real.list(prefix);
    },
    watch: (prefix, from, signal) => real.watch(prefix, from, signal),
    commit: (conditions, operations) => real.commit(conditions, operations),
    lease: (ttlMs) => real.lease(ttlMs),
    [Symbol.asyncDispose]: () => real[Symbol.asyncDispose](),
  };
  const sealer = { seal: () => Buffer.of(), open: () => '' };
  const store = new AppStore({ registry, sealer });
  const followed = new FollowedApps({ registry, store, clock });
  const stop = new AbortController();
  let step: Promise<unknown> = Promise.resolve();
  context.after(async () => {
    stop.abort();
    await step;
    await registry[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });
  return {
    registry,
    store,
    clock,
    followed,
    reads: () => reads,
    holdNextGet: () => (held = Promise.withResolvers()),
    follow: async () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      using _change = followed.onChange(resolve);
      step = followed.step(stop.signal);
      await promise;
    },
  };
}

test('nothing is read again while nothing changes', async (context) => {
  const { store, followed, reads, follow, clock } = await ground(context);
  await store.commit({ app: SHOP, revision: 0 });
  await follow();
  assert.deepEqual(
    (await followed.list()).map(({ name }) => name),
    ['shop'],
  );
  assert.equal((await followed.of('shop')).app?.name, 'shop');
  const before = reads();
  await followed.list();
  await followed.of('shop');
  assert.equal(reads(), before);
  clock.advance(30_000);
  await followed.of('shop');
  assert.ok(reads() > before, 'a watch that lost something does not mislead for ever');
});

test('whatever is said of an app is seen, and told', async (context) => {
  const { registry, store, followed, follow } = await ground(context);
  await store.commit({ app: SHOP, revision: 0 });
  await follow();
  await followed.of('shop');
  let told = 0;
  followed.onChange(() => told++);
  const sees = (what: string, is: () => Promise<boolean>): Promise<unknown> =>
    until(what, async () => told > 0 && (await is()));

  await assignmentRecords(registry).put('shop', { slots: [SLOT] });
  await sees('its slots', async () => (await followed.of('shop')).slots.length === 1);
  told = 0;
  await reportRecords(registry, 'shop').put('n1', { releases: [], instances: [] });
  await sees('a report', async () => (await followed.of('shop')).reports.length === 1);
  told = 0;
  await store.commit({ app: newApp('blog', 61_001, 0), revision: 0 });
  await sees('another app', async () => (await followed.list()).length === 2);
  told = 0;
  await store.remove(SHOP);
  await sees('that it is gone', async () => (await followed.of('shop')).app === undefined);
});

test('what was asked before a change is not kept', async (context) => {
  const { store, followed, follow, holdNextGet } = await ground(context);
  const revision = await store.commit({ app: SHOP, revision: 0 });
  await follow();
  const hold = holdNextGet();
  const early = followed.of('shop');
  await store.commit({ app: { ...SHOP, running: false }, revision });
  followed.forget('shop');
  hold.resolve();
  assert.equal((await early).app?.running, true);
  assert.equal((await followed.of('shop')).app?.running, false);
});

test('without a watch everything is read each time', async (context) => {
  const { store, followed } = await ground(context);
  assert.equal((await followed.of('shop')).app, undefined);
  await store.commit({ app: SHOP, revision: 0 });
  assert.equal((await followed.of('shop')).app?.name, 'shop');
  assert.equal((await followed.list()).length, 1);
});
