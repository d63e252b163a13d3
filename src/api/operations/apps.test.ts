import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Cloud } from '../cloud.ts';
import { appOperations } from './apps.ts';

test('a setting that is refused is named as its person knows it', () => {
  const change = appOperations.find(({ id }) => id === 'changeEnv');
  const call = (body: unknown): unknown =>
    change?.call({} as Cloud, {
      caller: { name: 'ci', scope: 'deploy' },
      path: () => 'blog',
      query: {},
      body,
      stream: undefined,
      signal: new AbortController().signal,
    });
  const long = 'x'.repeat(70_000);
  for (const kind of ['set', 'setSecrets']) {
    assert.throws(() => call({ [kind]: { BIG: long } }), { message: /^Key "BIG" has 70000 char/ });
    assert.throws(() => call({ [kind]: { '1A': 'x' } }), {
      message: /^Name "1A" is not valid, want/,
    });
    assert.throws(() => call({ [kind]: 'x' }), {
      message: `Key "${kind}" is a string, want an object`,
    });
  }
});
