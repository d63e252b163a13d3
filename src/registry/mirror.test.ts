import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { follow, plain, put, rejects } from '../../testing/registry-kit.ts';
import { until } from '../../testing/until.ts';
import { silentLogger } from '../base/log.ts';
import { systemClock } from '../base/time.ts';
import type { Registry } from './contract.ts';
import { openMirror, type RegistryMirror } from './mirror.ts';
import { openSqliteRegistry } from './sqlite-registry.ts';

interface Bed {
  readonly source: Registry;
  readonly mirror: (sourceId?: string) => RegistryMirror;
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
  const mirror = (sourceId = 'one'): RegistryMirror => {
    const path = join(folder, 'mirror.sqlite');
    const made = openMirror({ path, source, sourceId, prefixes: ['/apps/', '/nodes/'], ...common });
    open.push(made);
    return made;
  };
  return { source, mirror };
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
