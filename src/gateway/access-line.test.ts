import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AccessLines } from './access-line.ts';
import type { AccessEntry } from './access-log.ts';

const ENTRY: AccessEntry = {
  time: Date.UTC(2026, 10, 20, 12, 0, 1) + 7,
  client: '192.0.2.7',
  method: 'GET',
  host: 'a.example',
  target: '/x?y=z',
  status: 200,
  durationMs: 1.23456,
  bytesIn: 10,
  bytesOut: 20,
};

test('the combined format is the one of Apache', () => {
  const lines = new AccessLines();
  assert.equal(
    lines.combined({ ...ENTRY, user: 'anna', referer: 'http://b.example/', agent: 'curl/8' }),
    '192.0.2.7 - anna [20/Nov/2026:12:00:01 +0000] "GET /x?y=z HTTP/1.1" 200 20 "http://b.example/" "curl/8"\n',
  );
  assert.equal(
    lines.combined({ ...ENTRY, protocol: 'h2' }),
    '192.0.2.7 - - [20/Nov/2026:12:00:01 +0000] "GET /x?y=z H2" 200 20 "-" "-"\n',
  );
});

test('no byte of a client begins a line or ends a field', () => {
  const lines = new AccessLines();
  const hostile = 'a" 200 1\n\\ \x1b[2J\x00é';
  const entry = { ...ENTRY, target: hostile, user: 'a b"', referer: hostile, agent: hostile };
  const text = 'a\\x22 200 1\\x0A\\x5C \\x1B[2J\\x00\\xE9';
  assert.equal(
    lines.combined(entry),
    `192.0.2.7 - a\\x20b\\x22 [20/Nov/2026:12:00:01 +0000] "GET ${text} HTTP/1.1" 200 20 "${text}" "${text}"\n`,
  );
  const json = lines.json(entry);
  assert.equal(json.indexOf('\n'), json.length - 1);
  assert.equal((JSON.parse(json) as { readonly target: string }).target, hostile);
});

test('what is beyond a byte is written as its bytes', () => {
  const line = new AccessLines().combined({ ...ENTRY, user: '日' });
  assert.match(line, / - \\xE6\\x97\\xA5 \[/);
});
