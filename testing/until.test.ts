/** Waiting returns what was waited for, or says what was seen instead. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from './until.ts';

test('the first truthy value is returned, and a throw counts as not yet', async () => {
  let looks = 0;
  const value = await until('three looks', () => {
    looks++;
    if (looks === 1) throw new Error('too early');
    return looks === 3 ? 'seen' : undefined;
  });
  assert.equal(value, 'seen');
});

test('in vain it names what was waited for and what was seen last', async () => {
  await assert.rejects(
    until('rain', () => false, { withinMs: 1 }),
    /Waited 0\.001 s in vain for rain; last seen: false/,
  );
  const broken = (): never => {
    throw new Error('no clouds');
  };
  await assert.rejects(until('rain', broken, { withinMs: 1 }), /last seen: no clouds/);
});
