import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TextBody } from './body.ts';
import { FieldList } from './fields.ts';
import { HotCopies } from './hot-copies.ts';
import { CacheRequest } from './request.ts';
import { DEFAULT_SETTINGS } from './settings.ts';
import { makeEntry } from './store.ts';
import { Stored } from './tier.ts';

const MOMENT_MS = 10_000;

function stored(key: string): Stored {
  const request = new CacheRequest().read({ method: 'GET', key, fields: new FieldList([]) });
  const fields = new FieldList([['cache-control', 'max-age=60']]);
  const response = { status: 200, fields, requestedMs: 0, receivedMs: 0 };
  return new Stored(key, makeEntry(request, response, DEFAULT_SETTINGS), new TextBody('x'), 1);
}

test('a copy goes when its moment is over, and not before', () => {
  const hot = new HotCopies(1024 * 1024);
  hot.set('a', [stored('a')], 10_000);
  hot.set('b', [stored('b')], 12_000);
  hot.cool(9_999, MOMENT_MS);
  assert.ok(hot.mayHold('a'));
  hot.cool(10_000, MOMENT_MS);
  assert.ok(!hot.mayHold('a') && hot.mayHold('b'));
});

test('what takes the place of a copy stays as long; a new one longer', () => {
  const hot = new HotCopies(1024 * 1024);
  hot.set('a', [stored('a')], 10_000);
  hot.set('b', [stored('b')], 10_000);
  hot.set('a', [stored('a')]);
  hot.set('b', [stored('b')], 15_000);
  hot.cool(10_000, MOMENT_MS);
  assert.ok(!hot.mayHold('a') && hot.mayHold('b'));
});

test('a clock that was set back does not keep copies', () => {
  const hot = new HotCopies(1024 * 1024);
  hot.set('a', [stored('a')], 1_000_000);
  hot.cool(10_000, MOMENT_MS);
  assert.ok(!hot.mayHold('a'));
});

test('what is removed is not found', () => {
  const hot = new HotCopies(1024 * 1024);
  hot.set('a', [stored('a')], 10_000);
  hot.delete('a');
  assert.equal(hot.find('a'), undefined);
  hot.set('b', [stored('b')], 10_000);
  hot.clear();
  assert.equal(hot.find('b'), undefined);
});
