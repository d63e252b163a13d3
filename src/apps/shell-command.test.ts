import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shellCommand } from './shell-command.ts';

const TABLE: readonly (readonly [string, string])[] = [
  ['node server.js', 'exec node server.js'],
  ['  gunicorn "a b" $PORT ', 'exec gunicorn "a b" $PORT'],
  ['A=1 B=2 node .', 'exec env A=1 B=2 node .'],
  ['a && b', 'a && b'],
  ['a; b', 'a; b'],
  ['a | b', 'a | b'],
  ['cd x; y', 'cd x; y'],
  ['exec node .', 'exec node .'],
  ['. ./env && x', '. ./env && x'],
  ['(a)', '(a)'],
];

for (const [text, wanted] of TABLE) {
  test(`"${text}" runs as "${wanted}"`, () => {
    assert.deepEqual(shellCommand(text), ['sh', '-c', wanted]);
  });
}
