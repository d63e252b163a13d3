import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Entry, Stored, TextBody } from '../cache/cache.ts';
import { ReadyAnswers } from './ready-answers.ts';

const BORN_MS = 1_000_000;

function stored(lifetimeS: number): Stored {
  const entry = new Entry({
    status: 200,
    bits: 0,
    head: '',
    notModifiedEnd: 0,
    typeStart: 0,
    bornMs: BORN_MS,
    lifetimeS,
    staleWhileRevalidateS: 0,
    staleIfErrorS: 0,
    dateS: 0,
    lastModifiedS: -1,
    etag: '',
    varyNames: [],
    varyValues: '',
    length: 1,
    spans: undefined,
    cacheStatus: '',
    tags: [],
  });
  return new Stored('k', entry, new TextBody('x'), 1);
}

test('an answer is ready from its second time on, until its numbers change', () => {
  const ready = new ReadyAnswers();
  const one = stored(60);
  ready.add(one, BORN_MS + 100, () => assert.fail('once is not enough'));
  assert.equal(ready.find(one, BORN_MS + 100), undefined);
  ready.add(one, BORN_MS + 300, () => 'age 0');
  assert.equal(ready.find(one, BORN_MS + 301), 'age 0');
  assert.equal(ready.find(one, BORN_MS + 1), 'age 0');
  assert.equal(ready.find(one, BORN_MS + 999), 'age 0');
  for (const ms of [0, 1000, 1001]) assert.equal(ready.find(one, BORN_MS + ms), undefined);
  ready.add(one, BORN_MS + 1001, () => 'age 1');
  assert.equal(ready.find(one, BORN_MS + 1500), 'age 1');
  ready.clear();
  assert.equal(ready.find(one, BORN_MS + 1500), undefined);
});

test('nothing is ready at the border of two seconds, nor beyond the lifetime', () => {
  const ready = new ReadyAnswers();
  const one = stored(2);
  ready.add(one, BORN_MS + 1, () => '');
  ready.add(one, BORN_MS + 1000, () => assert.fail('neither second'));
  ready.add(one, BORN_MS + 2001, () => assert.fail('stale'));
  ready.add(one, BORN_MS + 1999, () => 'the last');
  assert.equal(ready.find(one, BORN_MS + 1999), 'the last');
  assert.equal(ready.find(one, BORN_MS + 2000), undefined);
});
