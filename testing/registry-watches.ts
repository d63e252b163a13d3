/** Conformance of a registry engine: watches, leases and restarts. */
import assert from 'node:assert/strict';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Operation, Revision } from '../src/registry/registry.ts';
import {
  commit,
  follow,
  keys,
  plain,
  plainBatch,
  put,
  putOf,
  rejects,
  take,
  type Check,
  untilKeys,
} from './registry-kit.ts';
import { until } from './until.ts';

const LEASE_MS = 2000;

export function testWatches(check: Check): void {
  check('a watch from the past brings every commit, whole and in order', async (_on, registry) => {
    const first = await put(registry, '/w/a', '1');
    await put(registry, '/other', 'x');
    await commit(registry, [
      putOf('/w/b', '2'),
      putOf('/other', 'y'),
      { kind: 'delete', key: '/w/a' },
      putOf('/w/c', '3'),
    ]);
    await commit(registry, [{ kind: 'deletePrefix', prefix: '/w/' }]);
    const batches = await take(registry, '/w/', first, 3);
    assert.deepEqual(batches.map(plainBatch), [
      { revision: first, changes: ['put /w/a=1'] },
      { revision: first + 2, changes: ['put /w/b=2', 'delete /w/a', 'put /w/c=3'] },
      { revision: first + 3, changes: ['delete /w/b', 'delete /w/c'] },
    ]);
  });

  check('a watch entry carries what a get would have', async (_on, registry) => {
    const first = await put(registry, '/w/a', '1');
    const second = await put(registry, '/w/a', '2');
    const [batch] = await take(registry, '/w/', second, 1);
    const change = batch?.changes[0];
    assert.deepEqual(change?.kind === 'put' && plain(change.entry), {
      key: '/w/a',
      value: '2',
      revision: second,
      created: first,
      leaseId: undefined,
    });
  });

  check('list and then watch miss nothing while others write', async (_on, registry) => {
    const stop = new AbortController();
    const write = async (writer: number): Promise<void> => {
      for (let round = 0; round < 60; round++) {
        const key = `/w/${writer}-${round % 7}`;
        const operation: Operation =
          round % 5 === 4 ? { kind: 'delete', key } : putOf(key, String(round));
        await registry.commit([], [operation]);
      }
    };
    const writers = [1, 2, 3].map(write);
    await new Promise((resolve) => setImmediate(resolve));
    const { entries, revision } = await registry.list('/w/');
    const state = new Map(entries.map((entry) => [entry.key, plain(entry)?.value]));
    const seen: Revision[] = [];
    const watching = follow(registry, '/w/', revision + 1, stop.signal, (batch) => {
      seen.push(batch.revision);
      for (const change of batch.changes) {
        if (change.kind === 'delete') state.delete(change.key);
        else state.set(change.entry.key, plain(change.entry)?.value);
      }
    });
    await Promise.all(writers);
    const last = await put(registry, '/w/last', 'x');
    await until('the watch has seen the last commit', () => seen.at(-1) === last);
    stop.abort();
    await watching;
    const wanted = (await registry.list('/w/')).entries;
    assert.deepEqual(
      new Map(state),
      new Map(wanted.map((entry) => [entry.key, plain(entry)?.value])),
    );
    assert.deepEqual(
      seen,
      seen.toSorted((a, b) => a - b),
    );
    assert.equal(new Set(seen).size, seen.length);
  });

  check('a watch may start in the future', async (_on, registry) => {
    const now = await put(registry, '/w/a', '1');
    const coming = take(registry, '/w/', now + 3, 1);
    for (const value of ['2', '3', '4']) await put(registry, '/w/a', value);
    assert.deepEqual((await coming).map(plainBatch), [
      { revision: now + 3, changes: ['put /w/a=4'] },
    ]);
  });

  check('aborting ends a watch without an error, also one that waits', async (_on, registry) => {
    const revision = await put(registry, '/w/a', '1');
    const stop = new AbortController();
    let seen = 0;
    const waiting = follow(registry, '/w/', revision, stop.signal, () => seen++);
    await until('it has seen the first commit', () => seen === 1);
    stop.abort();
    await waiting;
    await follow(registry, '/w/', revision, AbortSignal.abort(), () => seen++);
    assert.equal(seen, 1);
  });

  check('a commit elsewhere wakes nobody and is not lost either', async (_on, registry) => {
    const base = await put(registry, '/w/a', '1');
    const coming = take(registry, '/w/', base + 1, 2);
    for (let round = 0; round < 10; round++) await put(registry, '/elsewhere', String(round));
    await put(registry, '/w/a', '2');
    await put(registry, '/elsewhere', 'x');
    await put(registry, '/w/a', '3');
    assert.deepEqual((await coming).map(plainBatch), [
      { revision: base + 11, changes: ['put /w/a=2'] },
      { revision: base + 13, changes: ['put /w/a=3'] },
    ]);
  });

  check('a watch of everything sees everything', async (_on, registry) => {
    const base = await put(registry, '/a', '1');
    await put(registry, '/b', '2');
    const batches = await take(registry, '', base, 2);
    assert.deepEqual(
      batches.map((batch) => batch.revision),
      [base, base + 1],
    );
  });

  check(
    'a slow watcher holds nobody back and keeps no backlog in memory',
    async (_on, registry) => {
      const base = await put(registry, '/w/a', '');
      const stop = new AbortController();
      const slow = registry.watch('/w/', base, stop.signal)[Symbol.asyncIterator]();
      assert.equal((await slow.next()).value?.revision, base);
      const pending = slow.next();
      const before = memoryInUse();
      for (let round = 0; round < 64; round++) {
        const value = Buffer.alloc(512 * 1024, round);
        await registry.commit([], [{ kind: 'put', key: '/w/a', value }]);
      }
      // What is on its way just now does not count.
      await until('32 MiB of commits are not kept for it', () => memoryInUse() - before < 12e6);
      let last = (await pending).value?.revision ?? 0;
      assert.equal(last, base + 1);
      // What it missed comes in order, or it is told that it is gone; never a gap.
      while (last < base + 64) {
        const next = (await slow.next()).value?.revision;
        assert.equal(next, last + 1);
        last = next ?? 0;
      }
      stop.abort();
      assert.equal((await slow.next()).done, true);
    },
  );

  check('a watch of forgotten history says so', async (on, registry) => {
    const first = await put(registry, '/w/a', '1');
    for (const value of ['2', '3']) await put(registry, '/w/a', value);
    await on.compact();
    await rejects(take(registry, '/w/', first, 1), 'REGISTRY_COMPACTED');
    const { entries, revision } = await registry.list('/w/');
    assert.deepEqual(
      entries.map((entry) => plain(entry)?.value),
      ['3'],
    );
    const coming = take(registry, '/w/', revision + 1, 1);
    await put(registry, '/w/a', '4');
    assert.deepEqual((await coming).map(plainBatch), [
      { revision: revision + 1, changes: ['put /w/a=4'] },
    ]);
  });
}

