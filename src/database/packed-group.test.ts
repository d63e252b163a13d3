import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type GroupTransaction,
  packOutcomes,
  packTransactions,
  type TransactionOutcome,
  unpackOutcomes,
  unpackTransactions,
} from './packed-group.ts';

const INSERT = 'INSERT INTO t VALUES (?1)';

void test('a group of transactions is after the copy what it was', () => {
  const transactions: readonly GroupTransaction[] = [
    { planned: 3, statements: [{ sql: INSERT, args: [5n] }] },
    { planned: undefined, statements: [] },
    {
      planned: 0,
      statements: [
        { sql: INSERT, args: [null] },
        { sql: 'SELECT :a', args: [], named: { a: 1.5, b: 'x' } },
        { sql: INSERT, args: [Uint8Array.of(1, 2)] },
      ],
    },
  ];
  const packed = packTransactions(transactions);
  assert.deepEqual(packed.texts, [INSERT, 'SELECT :a']);
  assert.deepEqual(unpackTransactions(structuredClone(packed)), transactions);
});

void test('what became of a group is after the copy what it was', () => {
  const columns = ['a', 'b'].map((name) => ({
    name,
    declaredType: null,
    table: 't',
    column: name,
  }));
  const done = { changes: 1, lastInsertRowid: 7n };
  const failure = { code: undefined, message: 'no', body: undefined };
  const outcomes: readonly TransactionOutcome[] = [
    { kind: 'done', results: [{ ...done, columns: [], rows: [] }] },
    { kind: 'alone' },
    { kind: 'failed', failure, at: 2 },
    { kind: 'done', results: [] },
    {
      kind: 'done',
      results: [
        {
          columns,
          rows: [
            [1n, 'x'],
            [null, 2.5],
          ],
          changes: 0,
          lastInsertRowid: undefined,
        },
        { ...done, columns, rows: [] },
        { ...done, columns: columns.slice(1), rows: [[Uint8Array.of(9)]] },
      ],
    },
  ];
  assert.deepEqual(unpackOutcomes(structuredClone(packOutcomes(outcomes))), outcomes);
});
