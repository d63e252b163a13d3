/** Who shares an answer with whom. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SharedQuestion } from './shared-question.ts';

test('whoever comes while a question is under way waits for the next, and shares it', async () => {
  const asked: PromiseWithResolvers<number>[] = [];
  const question = new SharedQuestion(() => {
    const one = Promise.withResolvers<number>();
    asked.push(one);
    return one.promise;
  });
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const first = question.answer();
  await turn();
  assert.equal(asked.length, 1);
  const late = [question.answer(), question.answer()];
  await turn();
  assert.equal(asked.length, 1);
  asked[0]?.reject(new Error('out of reach'));
  await assert.rejects(first, /out of reach/);
  await turn();
  assert.equal(asked.length, 2);
  asked[1]?.resolve(7);
  assert.deepEqual(await Promise.all(late), [7, 7]);
});
