/**
 * What every engine of the registry must do, as one function for `node:test`. It says nothing about absolute revisions,
 * and only what etcd 3.4 can keep.
 */
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { isMolnError } from '../src/base/errors.ts';
import { systemClock } from '../src/base/time.ts';
import {
  COMMIT_BYTES_MAX,
  CONDITIONS_MAX,
  KEY_BYTES_MAX,
  type Operation,
  OPERATIONS_MAX,
  type Registry,
  type Revision,
  VALUE_BYTES_MAX,
  type WatchBatch,
} from '../src/registry/registry.ts';

/** One fresh registry and the means to be rough with it. */
export interface RegistryUnderTest {
  readonly registry: Registry;
  /** Closes it and opens the same state again, as a restarted node would. */
  reopen(): Promise<Registry>;
  /** Makes the engine forget its history up to now. */
  compact(): Promise<void>;
  /** Lets `ms` pass for the engine's leases: by its clock if it has its own, else by waiting. */
  pass(ms: number): Promise<void>;
  dispose(): Promise<void>;
}

type Body = (on: RegistryUnderTest, registry: Registry) => Promise<void>;

const LEASE_MS = 2000;
const UNTIL_MS = 20_000;

/** Registers the whole suite under `name`. */
export function testRegistry(name: string, make: () => Promise<RegistryUnderTest>): void {
  const check = (title: string, body: Body): void => {
    test(title, async (context: TestContext) => {
      const on = await make();
      context.after(() => on.dispose());
      await body(on, on.registry);
    });
  };
  describe(`registry engine ${name}`, () => {
    testCommits(check);
    testConditions(check);
    testLists(check);
    testWatches(check);
    testLeases(check);
    testLimits(check);
    testRestarts(check);
    testAgainstModel(check);
  });
}

type Check = (title: string, body: Body) => void;

function testCommits(check: Check): void {
  check('a put is read back with its revisions', async (_on, registry) => {
    const first = await put(registry, '/a', 'one');
    const second = await put(registry, '/a', 'two');
    assert.deepEqual(plain(await registry.get('/a')), {
      key: '/a',
      value: 'two',
      revision: second,
      created: first,
      leaseId: undefined,
    });
    assert.equal(await registry.get('/b'), undefined);
  });

  check('each changing commit adds one revision, the others none', async (_on, registry) => {
    const base = await put(registry, '/a', '1');
    assert.equal(await put(registry, '/a', '1'), base + 1);
    assert.equal(await commit(registry, [{ kind: 'delete', key: '/none' }]), base + 1);
    assert.equal(await commit(registry, [{ kind: 'deletePrefix', prefix: '/none/' }]), base + 1);
    assert.equal(await commit(registry, []), base + 1);
    assert.equal(await commit(registry, [{ kind: 'delete', key: '/a' }]), base + 2);
    assert.equal(await registry.get('/a'), undefined);
  });

  check('all operations of a commit share one revision', async (_on, registry) => {
    await put(registry, '/gone', '');
    const revision = await commit(registry, [
      { kind: 'put', key: '/x/1', value: bytes('1') },
      { kind: 'put', key: '/x/2', value: bytes('2') },
      { kind: 'delete', key: '/gone' },
    ]);
    const { entries } = await registry.list('/');
    assert.deepEqual(
      entries.map((entry) => [entry.key, entry.revision]),
      [
        ['/x/1', revision],
        ['/x/2', revision],
      ],
    );
  });

  check('a key made again has a new first revision', async (_on, registry) => {
    await put(registry, '/a', '1');
    await commit(registry, [{ kind: 'delete', key: '/a' }]);
    const again = await put(registry, '/a', '2');
    assert.equal((await registry.get('/a'))?.created, again);
  });

  check('values are bytes, none of them special', async (_on, registry) => {
    const all = Uint8Array.from({ length: 256 }, (_, index) => index);
    const operations: Operation[] = [
      { kind: 'put', key: '/all', value: all },
      { kind: 'put', key: '/empty', value: new Uint8Array(0) },
      // A view into a larger buffer must not drag the rest along.
      { kind: 'put', key: '/view', value: all.subarray(10, 12) },
    ];
    await commit(registry, operations);
    assert.deepEqual([...((await registry.get('/all'))?.value ?? [])], [...all]);
    assert.equal((await registry.get('/empty'))?.value.byteLength, 0);
    assert.deepEqual([...((await registry.get('/view'))?.value ?? [])], [10, 11]);
  });

  check('the value may be reused by its writer afterwards', async (_on, registry) => {
    const value = bytes('before');
    const done = registry.commit([], [{ kind: 'put', key: '/a', value }]);
    await done;
    value.fill(0);
    assert.equal(plain(await registry.get('/a'))?.value, 'before');
  });

  check('deletePrefix takes the keys below and no neighbour', async (_on, registry) => {
    for (const key of ['/a', '/a/1', '/a/2/3', '/a0', '/b']) await put(registry, key, '');
    await commit(registry, [{ kind: 'deletePrefix', prefix: '/a/' }]);
    assert.deepEqual(await keys(registry, '/'), ['/a', '/a0', '/b']);
  });

  check('writing a key twice in one commit is refused', async (_on, registry) => {
    const put1: Operation = { kind: 'put', key: '/a/1', value: bytes('1') };
    const twice: readonly (readonly Operation[])[] = [
      [put1, put1],
      [put1, { kind: 'delete', key: '/a/1' }],
      [put1, { kind: 'deletePrefix', prefix: '/a/' }],
      [
        { kind: 'deletePrefix', prefix: '/a/' },
        { kind: 'deletePrefix', prefix: '/a/' },
      ],
      [{ kind: 'deletePrefix', prefix: '/a/1' }, put1],
    ];
    for (const operations of twice) {
      await rejects(registry.commit([], operations), 'REGISTRY_DUPLICATE_KEY');
    }
    assert.deepEqual(await keys(registry, '/'), []);
  });
}

