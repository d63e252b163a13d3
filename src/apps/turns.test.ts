import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Turns } from './turns.ts';

test('so many at once, the rest in order, and who leaves holds nobody up', async () => {
  const turns = new Turns(1);
  const never = new AbortController().signal;
  const waits: number[] = [];
  const take = (signal: AbortSignal): Promise<Disposable> =>
    turns.take(signal, (before) => waits.push(before));
  const first = await take(never);
  const leaving = new AbortController();
  const second = take(leaving.signal);
  const third = take(never);
  leaving.abort(new Error('left'));
  await assert.rejects(second, /left/);
  first[Symbol.dispose]();
  const held = await third;
  assert.deepEqual(waits, [1, 2]);
  held[Symbol.dispose]();
  const again = await take(never);
  assert.deepEqual(waits, [1, 2], 'nobody was in the way');
  again[Symbol.dispose]();
});
