import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KnownTexts, NO_PLACE } from './known-texts.ts';

test('every text is found as it came, whatever was there before', () => {
  const texts = new KnownTexts();
  for (let round = 0; round < 2; round++) {
    for (let number = 0; number < 5000; number++) {
      const text = `/${number}/${'x'.repeat(number % 200)}\xff`;
      const bytes = Buffer.from(`..${text}..`, 'latin1');
      assert.equal(texts.find(bytes, 2, bytes.length - 2), text);
      assert.ok(texts.place < KnownTexts.places);
    }
  }
});

test('equal bytes have one place; long ones have none', () => {
  const texts = new KnownTexts();
  const bytes = Buffer.from('/a /b');
  texts.find(bytes, 0, 2);
  const { place } = texts;
  texts.find(bytes, 3, 5);
  assert.notEqual(texts.place, place);
  assert.equal(texts.find(Buffer.from('/a'), 0, 2), '/a');
  assert.equal(texts.place, place);
  texts.find(Buffer.alloc(1000, 'x'), 0, 1000);
  assert.equal(texts.place, NO_PLACE);
  assert.equal(texts.find(bytes, 0, 0), '');
});
