import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { keys, plain, put, putOf, rejects } from '../../testing/registry-kit.ts';
import { silentLogger } from '../base/log.ts';
import { integer, object } from '../base/schema.ts';
import { systemClock } from '../base/time.ts';
import { Collection } from './collection.ts';
import type { Registry } from './contract.ts';
import { copyRegistry } from './copy.ts';
import { openSqliteRegistry } from './sqlite-registry.ts';
import { SwitchableRegistry } from './switchable.ts';

interface Bed {
  readonly old: Registry;
  readonly next: Registry;
  readonly on: SwitchableRegistry;
}

async function makeBed(context: TestContext): Promise<Bed> {
  const folder = await mkdtemp(join(tmpdir(), 'moln-switch-'));
  const open = (name: string): Promise<Registry> =>
    openSqliteRegistry({ path: join(folder, name), clock: systemClock, log: silentLogger });
  const [old, next] = [await open('old.sqlite'), await open('next.sqlite')];
  const on = new SwitchableRegistry(old);
  context.after(async () => {
    for (const one of [on, old, next]) await one[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });
  return { old, next, on };
}

/** What a promise has come to by now, once everything that is not waiting has run. */
async function stateOf(promise: Promise<unknown>): Promise<'settled' | 'waits'> {
  const turn = new Promise<'waits'>((resolve) => setImmediate(() => resolve('waits')));
  return Promise.race([promise.then(() => 'settled' as const), turn]);
}

test('commits under way end before the freeze does, later ones are made in the new engine', async (context) => {
  const { old, next, on } = await makeBed(context);
  const before = put(on, '/before', '1');
  let waiting: Promise<number> | undefined;
  await on.switchTo(async (freeze) => {
    await freeze();
    assert.deepEqual(await keys(old, ''), ['/before']);
    waiting = put(on, '/after', '1');
    assert.equal(await stateOf(waiting), 'waits');
    assert.deepEqual(await keys(on, ''), ['/before']);
    await copyRegistry({ from: old, to: next, freeze: () => Promise.resolve() });
    assert.equal(await stateOf(waiting), 'waits');
    return next;
  });
  await Promise.all([before, waiting]);
  assert.equal(on.current, next);
  assert.deepEqual(await keys(on, ''), ['/after', '/before', '/registry/copy']);
  await rejects(old.list(''), 'REGISTRY_CLOSED');
});

test('when the move fails all goes on with the old engine', async (context) => {
  const { old, on } = await makeBed(context);
  await put(on, '/a', '1');
  const stop = new AbortController();
  const seen: string[] = [];
  const watching = (async () => {
    for await (const { changes } of on.watch('/', 1, stop.signal)) {
      for (const change of changes) if (change.kind === 'put') seen.push(change.entry.key);
    }
  })();
  let waiting: Promise<number> | undefined;
  const failed = on.switchTo(async (freeze) => {
    await freeze();
    waiting = put(on, '/b', '1');
    throw new Error('the disk is full');
  });
  await assert.rejects(failed, /the disk is full/);
  await waiting;
  assert.equal(on.current, old);
  assert.deepEqual(await keys(on, ''), ['/a', '/b']);
  await put(on, '/c', '1');
  stop.abort();
  await watching;
  assert.deepEqual(seen.slice(0, 2), ['/a', '/b']);
});

test('a watch ends with "list again", and a collection just goes on', async (context) => {
  const { old, next, on } = await makeBed(context);
  const numbers = new Collection({
    registry: on,
    prefix: '/numbers/',
    schema: object({ value: integer({ min: 0, max: 9 }) }),
  });
  await numbers.create('a', { value: 1 });
  const stop = new AbortController();
  const drain = async (): Promise<void> => {
    for await (const _batch of on.watch('/', 1, stop.signal));
  };
  const ended = rejects(drain(), 'REGISTRY_COMPACTED');
  const views = numbers.watch(stop.signal);
  assert.equal((await views.next()).value?.records.get('a')?.value, 1);
  await on.switchTo(async (freeze) => {
    await copyRegistry({ from: old, to: next, freeze });
    return next;
  });
  await ended;
  await numbers.put('b', { value: 2 });
  for await (const { records } of views) if (records.size === 2) break;
  stop.abort();
});

test('a lease ends with its engine', async (context) => {
  const { next, on } = await makeBed(context);
  const lease = await on.lease(60_000);
  await lease.renew();
  await on.switchTo(() => Promise.resolve(next));
  await rejects(lease.renew(), 'REGISTRY_LEASE_LOST');
  await lease.revoke();
  await rejects(on.commit([], [{ ...putOf('/a', '1'), leaseId: lease.id }]), 'REGISTRY_LEASE_LOST');
  const another = await on.lease(60_000);
  await another.renew();
});

test('whoever commits waits for the gate, but not for what hangs on a lease', async (context) => {
  const { on } = await makeBed(context);
  const gate = Promise.withResolvers<void>();
  const asked: [number, number][] = [];
  on.setCommitGate(({ revision }, operations) => {
    asked.push([revision, operations.length]);
    return gate.promise;
  });
  const lease = await on.lease(60_000);
  await on.commit([], [{ ...putOf('/here', '1'), leaseId: lease.id }]);
  assert.equal(
    (await on.commit([{ key: '/no', revision: 7 }], [putOf('/no', '1')])).kind,
    'conflict',
  );
  assert.deepEqual(asked, []);
  const held = on.commit([], [putOf('/a', '1'), putOf('/b', '1')]);
  await on.list('');
  while (asked.length === 0) await stateOf(held);
  assert.equal(await stateOf(held), 'waits');
  assert.equal(plain(await on.get('/a'))?.value, '1');
  gate.resolve();
  const result = await held;
  assert.deepEqual(asked, [[result.revision, 2]]);
});

test('a gate that fails leaves the commit done, and its author in doubt', async (context) => {
  const { on } = await makeBed(context);
  on.setCommitGate(() => Promise.reject(new Error('the standby is away')));
  await rejects(put(on, '/a', '1'), 'REGISTRY_OUTCOME_UNKNOWN');
  assert.equal(plain(await on.get('/a'))?.value, '1');
  on.setCommitGate(undefined);
  await put(on, '/a', '2');
});

test('a gate that waits does not hold a switch up', async (context) => {
  const { next, on } = await makeBed(context);
  const gate = Promise.withResolvers<void>();
  on.setCommitGate(() => gate.promise);
  const held = put(on, '/a', '1');
  await on.switchTo(async (freeze) => {
    await freeze();
    return next;
  });
  gate.resolve();
  await held;
});

test('it says when it has been switched, and is switched once at a time', async (context) => {
  const { next, on } = await makeBed(context);
  let count = 0;
  const listening = on.onSwitched(() => count++);
  await assert.rejects(
    on.switchTo(() => on.switchTo(() => Promise.resolve(next)).then(() => next)),
    /already/,
  );
  assert.equal(count, 0);
  await on.switchTo(() => Promise.resolve(next));
  assert.equal(count, 1);
  listening[Symbol.dispose]();
});

test('closed in the middle of a move, it closes the new engine too and lets nobody wait', async (context) => {
  const { next, on } = await makeBed(context);
  let waiting: Promise<unknown> | undefined;
  const switching = on.switchTo(async (freeze) => {
    await freeze();
    waiting = rejects(put(on, '/a', '1'), 'REGISTRY_CLOSED');
    await on[Symbol.asyncDispose]();
    return next;
  });
  await rejects(switching, 'REGISTRY_CLOSED');
  await waiting;
  await rejects(next.list(''), 'REGISTRY_CLOSED');
  await rejects(
    on.switchTo(() => Promise.resolve(next)),
    'REGISTRY_CLOSED',
  );
});
