/** Who has yet to remove what, in a real registry. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ManualClock } from '../../testing/manual-clock.ts';
import { silentLogger } from '../base/log.ts';
import { openSqliteRegistry, type Registry } from '../registry/registry.ts';
import { AppStore } from './app-store.ts';
import { newApp } from './app-wishes.ts';
import { removalsGone } from './removals.ts';

const SHOP = newApp('shop', 61_000, 0);
const LATER = newApp('shop', 61_001, 0);

async function ground(
  context: TestContext,
): Promise<{ readonly registry: Registry; readonly store: AppStore }> {
  const folder = await mkdtemp(join(tmpdir(), 'moln-removals-'));
  const path = join(folder, 'registry.sqlite');
  const registry = await openSqliteRegistry({ path, clock: new ManualClock(), log: silentLogger });
  context.after(async () => {
    await registry[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });
  const sealer = { seal: () => Buffer.of(), open: () => '' };
  return { registry, store: new AppStore({ registry, sealer }) };
}

test('a removed app is due on each node until that node says that nothing is left', async (context) => {
  const { store } = await ground(context);
  const { removals } = store;
  await store.commit({ app: SHOP, revision: 0 });
  assert.equal(await removals.due('n1', 'shop'), undefined);
  await store.remove(SHOP, ['n1', 'n2']);
  assert.equal(await store.find('shop'), undefined);
  assert.deepEqual(await removals.of('n1'), ['shop']);
  assert.deepEqual(await removals.uids(), [61_000, 61_000]);
  const due = await removals.due('n1', 'shop');
  assert.ok(due !== undefined && (await removals.done(due)));
  assert.deepEqual(await removals.of('n1'), []);
  assert.equal(await removals.isKnown('n2', 'shop'), true, 'the other one has it to do still');
});

test('what was removed again meanwhile stays due', async (context) => {
  const { store } = await ground(context);
  const { removals } = store;
  await store.commit({ app: SHOP, revision: 0 });
  await store.remove(SHOP, ['n1']);
  const first = await removals.due('n1', 'shop');
  await store.commit({ app: LATER, revision: 0 });
  await store.remove(LATER, ['n1']);
  assert.ok(first !== undefined);
  assert.equal(await removals.done(first), false, 'the later one is not removed yet');
  assert.deepEqual((await removals.due('n1', 'shop'))?.value.uids, [61_000, 61_001]);
});

test('a later app of that name is not removed in place of the former', async (context) => {
  const { store } = await ground(context);
  await store.commit({ app: LATER, revision: 0 });
  await store.remove(SHOP, ['n1']);
  assert.equal((await store.find('shop'))?.value.uid, LATER.uid);
  assert.deepEqual(await store.removals.of('n1'), []);
  assert.equal(await store.leftOn(SHOP, ['n1']), false, 'nor is its data cleared up');
  assert.deepEqual(await store.removals.of('n1'), []);
});

test('nobody waits for a node that was forgotten', async (context) => {
  const { registry, store } = await ground(context);
  assert.equal(await store.leftOn(SHOP, ['n1', 'n2']), true);
  await registry.commit([], [removalsGone('n1')]);
  assert.deepEqual(await store.removals.of('n1'), []);
  assert.deepEqual(await store.removals.of('n2'), ['shop']);
});

test('on 300 nodes it is a plan, which whoever looks carries out', async (context) => {
  const { registry, store } = await ground(context);
  const nodes = Array.from({ length: 300 }, (_, at) => `n${at}`);
  const { removals } = store;
  await store.commit({ app: SHOP, revision: 0 });
  await store.remove(SHOP, nodes);
  assert.equal(await store.find('shop'), undefined, 'decided by one commit');
  assert.deepEqual((await registry.list('/app-removals/')).entries, [], 'nobody is told yet');
  assert.deepEqual(await removals.of('n299'), ['shop']);
  assert.equal(await removals.isKnown('n7', 'shop'), true);
  assert.ok((await removals.uids()).includes(SHOP.uid), 'nobody gets its uid');

  // The one that removed it is gone; a later app of the name comes and goes as well, before anybody has looked.
  await store.commit({ app: LATER, revision: 0 });
  await store.remove(LATER, nodes);
  const dues = await Promise.all(nodes.map((node) => removals.due(node, 'shop')));
  for (const due of dues) assert.deepEqual(due?.value.uids, [SHOP.uid, LATER.uid]);
  assert.deepEqual((await registry.list('/app-removals-planned/')).entries, []);
  for (const due of dues) assert.ok(due !== undefined && (await removals.done(due)));
  assert.deepEqual(await removals.uids(), []);
});
