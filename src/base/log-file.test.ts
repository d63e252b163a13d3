import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openLogFile } from './log-file.ts';
import type { LogRecord } from './log.ts';

function record(message: string): LogRecord {
  return { time: 0, level: 'info', part: 'node', message, fields: {} };
}

test('the log is bounded: old files are kept up to a number, the newest line is in the first', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'moln-log-'));
  try {
    const path = join(folder, 'agent.jsonl');
    const refusals: unknown[] = [];
    const sink = openLogFile({ path, bytesMax: 400, keep: 2, onRefused: (e) => refusals.push(e) });
    for (let index = 0; index < 40; index++) sink(record(`line ${index}`));
    assert.deepEqual((await readdir(folder)).sort(), [
      'agent.jsonl',
      'agent.jsonl.1',
      'agent.jsonl.2',
    ]);
    for (const name of await readdir(folder)) {
      assert.ok((await stat(join(folder, name))).size <= 400);
    }
    const lines = (await readFile(path, 'utf8')).trim().split('\n');
    assert.equal(JSON.parse(lines.at(-1) ?? '').message, 'line 39');
    assert.deepEqual(refusals, []);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test('a disk that refuses is told once and again after it had recovered', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'moln-log-'));
  try {
    const path = join(folder, 'gone', 'agent.jsonl');
    const refusals: unknown[] = [];
    const sink = openLogFile({ path, onRefused: (error) => refusals.push(error) });
    sink(record('one'));
    sink(record('two'));
    assert.equal(refusals.length, 1);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
