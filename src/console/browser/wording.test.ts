import assert from 'node:assert/strict';
import { test } from 'node:test';
import { wordingOf, worstTone } from './wording.ts';

test('no two tones share a shape, so that colour says nothing alone', () => {
  const shapes = new Map<string, string>();
  for (const state of [
    'healthy',
    'starting',
    'deploying',
    'degraded',
    'failing',
    'stopped',
    'empty',
    'draining',
    'suspect',
    'lost',
    'silent',
    'paused',
  ]) {
    const { shape, tone } = wordingOf(state);
    assert.equal(shapes.get(shape) ?? tone, tone, `${state} has the shape of another tone`);
    shapes.set(shape, tone);
  }
});

test('unknown states keep their name', () => {
  assert.equal(wordingOf('pondering').word, 'pondering');
});

test('the worst state leads', () => {
  assert.equal(worstTone([]), 'good');
  assert.equal(worstTone(['healthy', 'stopped']), 'good');
  assert.equal(worstTone(['healthy', 'deploying', 'degraded']), 'warn');
  assert.equal(worstTone(['failing', 'degraded']), 'bad');
});
