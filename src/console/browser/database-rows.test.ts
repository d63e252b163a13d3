import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rowsOf } from './database-rows.ts';

test('rows have the names of their columns; a statement that failed says why', () => {
  const cols = [{ name: 'id' }, { name: 'error' }];
  const rows = [[{ type: 'integer', value: '7' }, { type: 'null' }]];
  const good = { type: 'ok', response: { result: { cols, rows } } } as const;
  assert.deepEqual(rowsOf({ results: [good] }), [{ id: '7', error: '' }]);
  const error = { message: 'no such table: moln_jobs', code: 'SQLITE_ERROR' };
  assert.throws(() => rowsOf({ results: [{ type: 'error', error }] }), /no such table/);
});