function testConditions(check: Check): void {
  check('revision 0 means absent', async (_on, registry) => {
    const created = await registry.commit([{ key: '/a', revision: 0 }], [putOf('/a', '1')]);
    assert.equal(created.kind, 'committed');
    const again = await registry.commit([{ key: '/a', revision: 0 }], [putOf('/a', '2')]);
    assert.deepEqual(again, { kind: 'conflict', revision: created.revision, failed: ['/a'] });
    assert.equal(plain(await registry.get('/a'))?.value, '1');
    await commit(registry, [{ kind: 'delete', key: '/a' }]);
    const third = await registry.commit([{ key: '/a', revision: 0 }], [putOf('/a', '3')]);
    assert.equal(third.kind, 'committed');
  });

  check('one condition that fails stops the whole commit and is named', async (_on, registry) => {
    const a = await put(registry, '/a', '1');
    const b = await put(registry, '/b', '1');
    const result = await registry.commit(
      [
        { key: '/a', revision: a },
        { key: '/b', revision: a },
        { key: '/c', revision: b },
      ],
      [putOf('/a', '2'), putOf('/d', '2'), { kind: 'delete', key: '/b' }],
    );
    assert.equal(result.kind, 'conflict');
    assert.deepEqual(result.kind === 'conflict' && [...result.failed].sort(), ['/b', '/c']);
    assert.equal(result.revision, b);
    assert.deepEqual(await keys(registry, '/'), ['/a', '/b']);
    assert.equal(plain(await registry.get('/a'))?.value, '1');
  });

  check('conditions on keys that are not written hold as well', async (_on, registry) => {
    const lock = await put(registry, '/lock', 'me');
    const condition = [{ key: '/lock', revision: lock }];
    assert.equal((await registry.commit(condition, [putOf('/x', '1')])).kind, 'committed');
    await put(registry, '/lock', 'you');
    assert.equal((await registry.commit(condition, [putOf('/x', '2')])).kind, 'conflict');
    assert.equal(plain(await registry.get('/x'))?.value, '1');
  });

  check('of many who create one key at once, one wins', async (_on, registry) => {
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        registry.commit([{ key: '/leader', revision: 0 }], [putOf('/leader', String(index))]),
      ),
    );
    assert.equal(results.filter((result) => result.kind === 'committed').length, 1);
    const winner = results.findIndex((result) => result.kind === 'committed');
    assert.equal(plain(await registry.get('/leader'))?.value, String(winner));
  });

  check('no concurrent increment is lost', async (_on, registry) => {
    const increment = async (): Promise<void> => {
      for (;;) {
        const entry = await registry.get('/n');
        const value = String(Number(plain(entry)?.value ?? 0) + 1);
        const condition = { key: '/n', revision: entry?.revision ?? 0 };
        const result = await registry.commit([condition], [putOf('/n', value)]);
        if (result.kind === 'committed') return;
      }
    };
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        for (let round = 0; round < 5; round++) await increment();
      }),
    );
    assert.equal(plain(await registry.get('/n'))?.value, '40');
  });
}