export function testLeases(check: Check): void {
  check('keys of a lease that ends go in one commit', async (on, registry) => {
    const lease = await registry.lease(LEASE_MS);
    await put(registry, '/plain', '1');
    const base = await commit(registry, [
      { ...putOf('/node/b', '1'), leaseId: lease.id },
      { ...putOf('/node/a', '1'), leaseId: lease.id },
    ]);
    assert.equal((await registry.get('/node/a'))?.leaseId, lease.id);
    const coming = take(registry, '/', base + 1, 1);
    await on.pass(lease.ttlMs + 1);
    const [batch] = await coming;
    assert.deepEqual(batch === undefined ? [] : plainBatch(batch).changes.toSorted(), [
      'delete /node/a',
      'delete /node/b',
    ]);
    assert.deepEqual(await keys(registry, '/'), ['/plain']);
    await rejects(lease.renew(), 'REGISTRY_LEASE_LOST');
  });

  check('a lease that is renewed lives on', async (on, registry) => {
    const lease = await registry.lease(LEASE_MS);
    await commit(registry, [{ ...putOf('/node/a', '1'), leaseId: lease.id }]);
    for (let round = 0; round < 4; round++) {
      await on.pass(lease.ttlMs / 2);
      await lease.renew();
    }
    assert.deepEqual(await keys(registry, '/node/'), ['/node/a']);
    await on.pass(lease.ttlMs + 1);
    await untilKeys(registry, '/node/', []);
  });

  check('revoking ends it now, and twice is fine', async (_on, registry) => {
    const lease = await registry.lease(LEASE_MS);
    const other = await registry.lease(LEASE_MS);
    await commit(registry, [{ ...putOf('/node/a', '1'), leaseId: lease.id }]);
    await commit(registry, [{ ...putOf('/node/b', '1'), leaseId: other.id }]);
    await lease.revoke();
    assert.deepEqual(await keys(registry, '/node/'), ['/node/b']);
    await lease.revoke();
    await rejects(lease.renew(), 'REGISTRY_LEASE_LOST');
    await other.renew();
  });

  check('nothing can be put on a lease that has ended', async (_on, registry) => {
    const lease = await registry.lease(LEASE_MS);
    await lease.revoke();
    const operations: Operation[] = [
      putOf('/x', '1'),
      { ...putOf('/node/a', '1'), leaseId: lease.id },
    ];
    await rejects(registry.commit([], operations), 'REGISTRY_LEASE_LOST');
    assert.deepEqual(await keys(registry, '/'), []);
  });

  check('a key put again without its lease outlives it', async (_on, registry) => {
    const [one, two] = [await registry.lease(LEASE_MS), await registry.lease(LEASE_MS)];
    for (const key of ['/free', '/moved', '/bound']) {
      await commit(registry, [{ ...putOf(key, '1'), leaseId: one.id }]);
    }
    await put(registry, '/free', '2');
    await commit(registry, [{ ...putOf('/moved', '2'), leaseId: two.id }]);
    await one.revoke();
    assert.deepEqual(await keys(registry, '/'), ['/free', '/moved']);
    await two.revoke();
    assert.deepEqual(await keys(registry, '/'), ['/free']);
  });

  check('leases have ids of their own and a granted time', async (_on, registry) => {
    const [one, two] = await Promise.all([registry.lease(LEASE_MS), registry.lease(1)]);
    assert.notEqual(one.id, two.id);
    assert.ok(one.ttlMs >= LEASE_MS);
    assert.ok(two.ttlMs >= 1);
  });
}

