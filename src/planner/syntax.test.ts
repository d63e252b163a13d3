import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isBlank, parametersOf, parseStatement, splice, splitScript } from './syntax.ts';

test('a script is cut behind its semicolons, comments kept', () => {
  assert.deepEqual(splitScript("SELECT ';' -- one; two\n; /* three; */ SELECT 2"), [
    "SELECT ';' -- one; two\n;",
    ' /* three; */ SELECT 2',
  ]);
  const trigger = 'CREATE TRIGGER a AFTER INSERT ON t BEGIN SELECT 1; SELECT 2; END;';
  assert.deepEqual(splitScript(`${trigger} SELECT 3;`), [trigger, ' SELECT 3;']);
});

test('what stands before a mistake is still cut', () => {
  assert.deepEqual(splitScript('SELECT 1; SELEC 2; SELECT 3'), ['SELECT 1;', ' SELEC 2; SELECT 3']);
});

test('blank texts are known', () => {
  assert.ok(isBlank(' -- nothing\n ; /* here */ ;'));
  assert.ok(!isBlank('-- something\nSELECT 1'));
});

test('parameters are numbered as SQLite numbers them', () => {
  const sql = 'SELECT ?, :a, ?5, ?, :a, @b';
  const parsed = parseStatement(sql);
  assert.ok(parsed !== undefined);
  const { names, edits } = parametersOf(parsed.node);
  assert.deepEqual(names, [null, ':a', null, null, null, null, '@b']);
  assert.equal(splice(sql, edits), 'SELECT ?1, ?2, ?5, ?6, ?2, ?7');
});
