/** Releases in the file store: what nodes that never had a release run it from, and what becomes of it. */
import assert from 'node:assert/strict';
import { appendFileSync, chmodSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { AppStore } from '../src/apps/app-store.ts';
import { ReleaseStore } from '../src/apps/release-store.ts';
import { ReleaseVault } from '../src/apps/release-vault.ts';
import { packFolder } from '../src/apps/apps.ts';
import type { Registry } from '../src/registry/registry.ts';
import { RELEASES_BUCKET } from '../src/files/system-bucket.ts';
import { appFolder, nodeApp } from '../testing/app-folder.ts';
import {
  collect,
  deployFiles,
  doneRelease,
  failure,
  type RunningApps,
  testLog,
} from '../testing/apps-kit.ts';
import { KeptKit } from '../testing/kept-kit.ts';
import { LinkedApps } from '../testing/linked-apps.ts';
import { until } from '../testing/until.ts';

const NAMES = ['one', 'two'] as const;
const UNUSED = { seal: (): never => assert.fail(), open: (): never => assert.fail() };

async function storedOf({ apps }: RunningApps): Promise<readonly string[] | undefined> {
  return (await apps.show('shop')).stored;
}

/** As if the node had never had it. */
async function dropCopies({ data }: RunningApps): Promise<void> {
  await new ReleaseStore({ dataFolder: data }).removeApp('shop');
}

test('an app outlives every node that had it unpacked, and goes back to a release that is nowhere else', async (t) => {
  const { kept } = await KeptKit.start(t);
  const nodes = await LinkedApps.open(t, NAMES, kept);
  const one = nodes.node('one');
  const first = doneRelease(await deployFiles(t, one, 'shop', nodeApp('"first"')));
  const second = doneRelease(await deployFiles(t, one, 'shop', nodeApp('"second"')));
  assert.deepEqual((await storedOf(one))?.toSorted(), [first, second].toSorted());
  await nodes.leave('one');
  const two = nodes.node('two');
  await dropCopies(two);
  assert.deepEqual((await storedOf(two))?.toSorted(), [first, second].toSorted());
  assert.equal(doneRelease(await collect(two.apps.restart('shop'))), second);
  await dropCopies(two);
  assert.equal(doneRelease(await collect(two.apps.rollback('shop', undefined, 'test'))), first);
  const { instances } = await two.apps.show('shop');
  const healthy = instances.filter(({ state }) => state === 'healthy');
  assert.deepEqual(
    healthy.map(({ node, release }) => [node, release]),
    [['two', first]],
  );
});

test('what is not what was sealed is refused, and the file store is named', async (t) => {
  const { kept, files } = await KeptKit.start(t);
  const nodes = await LinkedApps.open(t, NAMES, kept);
  const release = doneRelease(await deployFiles(t, nodes.node('one'), 'shop', nodeApp('"honest"')));
  await nodes.leave('one');
  const two = nodes.node('two');
  await dropCopies(two);
  const other = packFolder(appFolder(t, nodeApp('"other"')), { isWhole: true });
  await files.store.put(RELEASES_BUCKET, `shop/${release}`, other, { owner: 'test' });
  const { error } = failure(await collect(two.apps.restart('shop')));
  assert.equal(error.code, 'APPS_RELEASE_MISSING');
  assert.match(error.message, /the file store: .* is not what was sealed/);
  assert.equal(await new ReleaseStore({ dataFolder: two.data }).find('shop', release), undefined);
});

test('a deploy does not wait for a file store that is away, which gets the release when it is back', async (t) => {
  const kit = await KeptKit.start(t);
  const nodes = await LinkedApps.open(t, ['one'], kit.kept);
  const one = nodes.node('one');
  await kit.away();
  const progress = await deployFiles(t, one, 'shop', nodeApp('"hello"'));
  const release = doneRelease(progress);
  const steps = progress.flatMap((each) => (each.kind === 'step' ? [each.message] : []));
  assert.ok(steps.some((step) => step.startsWith('The file store gets this release later')));
  assert.deepEqual(await storedOf(one), []);
  await kit.back();
  await until('it in the file store', async () => (await storedOf(one))?.includes(release));
  assert.deepEqual(await kit.kept.keys(), [`shop/${release}`]);
});

test('releases that go with their app, or were replaced long ago, leave the file store too', async (t) => {
  const { kept } = await KeptKit.start(t);
  const nodes = await LinkedApps.open(t, ['one'], kept);
  const one = nodes.node('one');
  doneRelease(await deployFiles(t, one, 'shop', nodeApp('"hello"')));
  await kept.put('gone/0123456789ab', packFolder(appFolder(t, nodeApp('"gone"'))));
  doneRelease(await deployFiles(t, one, 'shop', nodeApp('"again"')));
  await until('the one of an app that is not known to go', async () => {
    return (await kept.keys()).every((key) => key.startsWith('shop/'));
  });
  assert.equal((await kept.keys()).length, 2);
  await one.apps.remove('shop');
  await until('all of them to go', async () => (await kept.keys()).length === 0);
});

test('a release that was changed on the disk is not put, and holds up no other', async (t) => {
  const kit = await KeptKit.start(t, false);
  const nodes = await LinkedApps.open(t, ['one'], kit.kept);
  const one = nodes.node('one');
  const blog = doneRelease(await deployFiles(t, one, 'blog', nodeApp('"blog"')));
  const shop = doneRelease(await deployFiles(t, one, 'shop', nodeApp('"shop"')));
  const path = join(one.data, 'apps', 'blog', 'releases', blog, 'tree', 'server.js');
  chmodSync(path, 0o640);
  appendFileSync(path, '// changed');
  kit.make();
  await until('the other one in the file store', async () => {
    return (await storedOf(one))?.includes(shop);
  });
  assert.deepEqual((await one.apps.show('blog')).stored, []);
});

test('what an old copy of the registry does not know stays', async (t) => {
  const { kept } = await KeptKit.start(t);
  const nodes = await LinkedApps.open(t, ['one'], kept);
  const one = nodes.node('one');
  const release = doneRelease(await deployFiles(t, one, 'shop', nodeApp('"hello"')));
  const { registry } = nodes;
  const old: Registry = {
    engine: registry.engine,
    get: (key) => registry.get(key),
    list: () => Promise.resolve({ entries: [], revision: 1 }),
    watch: (prefix, from, signal) => registry.watch(prefix, from, signal),
    commit: (conditions, operations) => registry.commit(conditions, operations),
    lease: (ttlMs) => registry.lease(ttlMs),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const vault = new ReleaseVault({
    vault: kept,
    store: new AppStore({ registry: old, sealer: UNUSED }),
    releases: new ReleaseStore({ dataFolder: one.data }),
    workers: { add: () => undefined, wake: () => undefined },
    log: testLog(),
  });
  await kept.put('gone/0123456789ab', packFolder(appFolder(t, nodeApp('"gone"'))));
  await vault.step(new AbortController().signal);
  assert.deepEqual(await kept.keys(), [`shop/${release}`]);
});