function testLists(check: Check): void {
  check('a list is sorted by bytes, not by UTF-16', async (_on, registry) => {
    const names = ['/B', '/a', '/a/', '/a/b', '/a0', '/z', '/é', '/\uffee', '/\u{1f600}'];
    for (const key of names.toReversed()) await put(registry, key, '');
    assert.deepEqual(await keys(registry, '/'), names);
    assert.deepEqual(await keys(registry, ''), names);
  });

  check('a prefix is a prefix of bytes', async (_on, registry) => {
    const names = [
      '/a',
      '/a\u{10ffff}',
      '/a\u{10ffff}b',
      '/ab',
      '/b',
      '/\u{10ffff}',
      '/\u{10ffff}x',
    ];
    for (const key of names) await put(registry, key, '');
    assert.deepEqual(await keys(registry, '/a'), ['/a', '/ab', '/a\u{10ffff}', '/a\u{10ffff}b']);
    assert.deepEqual(await keys(registry, '/\u{10ffff}'), ['/\u{10ffff}', '/\u{10ffff}x']);
    assert.deepEqual(await keys(registry, '/none'), []);
  });

  check('a list says the revision it is true at', async (_on, registry) => {
    const revision = await put(registry, '/a', '1');
    assert.equal((await registry.list('/a')).revision, revision);
    assert.equal((await registry.list('/elsewhere')).revision, revision);
  });
}

