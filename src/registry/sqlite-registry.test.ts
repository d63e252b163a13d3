/** The embedded engine: the conformance suite, and what is its own (limits of the history, one process, formats). */
import assert from 'node:assert/strict';
import { copyFile, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { ManualClock } from '../../testing/manual-clock.ts';
import { type RegistryUnderTest, testRegistry } from '../../testing/registry-conformance.ts';
import { until } from '../../testing/until.ts';
import { isMolnError } from '../base/errors.ts';
import { silentLogger } from '../base/log.ts';
import type { Registry } from './contract.ts';
import { HISTORY_AGE_MAX_MS } from './limits.ts';
import { SwitchableRegistry } from './switchable.ts';
import { openSqliteRegistry, type SqliteRegistryOptions } from './sqlite-registry.ts';

async function make(
  around: (engine: Registry) => Registry = (engine) => engine,
): Promise<RegistryUnderTest> {
  const folder = await mkdtemp(join(tmpdir(), 'moln-registry-'));
  let clock = new ManualClock();
  const path = join(folder, 'registry.sqlite');
  const open = async (): Promise<Registry> =>
    around(await openSqliteRegistry({ path, clock, log: silentLogger }));
  let registry = await open();
  return {
    registry,
    async reopen() {
      await registry[Symbol.asyncDispose]();
      clock = new ManualClock(clock.now());
      registry = await open();
      return registry;
    },
    async compact() {
      clock.advance(HISTORY_AGE_MAX_MS + 120_000);
    },
    async pass(ms) {
      clock.advance(ms);
    },
    async dispose() {
      await registry[Symbol.asyncDispose]();
      await rm(folder, { recursive: true });
    },
  };
}

testRegistry('sqlite', () => make());
testRegistry('sqlite, behind a switch', () => make((engine) => new SwitchableRegistry(engine)));

async function openIn(
  context: TestContext,
  options: Partial<SqliteRegistryOptions> = {},
): Promise<{ readonly registry: Registry; readonly path: string; readonly clock: ManualClock }> {
  const folder = await mkdtemp(join(tmpdir(), 'moln-registry-'));
  const path = join(folder, 'registry.sqlite');
  const clock = new ManualClock();
  const registry = await openSqliteRegistry({ path, clock, log: silentLogger, ...options });
  context.after(async () => {
    await registry[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });
  return { registry, path, clock };
}

async function put(registry: Registry, key: string, value: Uint8Array | string): Promise<number> {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  return (await registry.commit([], [{ kind: 'put', key, value: bytes }])).revision;
}

/** The oldest revision that can still be watched. */
async function oldest(registry: Registry): Promise<number> {
  try {
    for await (const batch of registry.watch('', 1, AbortSignal.timeout(5000))) {
      return batch.revision;
    }
  } catch (error) {
    if (isMolnError(error, 'REGISTRY_COMPACTED')) return Number(error.details?.['oldest']);
    throw error;
  }
  throw new Error('nothing to watch');
}

describe('embedded registry', () => {
  test('the history is bounded by count', async (context) => {
    const { registry } = await openIn(context, { history: { revisionsMax: 40 } });
    for (let round = 0; round < 200; round++) await put(registry, '/a', String(round));
    const first = await oldest(registry);
    assert.ok(first > 200 - 40 * 1.25 - 1 && first <= 161, `oldest kept is ${first}`);
    const signal = AbortSignal.timeout(5000);
    const tooOld = registry
      .watch('', first - 1, signal)
      [Symbol.asyncIterator]()
      .next();
    await assert.rejects(tooOld, (error) => isMolnError(error, 'REGISTRY_COMPACTED'));
  });

  test('the history is bounded by size', async (context) => {
    const { registry } = await openIn(context, { history: { bytesMax: 100_000 } });
    for (let round = 0; round < 50; round++) await put(registry, '/a', Buffer.alloc(10_000));
    const first = await oldest(registry);
    assert.ok(first >= 37 && first <= 42, `oldest kept is ${first}`);
  });

  test('the history is bounded by age', async (context) => {
    const { registry, clock } = await openIn(context, { history: { ageMaxMs: 10 * 60_000 } });
    await put(registry, '/a', 'old');
    clock.advance(8 * 60_000);
    await put(registry, '/a', 'young');
    assert.equal(await oldest(registry), 1);
    clock.advance(4 * 60_000);
    assert.equal(await oldest(registry), 2);
  });

  test('a full registry says so and goes on serving', async (context) => {
    const { registry } = await openIn(context, { bytesMax: 1024 * 1024 });
    await put(registry, '/kept', 'kept');
    const fill = async (): Promise<void> => {
      for (let round = 0; round < 20; round++) {
        await put(registry, `/fill/${round}`, Buffer.alloc(100_000));
      }
    };
    await assert.rejects(fill(), (error) => isMolnError(error, 'REGISTRY_FULL'));
    assert.equal(Buffer.from((await registry.get('/kept'))?.value ?? '').toString(), 'kept');
    const before = (await registry.list('')).revision;
    assert.equal(await put(registry, '/small', '1'), before + 1);
  });

  test('one commit that cannot be stored does not take its group down', async (context) => {
    const { registry } = await openIn(context, { bytesMax: 1024 * 1024 });
    const results = await Promise.allSettled([
      put(registry, '/a', 'small'),
      put(registry, '/b', Buffer.alloc(1024 * 1024)),
      put(registry, '/c', 'small'),
    ]);
    assert.deepEqual(
      results.map((result) => result.status),
      ['fulfilled', 'rejected', 'fulfilled'],
    );
    const { entries, revision } = await registry.list('');
    assert.deepEqual(
      entries.map((entry) => [entry.key, entry.revision]),
      [
        ['/a', revision - 1],
        ['/c', revision],
      ],
    );
  });

  test('a watch sees what a broken group still stored', async (context) => {
    const { registry } = await openIn(context, { bytesMax: 1024 * 1024 });
    const seen: number[] = [];
    const stop = new AbortController();
    const watching = (async () => {
      for await (const batch of registry.watch('/w/', 1, stop.signal)) seen.push(batch.revision);
    })();
    // Stored one after the other in one turn of the loop, while the watch waits for the first of them.
    await Promise.allSettled([
      put(registry, '/w/a', 'small'),
      put(registry, '/b', Buffer.alloc(1024 * 1024)),
      put(registry, '/elsewhere', 'small'),
    ]);
    await put(registry, '/w/b', 'small');
    await until('both commits under the prefix', () => seen.length === 2);
    stop.abort();
    await watching;
    assert.deepEqual(seen, [1, 3]);
  });

  test('a lease whose time is over cannot be renewed, even before it is noticed', async (context) => {
    const { registry, clock } = await openIn(context);
    const lease = await registry.lease(1000);
    clock.advance(1000);
    await assert.rejects(lease.renew(), (error) => isMolnError(error, 'REGISTRY_LEASE_LOST'));
  });

  test('a second process is told that the file is taken', async (context) => {
    const { path } = await openIn(context);
    await assert.rejects(
      openSqliteRegistry({ path, clock: new ManualClock(), log: silentLogger }),
      (error) => isMolnError(error, 'SQLITE_BUSY'),
    );
  });

  test('nobody else may read the file', async (context) => {
    const { registry, path } = await openIn(context);
    await put(registry, '/a', '1');
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.equal((await stat(`${path}-wal`)).mode & 0o777, 0o600);
  });

  test('a damaged file is refused with a sentence', async (context) => {
    const folder = await mkdtemp(join(tmpdir(), 'moln-registry-'));
    context.after(() => rm(folder, { recursive: true }));
    const path = join(folder, 'registry.sqlite');
    await writeFile(path, 'this is no database, but it is long enough to be looked at'.repeat(20));
    await assert.rejects(
      openSqliteRegistry({ path, clock: new ManualClock(), log: silentLogger }),
      (error) => isMolnError(error, 'SQLITE_CORRUPT') && error.message.includes(path),
    );
  });

  test('a file of format 1 is read as it was written', async (context) => {
    const folder = await mkdtemp(join(tmpdir(), 'moln-registry-'));
    context.after(() => rm(folder, { recursive: true }));
    const path = join(folder, 'registry.sqlite');
    await copyFile(join(import.meta.dirname, 'golden', 'registry-1.sqlite'), path);
    const clock = new ManualClock();
    await using registry = await openSqliteRegistry({ path, clock, log: silentLogger });
    const { entries, revision } = await registry.list('');
    assert.equal(revision, 4);
    assert.deepEqual(
      entries.map(({ key, value, revision: at, created, leaseId }) => {
        return [key, Buffer.from(value).toString('hex'), at, created, leaseId !== undefined];
      }),
      [
        ['/apps/guestbook', '00ff', 3, 1, false],
        ['/nodes/one', '6f6e65', 4, 4, true],
      ],
    );
    const seen: string[] = [];
    for await (const batch of registry.watch('', 1, AbortSignal.timeout(5000))) {
      seen.push(`${batch.revision} ${batch.changes.map((change) => change.kind).join()}`);
      if (batch.revision === revision) break;
    }
    assert.deepEqual(seen, ['1 put,put', '2 delete', '3 put', '4 put']);
    clock.advance(60_001);
    await registry.commit([], []);
    assert.deepEqual((await registry.list('')).entries.length, 1);
  });
});