export function testRestarts(check: Check): void {
  check('all is there after a restart, and revisions go on', async (on, registry) => {
    const lease = await registry.lease(LEASE_MS);
    const first = await put(registry, '/a', '1');
    await commit(registry, [{ ...putOf('/node/a', '1'), leaseId: lease.id }]);
    const last = await put(registry, '/b', '2');
    const again = await on.reopen();
    assert.equal((await again.list('')).revision, last);
    assert.deepEqual(await keys(again, ''), ['/a', '/b', '/node/a']);
    const batches = await take(again, '/', first, 3);
    assert.deepEqual(
      batches.map((batch) => batch.revision),
      [first, first + 1, last],
    );
    assert.equal(await put(again, '/c', '3'), last + 1);
    await on.pass(lease.ttlMs + 1);
    await untilKeys(again, '', ['/a', '/b', '/c']);
  });

  check(
    'disposing answers what was asked, ends watches and refuses more',
    async (_on, registry) => {
      const base = await put(registry, '/a', '1');
      const watching = follow(registry, '/w/', base, new AbortController().signal, () => {});
      await new Promise((resolve) => setImmediate(resolve));
      const pending = registry.commit([], [putOf('/b', '1')]);
      await registry[Symbol.asyncDispose]();
      assert.equal((await pending).kind, 'committed');
      await watching;
      await rejects(registry.get('/a'), 'REGISTRY_CLOSED');
      await rejects(registry.commit([], [putOf('/c', '1')]), 'REGISTRY_CLOSED');
      await registry[Symbol.asyncDispose]();
    },
  );
}

/** Bytes that are still referenced, after a collection. */
function memoryInUse(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
