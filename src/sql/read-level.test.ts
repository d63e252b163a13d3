import assert from 'node:assert/strict';
import { test } from 'node:test';
import { askOwnPragma, ownPragma } from './own-pragma.ts';
import { type Level, levelText, parseLevel, SeenEntries } from './read-level.ts';

test('levels are words, with an age for stale', () => {
  for (const [text, level] of [
    ['strong', { kind: 'strong' }],
    [' Session ', { kind: 'session' }],
    ['stale', { kind: 'stale', maxMs: undefined }],
    ['stale:1.5s', { kind: 'stale', maxMs: 1500 }],
  ] as const) {
    assert.deepEqual(parseLevel(text), level);
    assert.deepEqual(parseLevel(levelText(level)), level);
  }
  for (const text of ['', 'fresh', 'strong:5s', 'stale:', 'stale:5', 'stale:-1s']) {
    assert.throws(() => parseLevel(text), { code: 'SQL_READ_LEVEL' }, text);
  }
});

test('what a client has seen only grows, and is handed on as text', () => {
  const seen = new SeenEntries();
  seen.see(new Map([['s0', 5]]));
  seen.see(new Map([['s0', 3]]));
  seen.see(SeenEntries.parse('s1=7'));
  assert.equal(String(seen), 's0=5,s1=7');
  assert.deepEqual([seen.of('s0'), seen.of('s2')], [5, 0]);
  assert.deepEqual(SeenEntries.parse(''), new Map());
  for (const text of ['s0', 's0=', 's0=x', 's0=1,', 's0=1;s1=2', 's0=99999999999999999']) {
    assert.throws(() => SeenEntries.parse(text), { code: 'SQL_TOKEN' }, text);
  }
});

test('our own pragmas set and tell; every other text is left alone', () => {
  const settings = { level: { kind: 'snapshot' } as Level, seen: new SeenEntries() };
  const ask = (sql: string): unknown => {
    const own = ownPragma(sql);
    return own === undefined ? 'not ours' : askOwnPragma(own, settings)[1];
  };
  assert.deepEqual(ask('PRAGMA moln_read'), [['snapshot']]);
  assert.deepEqual(ask("  pragma moln_read = 'stale:2s' ;"), [['stale:2000ms']]);
  assert.deepEqual(ask('PRAGMA moln_read(strong)'), [['strong']]);
  assert.deepEqual(ask("PRAGMA moln_token = 's0=4'"), [['s0=4']]);
  for (const sql of ['PRAGMA foreign_keys', 'SELECT 1', "PRAGMA moln_read = 'a'; DELETE FROM t"]) {
    assert.equal(ask(sql), 'not ours', sql);
  }
});
