/** Conformance of a registry engine: commits, conditions, lists and limits. */
import assert from 'node:assert/strict';
import {
  COMMIT_BYTES_MAX,
  CONDITIONS_MAX,
  KEY_BYTES_MAX,
  OPERATIONS_MAX,
  VALUE_BYTES_MAX,
  type Operation,
} from '../src/registry/registry.ts';
import { bytes, commit, keys, plain, put, putOf, rejects, type Check } from './registry-kit.ts';

export function testCommits(check: Check): void {
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

export function testConditions(check: Check): void {
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

export function testLists(check: Check): void {
  check('a list is sorted by bytes, not by UTF-16', async (_on, registry) => {
    const names = ['/B', '/a', '/a/', '/a/b', '/a0', '/z', '/é', '/\uffee', '/\u{1f600}'];
    for (const key of names.toReversed()) await put(registry, key, '');
    assert.deepEqual(await keys(registry, '/'), names);
    await put(registry, 'ä', '');
    await put(registry, '\u{1f600}', '');
    assert.deepEqual(await keys(registry, ''), [...names, 'ä', '\u{1f600}']);
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

export function testLimits(check: Check): void {
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
