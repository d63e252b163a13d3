import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { packFolder } from './archive.ts';
import type { LaunchPlan, Release } from './model.ts';
import { ReleaseStore } from './release-store.ts';
import { HEALTH_DEFAULTS, PLACEMENT_DEFAULTS } from './settings.ts';

const PLAN: LaunchPlan = {
  kind: 'static',
  explanation: 'Static site',
  build: [],
  processes: {},
  staticRoot: '.',
  fallback: undefined,
  notFound: undefined,
  health: HEALTH_DEFAULTS,
  placement: PLACEMENT_DEFAULTS,
};

interface Fixture {
  readonly data: string;
  readonly store: ReleaseStore;
  /** Packs files, by name, as a tar stream. */
  readonly source: (files: Readonly<Record<string, string>>) => Promise<Readable>;
  readonly deploy: (
    files: Readonly<Record<string, string>>,
    createdAt?: number,
  ) => Promise<Release>;
}

async function fixture(t: TestContext): Promise<Fixture> {
  const data = await mkdtemp(join(tmpdir(), 'moln-releases-'));
  const store = new ReleaseStore({ dataFolder: data });
  t.after(async () => {
    await store.removeApp('web');
    await rm(data, { recursive: true, force: true });
  });
  await store.start();
  const source = async (files: Readonly<Record<string, string>>): Promise<Readable> => {
    const folder = await mkdtemp(join(data, 'source-'));
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    return packFolder(folder);
  };
  const deploy = async (
    files: Readonly<Record<string, string>>,
    createdAt = 1,
  ): Promise<Release> => {
    await using staged = await store.receive('web', await source(files));
    return await store.seal(staged, { plan: PLAN, createdAt });
  };
  return { data, store, source, deploy };
}

test('a sealed release is read-only, readable by a new store, and verifies', async (t) => {
  const { data, store, deploy } = await fixture(t);
  const release = await deploy({ 'index.html': '<h1>hej</h1>' }, 42);
  assert.match(release.id, /^[0-9a-f]{12}$/);
  assert.equal(release.treeHash.slice(0, 12), release.id);
  assert.equal(release.files, 1);
  assert.equal(release.bytes, 12);

  const again = new ReleaseStore({ dataFolder: data });
  await again.start();
  assert.deepEqual(await again.list('web'), JSON.parse(JSON.stringify([release])));
  const path = await again.open('web', release.id);
  assert.equal(await readFile(join(path, 'index.html'), 'utf8'), '<h1>hej</h1>');
  assert.equal((await stat(join(path, 'index.html'))).mode & 0o222, 0);
  await store.verify('web', release.id);
  await chmod(join(path, 'index.html'), 0o644);
  await writeFile(join(path, 'index.html'), '<h1>hey</h1>');
  await assert.rejects(store.verify('web', release.id), { code: 'APPS_TREE_CHANGED' });
});

test('the same source is the same release, also when it was built', async (t) => {
  const { data, store, source } = await fixture(t);
  await using first = await store.receive('web', await source({ a: '1' }));
  await writeFile(join(first.path, 'built'), 'by the build');
  const sealed = await store.seal(first, { plan: PLAN, createdAt: 1 });
  await using second = await store.receive('web', await source({ a: '1' }));
  assert.equal(second.id, sealed.id);
  const other = await store.seal(second, { plan: { ...PLAN, explanation: 'x' }, createdAt: 2 });
  assert.equal(other.createdAt, 1, 'the first one stays');
  assert.deepEqual(await readdir(await store.open('web', sealed.id)), ['a', 'built']);
  await store.verify('web', sealed.id);
  await second[Symbol.asyncDispose]();
  assert.deepEqual(await readdir(join(data, 'apps/web/incoming')), []);
});

test('what fails or is dropped leaves nothing', async (t) => {
  const { data, store, source } = await fixture(t);
  const incoming = join(data, 'apps/web/incoming');
  {
    await using staged = await store.receive('web', await source({ a: '1' }));
    assert.equal((await readdir(incoming)).length, 1);
    assert.equal(await store.find('web', staged.id), undefined);
  }
  assert.deepEqual(await readdir(incoming), []);
  await assert.rejects(store.receive('web', Readable.from([Buffer.alloc(100)])), {
    code: 'APPS_ARCHIVE_BROKEN',
  });
  await assert.rejects(store.receive('web', Readable.from([Buffer.alloc(1024)])), {
    code: 'APPS_NOTHING_TO_DEPLOY',
  });
  assert.deepEqual(await readdir(incoming), []);
});

test('start sweeps what a crash left and keeps what was sealed', async (t) => {
  const { data, store, deploy, source } = await fixture(t);
  const release = await deploy({ a: '1' });
  // Neither is disposed of nor sealed: as if the process had died here.
  const lost = await store.receive('web', await source({ a: '2' }));
  await chmod(lost.path, 0o500);
  await mkdir(join(data, 'apps/web/releases/0123456789ab.tmp-0123456789ab/tree'), {
    recursive: true,
  });
  await new ReleaseStore({ dataFolder: data }).start();
  assert.deepEqual(await readdir(join(data, 'apps/web/incoming')), []);
  assert.deepEqual(await readdir(join(data, 'apps/web/releases')), [release.id]);
});

test('prune keeps what it is told to keep', async (t) => {
  const { store, deploy } = await fixture(t);
  const a = await deploy({ a: '1' }, 3);
  const b = await deploy({ a: '2' }, 1);
  const c = await deploy({ a: '3' }, 2);
  assert.deepEqual(
    (await store.list('web')).map(({ id }) => id),
    [b.id, c.id, a.id],
  );
  assert.deepEqual(await store.prune('web', [a.id]), [b.id, c.id]);
  assert.deepEqual(
    (await store.list('web')).map(({ id }) => id),
    [a.id],
  );
  await assert.rejects(store.open('web', b.id), { code: 'APPS_RELEASE_MISSING' });
  await assert.rejects(store.open('web', '../../x'), { code: 'APPS_RELEASE_MISSING' });
  await store.remove('web', b.id);
});

test('a release of a newer Moln is refused with a sentence', async (t) => {
  const { data, store, deploy } = await fixture(t);
  const { id } = await deploy({ a: '1' });
  await writeFile(join(data, 'apps/web/releases', id, 'release.json'), '{"format": 2}');
  await assert.rejects(store.open('web', id), { code: 'APPS_RELEASE_NEWER' });
});

test('with a group, the tree belongs to it and to nobody else', async (t) => {
  if (process.geteuid?.() !== 0) return t.skip('needs root');
  const { store, source } = await fixture(t);
  await using staged = await store.receive('web', await source({ 'index.html': 'x' }));
  await chmod(join(staged.path, 'index.html'), 0o4777);
  const { id } = await store.seal(staged, { plan: PLAN, createdAt: 1, gid: 61_234 });
  const path = await store.open('web', id);
  const found = await stat(join(path, 'index.html'));
  assert.deepEqual([found.uid, found.gid, found.mode & 0o7777], [0, 61_234, 0o550]);
  const folder = await stat(path);
  assert.deepEqual([folder.uid, folder.gid, folder.mode & 0o7777], [0, 61_234, 0o550]);
});
