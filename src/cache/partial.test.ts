import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seeded } from '../../testing/seeded.ts';
import type { ByteRange } from '../http/range.ts';
import { Entry } from './entry.ts';
import { brokenOff, gapOf, join, mayJoin, SPANS_MAX, storedOffset } from './partial.ts';

const LENGTH = 40;

function entryOf(spans: readonly ByteRange[] | undefined, etag = '"a"', length = LENGTH): Entry {
  return new Entry({
    status: 200,
    bits: 0,
    head: '',
    notModifiedEnd: 0,
    typeStart: 0,
    bornMs: 0,
    lifetimeS: 1,
    staleWhileRevalidateS: 0,
    staleIfErrorS: 0,
    dateS: 0,
    lastModifiedS: -1,
    etag,
    varyNames: [],
    varyValues: '',
    length,
    spans,
    cacheStatus: '',
    tags: [],
  });
}

const span = (first: number, last: number): ByteRange => ({ first, last });

test('what is missing, when it is in one piece', () => {
  const spans = [span(5, 9), span(20, 24)];
  const table: readonly (readonly [ByteRange, ByteRange | undefined])[] = [
    [span(5, 9), undefined],
    [span(6, 8), undefined],
    [span(0, 9), span(0, 4)],
    [span(0, 4), span(0, 4)],
    [span(7, 15), span(10, 15)],
    [span(7, 22), span(10, 19)],
    [span(10, 19), span(10, 19)],
    [span(0, 39), undefined],
    [span(0, 12), undefined],
    [span(8, 30), undefined],
    [span(22, 39), span(25, 39)],
  ];
  for (const [wanted, gap] of table) {
    assert.deepEqual(gapOf(spans, [wanted]), gap, `${wanted.first}-${wanted.last}`);
  }
});

test('what is missing of several ranges, when nothing between is stored', () => {
  const spans = [span(5, 9), span(20, 24)];
  assert.equal(gapOf(spans, [span(5, 6), span(21, 22)]), undefined);
  assert.deepEqual(gapOf(spans, [span(5, 6), span(22, 27)]), span(25, 27));
  assert.deepEqual(gapOf(spans, [span(12, 13), span(6, 8), span(15, 21)]), span(12, 19));
  assert.equal(gapOf(spans, [span(0, 1), span(12, 13)]), undefined);
});

test('every way to join parts gives the bytes of the whole', () => {
  const whole = Uint8Array.from({ length: LENGTH }, (_, index) => index);
  for (let seed = 1; seed <= 400; seed++) {
    const random = seeded(seed);
    let stored: Entry | undefined;
    let body: number[] = [];
    for (let round = 0; round < 6; round++) {
      const first = random.below(LENGTH);
      const last = first + random.below(LENGTH - first);
      const part = entryOf([span(first, last)]);
      const bytes = [...whole.subarray(first, last + 1)];
      if (stored === undefined) {
        [stored, body] = [part, bytes];
        continue;
      }
      const joined = join(stored, part);
      assert(joined !== undefined);
      const old = body;
      body = joined.pieces.flatMap(({ from, offset, length }) =>
        (from === 'stored' ? old : bytes).slice(offset, offset + length),
      );
      stored = joined.entry;
      assert.equal(stored.bodyBytes, body.length);
      for (let at = 0; at < LENGTH; at++) {
        const offset = storedOffset(stored, at);
        if (offset !== undefined) assert.equal(body[offset], at, `seed ${seed}`);
      }
    }
  }
});

test('parts of different things are not joined', () => {
  const part = entryOf([span(0, 1)]);
  assert(mayJoin(entryOf([span(5, 6)]), part));
  assert(!mayJoin(entryOf([span(5, 6)], '"b"'), part));
  assert(!mayJoin(entryOf([span(5, 6)], '"a"', 41), part));
  const weak = entryOf([span(5, 6)], 'W/"a"');
  assert(!mayJoin(weak, weak));
  assert(!mayJoin(entryOf([span(5, 6)], ''), entryOf([span(0, 1)], '')));
});

test('a body of too many parts is not kept in parts', () => {
  const spans = Array.from({ length: SPANS_MAX }, (_, index) => span(index * 2, index * 2));
  assert.equal(join(entryOf(spans), entryOf([span(39, 39)])), undefined);
  assert.equal(join(entryOf(spans), entryOf([span(1, 1)]))?.entry.spans?.length, SPANS_MAX - 1);
});

test('a body that broke off is a part', () => {
  const whole = entryOf(undefined);
  assert.deepEqual(brokenOff(whole, 7)?.spans, [span(0, 6)]);
  assert.deepEqual(brokenOff(entryOf([span(5, 20)]), 3)?.spans, [span(5, 7)]);
  assert.equal(brokenOff(whole, 0), undefined);
  assert.equal(brokenOff(whole, LENGTH), undefined);
  assert.equal(brokenOff(entryOf(undefined, 'W/"a"'), 7), undefined);
  assert.equal(brokenOff(entryOf(undefined, '"a"', -1), 7), undefined);
});
