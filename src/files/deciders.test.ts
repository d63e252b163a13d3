/** Conditions, prefixes, parts, garbage: what is decided without asking anybody. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { appKey, appKeyOf } from './app-keys.ts';
import { isMolnError } from '../base/errors.ts';
import { garbageOf } from './collector.ts';
import { failedCondition } from './conditions.ts';
import { behindPrefix, commonPrefix } from './listing.ts';
import { foldersOf } from './locks.ts';
import type { Conditions } from './model.ts';
import { seal, unseal } from './secrets.ts';
import { choosePartsOf } from './uploads.ts';

test('conditions', () => {
  const current = { etag: 'a', mtime: 5000, size: 3 };
  const rows: readonly (readonly [Conditions, boolean, string | undefined])[] = [
    [{ ifMatch: '*' }, true, undefined],
    [{ ifMatch: '*' }, false, 'ifMatch'],
    [{ ifMatch: ['x', 'a'] }, true, undefined],
    [{ ifMatch: 'x' }, true, 'ifMatch'],
    [{ ifNoneMatch: '*' }, true, 'ifNoneMatch'],
    [{ ifNoneMatch: '*' }, false, undefined],
    [{ ifUnmodifiedSince: 4000 }, true, 'ifUnmodifiedSince'],
    // A tag that matches outweighs the date.
    [{ ifMatch: 'a', ifUnmodifiedSince: 4000 }, true, undefined],
    [{ ifModifiedSince: 5400 }, true, 'ifModifiedSince'],
    [{ ifModifiedSince: 4000 }, true, undefined],
    [{ ifSize: 3 }, true, undefined],
    [{ ifSize: 4 }, true, 'ifSize'],
    [{ ifSize: 0 }, false, 'ifSize'],
  ];
  for (const [conditions, isThere, wanted] of rows)
    assert.equal(
      failedCondition(conditions, isThere ? current : undefined),
      wanted,
      JSON.stringify(conditions),
    );
});

test('prefixes end before the first text behind them', () => {
  const rows: readonly (readonly [string, string | undefined])[] = [
    ['a', 'b'],
    ['a/', 'a0'],
    ['a\u{10ffff}', 'b'],
    ['\u{10ffff}', undefined],
    ['', undefined],
    ['\ud7ff', '\ue000'],
    ['\uffff', '\u{10000}'],
  ];
  for (const [prefix, wanted] of rows) assert.equal(behindPrefix(prefix), wanted, prefix);
  assert.equal(commonPrefix('a/b/c', { prefix: 'a/', delimiter: '/' }), 'a/b/');
  assert.equal(commonPrefix('a/b', { prefix: 'a/', delimiter: '/' }), undefined);
  assert.deepEqual(foldersOf('a/b/c'), ['', 'a/', 'a/b/', 'a/b/c']);
});

test('parts of an upload', () => {
  const big = 5 * 1024 * 1024;
  const part = (number: number, size = big) => ({
    number,
    etag: `e${number}`,
    size,
    modifiedAt: 0,
    checksums: { crc32: `c${number}` },
  });
  const known = [part(1), part(2, 7), part(3)];
  const code = (wanted: string) => (error: unknown) => isMolnError(error, wanted);
  const choose = (...numbers: readonly number[]) =>
    choosePartsOf(
      known,
      numbers.map((number) => ({ number, etag: `e${number}` })),
    ).map(({ number }) => number);
  assert.deepEqual(choose(1, 3), [1, 3]);
  assert.deepEqual(choose(1, 2), [1, 2]);
  assert.throws(() => choose(3, 1), code('FILES_PART_ORDER'));
  assert.throws(() => choose(1, 2, 3), code('FILES_PART_SMALL'));
  assert.throws(() => choose(), code('FILES_PART'));
  assert.throws(() => choose(4), code('FILES_PART'));
  // The second one was never sent with the part.
  for (const checksums of [{ crc32: 'x' }, { sha256: 'x' }])
    assert.throws(
      () => choosePartsOf(known, [{ number: 1, etag: 'e1', checksums }]),
      code('FILES_PART'),
    );
});

test('garbage is what nothing knows and nobody can come to know any more', () => {
  const page = [
    { id: 'known', length: 1, allocSeq: 1 },
    { id: 'old', length: 1, allocSeq: 4 },
    { id: 'being-written', length: 1, allocSeq: 5 },
  ];
  assert.deepEqual(garbageOf(page, { known: new Set(['known']), watermark: 5 }), ['old']);
});

test('a secret opens only for what it was sealed for', () => {
  const key = Buffer.alloc(32, 7);
  const sealed = seal(key, 'secret', 'MK1');
  assert.equal(unseal(key, sealed, 'MK1'), 'secret');
  assert.equal(Buffer.from(sealed).includes('secret'), false);
  assert.throws(() => unseal(key, sealed, 'MK2'));
  assert.throws(() => unseal(Buffer.alloc(32, 8), sealed, 'MK1'));
});

test('the key of an app opens one bucket, is known by its id and cannot be made up', () => {
  const cluster = Buffer.alloc(32, 3);
  const key = appKey(cluster, 'blog', 'photos');
  assert.deepEqual(key.may, [{ bucket: 'photos', write: true }]);
  assert.deepEqual(appKeyOf(cluster, key.id), key);
  assert.notEqual(appKey(cluster, 'shop', 'photos').secret, key.secret);
  assert.notEqual(appKey(Buffer.alloc(32), 'blog', 'photos').secret, key.secret);
  for (const id of [
    'MKABC',
    'MA',
    `${key.id}==`,
    `MA${Buffer.from('a/b/c').toString('base64url')}`,
  ])
    assert.equal(appKeyOf(cluster, id), undefined);
});
