import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ManualClock } from '../../testing/manual-clock.ts';
import { keys, plain, put, putOf, rejects } from '../../testing/registry-kit.ts';
import { silentLogger } from '../base/log.ts';
import type { Registry } from './contract.ts';
import { copyRegistry, isCopyComplete } from './copy.ts';
import { openSqliteRegistry } from './sqlite-registry.ts';

async function open(context: TestContext): Promise<Registry> {
  const folder = await mkdtemp(join(tmpdir(), 'moln-copy-'));
  const path = join(folder, 'registry.sqlite');
  const clock = new ManualClock();
  const registry = await openSqliteRegistry({ path, clock, log: silentLogger });
  context.after(async () => {
    await registry[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });
  return registry;
}

const nothing = async (): Promise<void> => {};

test('all keys go over, with what was changed until the freeze', async (context) => {
  const [from, to] = [await open(context), await open(context)];
  const lease = await from.lease(5000);
  await from.commit([], [{ ...putOf('/nodes/a/presence', 'x'), leaseId: lease.id }]);
  for (let at = 0; at < 300; at++) await put(from, `/many/${at}`, String(at));
  for (const key of ['/large/1', '/large/2', '/large/3']) {
    await from.commit([], [{ kind: 'put', key, value: Buffer.alloc(900_000, key) }]);
  }
  const result = await copyRegistry({
    from,
    to,
    freeze: async () => {
      assert.equal(await isCopyComplete(to), false);
      assert.equal((await keys(to, '/many/')).length, 300);
      await put(from, '/many/7', 'changed');
      await put(from, '/late', 'new');
      await from.commit([], [{ kind: 'delete', key: '/many/8' }]);
    },
  });
  assert.equal(await isCopyComplete(to), true);
  const { entries, revision } = await from.list('');
  assert.deepEqual(result, { keys: entries.length - 1, revision });
  const wanted = entries.filter((entry) => entry.leaseId === undefined);
  const there = (await to.list('')).entries.filter(({ key }) => key !== '/registry/copy');
  assert.deepEqual(
    there.map((entry) => [entry.key, plain(entry)?.value]),
    wanted.map((entry) => [entry.key, plain(entry)?.value]),
  );
});

test('a copy that broke off goes on, a complete one too until it is used', async (context) => {
  const [from, to] = [await open(context), await open(context)];
  await put(from, '/a', '1');
  const broken = copyRegistry({
    from,
    to,
    freeze: () => Promise.reject(new Error('the power went')),
  });
  await assert.rejects(broken, /the power went/);
  assert.equal(await isCopyComplete(to), false);
  await put(from, '/b', '2');
  await from.commit([], [{ kind: 'delete', key: '/a' }]);
  await copyRegistry({ from, to, freeze: nothing });
  assert.equal(await isCopyComplete(to), true);
  assert.deepEqual(await keys(to, ''), ['/b', '/registry/copy']);
  // The node was killed before it noted that it uses the copy, and went on with the source.
  await put(from, '/b', '3');
  await copyRegistry({ from, to, freeze: nothing });
  assert.equal(plain(await to.get('/b'))?.value, '3');
  await put(to, '/b', 'newer');
  await rejects(copyRegistry({ from, to, freeze: nothing }), 'REGISTRY_NOT_EMPTY');
  assert.equal(plain(await to.get('/b'))?.value, 'newer');
});

test('what others keep there is not touched', async (context) => {
  const [from, to] = [await open(context), await open(context)];
  await put(from, '/a', '1');
  await put(to, '/foreign', '1');
  await rejects(copyRegistry({ from, to, freeze: nothing }), 'REGISTRY_NOT_EMPTY');
  assert.deepEqual(await keys(to, ''), ['/foreign']);
});