function testWatches(check: Check): void {
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
      [...state].sort(),
      wanted.map((entry) => [entry.key, plain(entry)?.value]).sort(),
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
      assert.ok(memoryInUse() - before < 12e6, '32 MiB of commits are not kept for it');
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

function testLeases(check: Check): void {
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

function testLimits(check: Check): void {
  check('what is too large or too much is refused with nothing changed', async (_on, registry) => {
    const large = new Uint8Array(VALUE_BYTES_MAX + 1);
    await rejects(
      registry.commit([], [{ kind: 'put', key: '/v', value: large }]),
      'REGISTRY_TOO_LARGE',
    );
    const key = `/${'k'.repeat(KEY_BYTES_MAX)}`;
    await rejects(registry.commit([], [putOf(key, '1')]), 'REGISTRY_TOO_LARGE');
    await rejects(registry.get(`/${'é'.repeat(KEY_BYTES_MAX / 2)}`), 'REGISTRY_TOO_LARGE');
    const half = new Uint8Array(COMMIT_BYTES_MAX / 2);
    const halves: Operation[] = [
      { kind: 'put', key: '/1', value: half },
      { kind: 'put', key: '/2', value: half },
    ];
    await rejects(registry.commit([], halves), 'REGISTRY_TOO_LARGE');
    const many = Array.from({ length: OPERATIONS_MAX + 1 }, (_, index) => putOf(`/${index}`, ''));
    await rejects(registry.commit([], many), 'REGISTRY_TOO_MANY');
    const conditions = Array.from({ length: CONDITIONS_MAX + 1 }, (_, index) => ({
      key: `/${index}`,
      revision: 0,
    }));
    await rejects(registry.commit(conditions, []), 'REGISTRY_TOO_MANY');
    assert.deepEqual(await keys(registry, '/'), []);
  });

  check('the limits themselves are allowed', async (_on, registry) => {
    const key = `/${'k'.repeat(KEY_BYTES_MAX - 1)}`;
    const value = new Uint8Array(VALUE_BYTES_MAX).fill(7);
    await commit(registry, [{ kind: 'put', key, value }]);
    assert.ok(Buffer.from(value).equals((await registry.get(key))?.value ?? new Uint8Array()));
    const names = Array.from({ length: OPERATIONS_MAX }, (_, index) => `/x/${index}`);
    const conditions = names.map((name) => ({ key: name, revision: 0 }));
    const result = await registry.commit(
      conditions,
      names.map((name) => putOf(name, name)),
    );
    assert.equal(result.kind, 'committed');
    assert.equal((await keys(registry, '/x/')).length, OPERATIONS_MAX);
  });

  check('keys that cannot be told apart as bytes are refused', async (_on, registry) => {
    for (const key of ['', '/a\0b', '/\ud800']) {
      await rejects(registry.commit([], [putOf(key, '1')]), 'REGISTRY_KEY_INVALID');
      await rejects(registry.get(key), 'REGISTRY_KEY_INVALID');
    }
    await rejects(
      registry.commit([], [{ kind: 'deletePrefix', prefix: '' }]),
      'REGISTRY_KEY_INVALID',
    );
  });
}

function testRestarts(check: Check): void {
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
      const watching = follow(registry, '/', base + 10, new AbortController().signal, () => {});
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

/** Random commits against a Map that does the same. The seed is fixed, so a failure can be repeated. */
function testAgainstModel(check: Check): void {
  check('300 random commits do what a map would', async (_on, registry) => {
    const random = generator(42);
    const model = new Map<string, { value: string; revision: Revision }>();
    let revision = (await registry.list('')).revision;
    const keyOf = (): string => `/${'abc'[random(3)]}/${random(6)}`;
    for (let round = 0; round < 300; round++) {
      const conditions = Array.from({ length: random(3) }, () => {
        const key = keyOf();
        const actual = model.get(key)?.revision ?? 0;
        return { key, revision: random(4) === 0 ? 0 : actual };
      });
      const operations = new Map<string, Operation>();
      for (let count = random(4); count > 0; count--) {
        const key = keyOf();
        operations.set(
          key,
          random(3) === 0 ? { kind: 'delete', key } : putOf(key, String(random(1000))),
        );
      }
      if (random(12) === 0) {
        operations.clear();
        operations.set('', { kind: 'deletePrefix', prefix: `/${'abc'[random(3)]}/` });
      }
      const result = await registry.commit(conditions, [...operations.values()]);
      const failed = conditions.filter(
        ({ key, revision: wanted }) => (model.get(key)?.revision ?? 0) !== wanted,
      );
      assert.equal(result.kind, failed.length === 0 ? 'committed' : 'conflict');
      if (failed.length === 0 && applyToModel(model, operations.values(), revision + 1)) revision++;
      assert.equal(result.revision, revision);
    }
    const { entries } = await registry.list('/');
    assert.deepEqual(
      entries.map((entry) => [entry.key, plain(entry)?.value, entry.revision]),
      [...model]
        .map(([key, { value, revision: at }]) => [key, value, at])
        .sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
    );
  });
}

function applyToModel(
  model: Map<string, { value: string; revision: Revision }>,
  operations: Iterable<Operation>,
  revision: Revision,
): boolean {
  let changed = false;
  for (const operation of operations) {
    if (operation.kind === 'put') {
      model.set(operation.key, { value: Buffer.from(operation.value).toString(), revision });
      changed = true;
    } else {
      for (const key of [...model.keys()]) {
        const hit =
          operation.kind === 'delete' ? key === operation.key : key.startsWith(operation.prefix);
        if (hit) changed = model.delete(key) || changed;
      }
    }
  }
  return changed;
}

/** A linear congruential generator (Numerical Recipes): whole numbers below `below`. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function bytes(text: string): Buffer {
  return Buffer.from(text);
}

function putOf(key: string, value: string): Extract<Operation, { kind: 'put' }> {
  return { kind: 'put', key, value: bytes(value) };
}

async function commit(registry: Registry, operations: readonly Operation[]): Promise<Revision> {
  const result = await registry.commit([], operations);
  assert.equal(result.kind, 'committed');
  return result.revision;
}

function put(registry: Registry, key: string, value: string): Promise<Revision> {
  return commit(registry, [putOf(key, value)]);
}

async function keys(registry: Registry, prefix: string): Promise<string[]> {
  return (await registry.list(prefix)).entries.map((entry) => entry.key);
}

interface PlainEntry {
  readonly key: string;
  readonly value: string;
  readonly revision: Revision;
  readonly created: Revision;
  readonly leaseId: string | undefined;
}

function plain(entry: Awaited<ReturnType<Registry['get']>>): PlainEntry | undefined {
  return entry === undefined
    ? undefined
    : { ...entry, value: Buffer.from(entry.value).toString('utf8') };
}

function plainBatch(batch: WatchBatch): { revision: Revision; changes: string[] } {
  const changes = batch.changes.map((change) =>
    change.kind === 'put'
      ? `put ${change.entry.key}=${plain(change.entry)?.value}`
      : `delete ${change.key}`,
  );
  return { revision: batch.revision, changes };
}

/** The next `count` batches. */
async function take(
  registry: Registry,
  prefix: string,
  from: Revision,
  count: number,
): Promise<WatchBatch[]> {
  const batches: WatchBatch[] = [];
  for await (const batch of registry.watch(prefix, from, AbortSignal.timeout(UNTIL_MS))) {
    batches.push(batch);
    if (batches.length === count) break;
  }
  assert.equal(batches.length, count, 'the watch brought too few commits');
  return batches;
}

async function follow(
  registry: Registry,
  prefix: string,
  from: Revision,
  signal: AbortSignal,
  see: (batch: WatchBatch) => void,
): Promise<void> {
  for await (const batch of registry.watch(prefix, from, signal)) see(batch);
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = systemClock.monotonicMs() + UNTIL_MS;
  while (!(await holds())) {
    assert.ok(systemClock.monotonicMs() < end, `not within ${UNTIL_MS} ms: ${what}`);
    await systemClock.sleep(5);
  }
}

async function untilKeys(registry: Registry, prefix: string, wanted: string[]): Promise<void> {
  await until(`the keys under "${prefix}" are ${wanted.join(' ')}`, async () => {
    return (await keys(registry, prefix)).join() === wanted.join();
  });
}

async function rejects(promise: Promise<unknown>, code: string): Promise<void> {
  await assert.rejects(promise, (error) => isMolnError(error, code));
}

/** Bytes that are still referenced, after a collection. */
function memoryInUse(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
