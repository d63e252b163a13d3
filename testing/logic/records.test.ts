/** Files of SQL tests: how their records are read, shown and written. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isWanted, logicValues, readRecords, writeRecords } from './records.ts';

const FILE = `# a comment
hash-threshold 8

statement ok
CREATE TABLE t1(
  a INTEGER)

statement error
SELECT nope

onlyif mysql # DIV
query I rowsort label-7
SELECT 1 DIV 1
----
1

skipif mysql
onlyif sqlite
query ITR rowsort label-7
SELECT a, b, c
FROM t1
----
1
(empty)
0.333

query I nosort
SELECT a FROM t1
----
3 values hashing to 3a0a8b8e3b1a1a8ef0c5f1f1b1a7d5aa

halt

statement ok
SELECT 'never'
`;

test('records of a file: what is for others and what is behind "halt" is left out', () => {
  const records = [...readRecords(FILE)];
  assert.deepEqual(
    records.map(({ kind, line }) => [kind, line]),
    [
      ['statement', 4],
      ['statement', 8],
      ['query', 19],
      ['query', 27],
    ],
  );
  const [first, failing, query, hashed] = records;
  assert.equal(first?.sql, 'CREATE TABLE t1(\n  a INTEGER)');
  assert.ok(failing?.kind === 'statement' && failing.fails);
  assert.ok(query?.kind === 'query' && hashed?.kind === 'query');
  assert.deepEqual([query.sql, query.label], ['SELECT a, b, c\nFROM t1', 'label-7']);
  assert.deepEqual(query.wanted, { values: ['1', '(empty)', '0.333'] });
  assert.deepEqual(hashed.wanted, { count: 3, md5: '3a0a8b8e3b1a1a8ef0c5f1f1b1a7d5aa' });
});

test('values are shown as the format says, and sorted as the record says', () => {
  const rows = [
    ['2', 'b\n', 1 / 3],
    [10n, '', null],
    [2.9, null, 'x'],
  ] as const;
  assert.equal(
    logicValues(rows, 'ITR', 'nosort').join(' '),
    '2 b@ 0.333 10 (empty) NULL 2 NULL 0.000',
  );
  assert.deepEqual(logicValues([[2n], [10n]], 'I', 'rowsort'), ['10', '2']);
  assert.deepEqual(logicValues([[2n, 1n]], 'II', 'valuesort'), ['1', '2']);
});

test('what is written is read again as it was, many values as their hash', () => {
  const many = Array.from({ length: 9 }, (_, at) => String(at));
  const query = { kind: 'query', sql: 'SELECT 1', types: 'I', sort: 'nosort' } as const;
  const text = writeRecords([
    { kind: 'statement', line: 0, sql: 'CREATE TABLE t(a)', fails: false },
    { ...query, line: 0, label: undefined, wanted: { values: many } },
    { ...query, line: 0, label: 'one', wanted: { values: ['1'] } },
  ]);
  const [made, hashed, one] = [...readRecords(text)];
  assert.equal(made?.sql, 'CREATE TABLE t(a)');
  assert.ok(hashed?.kind === 'query' && hashed.wanted !== undefined && 'md5' in hashed.wanted);
  assert.ok(isWanted(many, hashed.wanted));
  assert.ok(!isWanted([...many].reverse(), hashed.wanted));
  assert.ok(one?.kind === 'query' && one.label === 'one');
  assert.throws(() => [...readRecords('query\nSELECT 1')], /Line 1 is no record/);
});
