import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { seeded } from '../../testing/seeded.ts';
import { scanStatement } from './placeholders.ts';

const CASES: readonly (readonly [string, readonly (string | null)[]])[] = [
  ['SELECT 1', []],
  ['SELECT ?, ?', [null, null]],
  ['SELECT ?3, ?1, ?', ['?1', null, '?3', null]],
  ['SELECT ?2, ?02', [null, '?2']],
  ['SELECT :a, @a, $a, :a', [':a', '@a', '$a']],
  ['SELECT ?, :a, ?1, ?2', [null, ':a'].map((name, index) => name ?? `?${index + 1}`)],
  [`SELECT ':a', "?b", \`?\`, [:c], '?''?' -- :d\n/* ? */, :e`, [':e']],
  ['SELECT a$b, x?1 FROM t', ['?1']],
  ['SELECT $a::b(c)', ['$a::b(c)']],
  ['SELECT :å1, 1e5, 0x1f', [':å1']],
  ["SELECT x'00', 'a' || ?", [null]],
  ['SELECT ? /* open', [null]],
];

test('parameters have the numbers that SQLite gives them', () => {
  for (const [sql, expected] of CASES)
    assert.deepEqual(scanStatement(sql).parameters, expected, sql);
});

test('numbers beyond the limit are noticed', () => {
  for (const number of ['0', '32767', '99999999999999999999']) {
    assert.equal(scanStatement(`SELECT ?${number}`).isBeyondLimit, true, number);
  }
  assert.equal(scanStatement('SELECT ?32766').parameters.length, 32_766);
  assert.equal(scanStatement('SELECT ?32766, ?').isBeyondLimit, true);
});

test('one statement, none, or many', () => {
  const trigger = 'CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; SELECT 2; END';
  for (const [sql, expected] of [
    ['', 'none'],
    [' ; -- a\n;; /* b */', 'none'],
    ['SELECT 1', 'one'],
    [';SELECT 1;;', 'one'],
    ["SELECT ';'; -- ; ", 'one'],
    ['SELECT 1; x', 'many'],
    ['SELECT 1;SELECT 2', 'many'],
    [trigger, 'one'],
    [`${trigger};`, 'one'],
    [`EXPLAIN QUERY PLAN ${trigger.replace('CREATE', 'create TEMP')}; `, 'one'],
    [`${trigger}; SELECT 3`, 'many'],
    ['CREATE TABLE trigger_x (a); SELECT 1', 'many'],
    ['BEGIN; END', 'many'],
  ] as const) {
    assert.equal(scanStatement(sql).statements, expected, sql);
  }
});

/**
 * What the scan finds must be what SQLite finds: parameters can be bound by exactly these names, and no argument is left over.
 */
test('random texts: the scan agrees with SQLite', () => {
  const seed = Number(process.env['MOLN_FUZZ_SEED'] ?? randomInt(2 ** 31));
  const random = seeded(seed);
  const pieces = [
    '?',
    '?1',
    '?2',
    '?7',
    '?07',
    ':a',
    ':b',
    '@a',
    '$a',
    '$b::c',
    ':a1',
    "'",
    "'?'",
    '"x"',
    "'it''s :q'",
    '[?]',
    '`?`',
    '--?\n',
    '/*?*/',
    '1',
    '1.5',
    'NULL',
    '+',
    ',',
    '(',
    ')',
    'x',
    "x'00'",
    ';',
    ' ',
    '\n',
    '||',
    'a$b',
    'å',
    '-',
    '/',
    '*',
    'SELECT',
    'CASE',
    'END',
    '#1',
    '\u00a0',
  ];
  using db = new DatabaseSync(':memory:');
  let agreed = 0;
  for (let round = 0; round < 7_000; round += 1) {
    let sql = 'SELECT ';
    for (let count = random.below(8); count >= 0; count -= 1) {
      sql += `${random.pick(pieces)}${random.chance(0.3) ? ' ' : ''}`;
    }
    const { parameters, statements } = scanStatement(sql);
    let statement;
    try {
      statement = db.prepare(sql);
    } catch {
      continue;
    }
    // node:sqlite prepares the first statement alone.
    if (statements !== 'one') continue;
    const named: Record<string, number> = {};
    const others: number[] = [];
    parameters.forEach((name, index) => {
      if (name === null || name.startsWith('?')) others.push(index + 1);
      else named[name] = index + 1;
    });
    // `$a` and `:a` are two parameters.
    statement.setAllowBareNamedParameters(false);
    const why = `seed ${seed}: ${JSON.stringify(sql)}`;
    assert.doesNotThrow(() => statement.all(named, ...others), why);
    assert.throws(() => statement.all(named, ...others, 0), /out of range/, why);
    agreed += 1;
  }
  assert.ok(agreed > 150, `only ${agreed} texts were SQL, seed ${seed}`);
});
