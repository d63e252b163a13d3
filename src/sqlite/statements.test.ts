import assert from 'node:assert/strict';
import { test } from 'node:test';
import { liftLiterals, splitStatements } from './statements.ts';

const TRIGGER =
  "CREATE TRIGGER g AFTER INSERT ON t BEGIN INSERT INTO l VALUES('a;b'); SELECT 1; END;";

const SPLITS: readonly (readonly [text: string, complete: readonly string[], rest: string])[] = [
  ['', [], ''],
  ['SELECT 1', [], 'SELECT 1'],
  ['SELECT 1;', ['SELECT 1;'], ''],
  [';; SELECT 1 ;\n; SELECT 2', ['SELECT 1 ;'], 'SELECT 2'],
  ['SELECT \';\', "a;", [b;], `c;` ; x', ['SELECT \';\', "a;", [b;], `c;` ;'], 'x'],
  ['SELECT 1 -- no; end\n;', ['SELECT 1 -- no; end\n;'], ''],
  ['-- only; a comment\n', [], ''],
  ['/* a; */ SELECT 1; /* b', ['/* a; */ SELECT 1;'], '/* b'],
  ['/*/ SELECT 1;', [], '/*/ SELECT 1;'],
  ["SELECT 'open;", [], "SELECT 'open;"],
  [`${TRIGGER} SELECT 2;`, [TRIGGER, 'SELECT 2;'], ''],
  [TRIGGER.slice(0, 60), [], TRIGGER.slice(0, 60)],
];

test('a text is cut where its statements end', () => {
  for (const [text, complete, rest] of SPLITS) {
    assert.deepEqual(splitStatements(text), { complete, rest }, text);
  }
});

test('long values become arguments', () => {
  const { sql, args } = liftLiterals(
    "INSERT INTO t(\"long name\") VALUES('it''s long enough', X'00ff00ff00ff', 'short', x'zz00000000')",
    10,
  );
  assert.equal(sql, "INSERT INTO t(\"long name\") VALUES(?, ?, 'short', x'zz00000000')");
  assert.deepEqual(args, ["it's long enough", Buffer.from('00ff00ff00ff', 'hex')]);
});
