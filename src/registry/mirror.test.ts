import assert from 'node:assert/strict';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { follow, keys, plain, put, putOf, rejects } from '../../testing/registry-kit.ts';
import { until } from '../../testing/until.ts';
import { silentLogger } from '../base/log.ts';
import { systemClock } from '../base/time.ts';
import type { Registry } from './contract.ts';
import { copyRegistry } from './copy.ts';
import { readMirror, removeMirror } from './mirror-file.ts';
import { MirrorStore } from './mirror-store.ts';
import { openMirror, type RegistryMirror } from './mirror.ts';
import { openSqliteRegistry } from './sqlite-registry.ts';

interface Bed {
  readonly folder: string;
  readonly source: Registry;
  readonly mirror: (sourceId?: string, prefixes?: readonly string[]) => RegistryMirror;
}

async function makeBed(context: TestContext): Promise<Bed> {
  const folder = await mkdtemp(join(tmpdir(), 'moln-mirror-'));
  const common = { clock: systemClock, log: silentLogger };
  const source = await openSqliteRegistry({ path: join(folder, 'registry.sqlite'), ...common });
  const open: RegistryMirror[] = [];
  context.after(async () => {
    for (const mirror of open) await mirror[Symbol.asyncDispose]();
    await source[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });
  const mirror = (
    sourceId = 'one',
    prefixes: readonly string[] = ['/apps/', '/nodes/'],
  ): RegistryMirror => {
    const path = join(folder, 'mirror.sqlite');
    const made = openMirror({ path, source, sourceId, prefixes, ...common });
    open.push(made);
    return made;
  };
  return { folder, source, mirror };
}

async function valueOf(from: RegistryMirror, key: string): Promise<string | undefined> {
  return plain(await from.get(key))?.value;
}

test('a mirror follows its prefixes, and nothing else', async (context) => {
  const { source, mirror } = await makeBed(context);
  await put(source, '/apps/a', '1');
  const on = mirror();
  await until('it is loaded', () => on.status().isComplete && on.status().isLive);
  assert.equal(await valueOf(on, '/apps/a'), '1');
  await put(source, '/apps/a', '2');
  await put(source, '/nodes/n', '1');
  await until('it has heard', async () => (await valueOf(on, '/nodes/n')) === '1');
  await until('it has heard', async () => (await valueOf(on, '/apps/a')) === '2');
  assert.deepEqual((await on.list('/apps/')).entries, (await source.list('/apps/')).entries);
  await source.commit([], [{ kind: 'delete', key: '/apps/a' }]);
  await until('it is gone', async () => (await on.list('/apps/')).entries.length === 0);
  await rejects(on.get('/secrets/x'), 'REGISTRY_NOT_MIRRORED');
});

test('list and then watch miss nothing on a mirror either', async (context) => {
  const { source, mirror } = await makeBed(context);
  const on = mirror();
  await until('it is loaded', () => on.status().isComplete);
  const { revision } = await on.list('/apps/');
  const stop = new AbortController();
  const seen: number[] = [];
  const watching = follow(on, '/apps/', revision + 1, stop.signal, (batch) => {
    seen.push(batch.revision);
  });
  const written: number[] = [];
  for (let at = 0; at < 50; at++) {
    written.push(await put(source, '/apps/a', String(at)));
    await put(source, '/nodes/n', String(at));
  }
  await until('all was seen', () => seen.length === written.length);
  stop.abort();
  await watching;
  assert.deepEqual(seen, written);
});

test('without its source it goes on, says so, and does so after a restart', async (context) => {
  const { source, mirror } = await makeBed(context);
  await put(source, '/apps/a', '1');
  const before = mirror();
  await until('it is loaded', () => before.status().isComplete);
  await before[Symbol.asyncDispose]();
  await source[Symbol.asyncDispose]();
  const on = mirror();
  assert.deepEqual(on.status(), { isLive: false, seenAt: undefined, isComplete: true });
  assert.equal(await valueOf(on, '/apps/a'), '1');
});

test('what is known of another source is not shown as of this one', async (context) => {
  const { source, mirror } = await makeBed(context);
  await put(source, '/apps/a', '1');
  const before = mirror('one');
  await until('it is loaded', () => before.status().isComplete);
  await before[Symbol.asyncDispose]();
  await source[Symbol.asyncDispose]();
  const on = mirror('two');
  assert.equal(on.status().isComplete, false);
  await rejects(on.list('/apps/'), 'REGISTRY_UNAVAILABLE');
});

test('a damaged file is put aside and all is read anew', async (context) => {
  const { folder, source, mirror } = await makeBed(context);
  await put(source, '/apps/a', '1');
  const path = join(folder, 'mirror.sqlite');
  await writeFile(path, Buffer.alloc(20_000, 'no database at all. '));
  const on = mirror();
  await until('it is loaded', () => on.status().isComplete);
  assert.equal(await valueOf(on, '/apps/a'), '1');
  assert.match(await readFile(`${path}.damaged`, 'utf8'), /^no database/);
});

const forEver = new AbortController().signal;

test('all of it is one mirror at one revision, without what hangs on a lease', async (context) => {
  const { source, mirror } = await makeBed(context);
  const lease = await source.lease(60_000);
  const held = async (key: string): Promise<void> => {
    await source.commit([], [{ ...putOf(key, 'x'), leaseId: lease.id }]);
  };
  await put(source, '/a', '1');
  await held('/presence/early');
  const on = mirror('one', ['/']);
  await on.appliedAt((await source.list('')).revision, forEver);
  await put(source, '/b', '1');
  await put(source, '/c', '1');
  await held('/presence/late');
  await held('/c');
  await source.commit([], [putOf('/d', '1'), { kind: 'delete', key: '/a' }]);
  const { revision } = await source.list('');
  await on.appliedAt(revision, forEver);
  assert.equal(on.revision(), revision);
  const wanted = ['/b', '/d'];
  assert.deepEqual(
    (await on.list('')).entries.map(({ key }) => key),
    wanted,
  );
  assert.deepEqual(
    (await on.list('/')).entries.map(({ key }) => key),
    wanted,
  );
  assert.deepEqual(await on.get('/d'), await source.get('/d'));
});

test('what it says is applied is in the file, also when nobody closed it', async (context) => {
  const { folder, source, mirror } = await makeBed(context);
  const on = mirror('one', ['/']);
  for (let at = 0; at < 10; at++) {
    const revision = await put(source, '/a', String(at));
    await on.appliedAt(revision, forEver);
    const found = join(folder, `found-${at}.sqlite`);
    for (const end of ['', '-wal'])
      await copyFile(join(folder, `mirror.sqlite${end}`), found + end);
    using store = new MirrorStore({ path: found, sourceId: 'one' });
    assert.deepEqual(store.list('/'), [await source.get('/a')]);
    assert.equal(store.revisionOf('/'), revision);
  }
});

test('a commit that changes nothing does not let anybody wait for ever', async (context) => {
  const { source, mirror } = await makeBed(context);
  await put(source, '/nodes/n', '1');
  // Says a revision that is not of this prefix: no watch of it will ever bring that.
  const on = mirror('one', ['/apps/']);
  await put(source, '/apps/a', '1');
  const { revision } = await source.list('');
  const elsewhere = await put(source, '/nodes/n', '2');
  assert.ok(elsewhere > revision);
  await on.appliedAt(elsewhere, forEver);
  assert.equal(await valueOf(on, '/apps/a'), '1');
  const next = await put(source, '/apps/a', '2');
  await on.appliedAt(next, forEver);
  assert.equal(await valueOf(on, '/apps/a'), '2');
});

test('whoever waits is told when the time is over or the mirror is closed', async (context) => {
  const { mirror } = await makeBed(context);
  const on = mirror('one', ['/']);
  const giveUp = new AbortController();
  const impatient = on.appliedAt(1_000_000, giveUp.signal);
  const patient = rejects(on.appliedAt(1_000_000, forEver), 'REGISTRY_CLOSED');
  giveUp.abort(new Error('the standby is slow'));
  await assert.rejects(impatient, /the standby is slow/);
  await assert.rejects(on.appliedAt(1, giveUp.signal), /the standby is slow/);
  await on[Symbol.asyncDispose]();
  await patient;
  await rejects(on.appliedAt(1, forEver), 'REGISTRY_CLOSED');
  await on.probed();
});

test('a registry can be made of it when the first one is lost', async (context) => {
  const { source, mirror } = await makeBed(context);
  const { source: fresh } = await makeBed(context);
  for (let at = 0; at < 150; at++) await put(source, `/apps/${at}`, String(at));
  const on = mirror('one', ['/']);
  await on.appliedAt((await source.list('')).revision, forEver);
  await source[Symbol.asyncDispose]();
  await copyRegistry({ from: on, to: fresh, freeze: () => Promise.resolve() });
  assert.equal((await keys(fresh, '/apps/')).length, 150);
  assert.equal(plain(await fresh.get('/apps/7'))?.value, '7');
});

test('with a nudge it learns by a commit that nothing is missing, and what it has is read without it', async (context) => {
  const { folder, source } = await makeBed(context);
  let nudges = 0;
  const nudge = async (): Promise<void> => {
    nudges++;
    await put(source, '/mark', String(nudges));
  };
  const path = join(folder, 'logs.sqlite');
  const options = { path, source, prefixes: ['/'], clock: systemClock, log: silentLogger };
  const on = openMirror({ ...options, sourceId: 'one', durability: 'grouped', nudge });
  const { revision } = await source.commit(
    [],
    Array.from({ length: 20 }, (_, n) => putOf(`/k${n}`, 'v')),
  );
  const signal = AbortSignal.timeout(10_000);
  await on.appliedAt(revision, signal);
  assert.equal(nudges, 0);
  // Nothing brings a revision that nobody has made.
  await on.appliedAt(revision + 1, signal);
  assert.equal(nudges, 1);
  await on[Symbol.asyncDispose]();

  const keysOf = async (sourceId: string, prefix = '/'): Promise<readonly string[] | undefined> =>
    await readMirror({ path, sourceId, prefix }, async (copy) => {
      assert.equal(copy.revision, revision + 1);
      return (await copy.list('')).entries.map(({ key }) => key);
    });
  assert.equal((await keysOf('one'))?.length, 21);
  assert.equal(await keysOf('one', '/never/'), undefined);
  await removeMirror(path);
  assert.equal(await keysOf('one'), undefined);
});
