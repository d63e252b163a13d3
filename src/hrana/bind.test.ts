import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bindStatement } from './bind.ts';
import type { SqlValue } from './database.ts';
import { DEFAULT_LIMITS } from './limits.ts';

function bind(
  sql: string,
  args: readonly SqlValue[],
  named: Readonly<Record<string, SqlValue>> = {},
): readonly SqlValue[] {
  const namedArgs = Object.entries(named).map(([name, value]) => ({ name, value }));
  return bindStatement(sql, { args, namedArgs, wantRows: true }, DEFAULT_LIMITS).values;
}

test('arguments find their parameters', () => {
  assert.deepEqual(bind('SELECT ?, ?', [1n, 2n]), [1n, 2n]);
  assert.deepEqual(bind('SELECT :a, @b, $c', [], { a: 1n, b: 2n, $c: 3n }), [1n, 2n, 3n]);
  assert.deepEqual(bind('SELECT :a, @a', [], { '@a': 2n, ':a': 1n }), [1n, 2n]);
  assert.deepEqual(bind('SELECT ?1, :b', [null], { b: 2n }), [null, 2n]);
  assert.deepEqual(bind('SELECT ?1, ?2', [], { '2': 2n, '?1': 1n }), [1n, 2n]);
  // A named argument takes precedence over one by position.
  assert.deepEqual(bind('SELECT :a, :b', [1n, 2n], { b: 3n }), [1n, 3n]);
});

test('too few and too many arguments are refused', () => {
  const invalid = (message: RegExp): object => ({ code: 'ARGS_INVALID', message });
  assert.throws(() => bind('SELECT ?', []), invalid(/none is given for parameter 1/));
  assert.throws(() => bind('SELECT :a', []), invalid(/none is given for parameter :a/));
  assert.throws(() => bind('SELECT 1', [1n]), invalid(/1 are given, the statement has 0/));
  assert.throws(() => bind('SELECT :a', [], { b: 1n }), invalid(/has no parameter "b"/));
  assert.throws(() => bind('SELECT :a', [], { __proto__x: 1n }), invalid(/has no parameter/));
});
