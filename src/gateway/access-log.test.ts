import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { systemClock } from '../base/time.ts';
import { AccessLog, type AccessEntry } from './access-log.ts';

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'moln-access-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

function entry(values: Partial<AccessEntry> = {}): AccessEntry {
  return {
    time: Date.UTC(2026, 10, 20, 12, 0, 1) + 7,
    client: '127.0.0.1',
    method: 'GET',
    host: 'a.example',
    target: '/x?y="z"',
    status: 200,
    durationMs: 1.23456,
    bytesIn: 10,
    bytesOut: 20,
    ...values,
  };
}

const fail = (error: unknown): void => assert.ifError(error);

test('each request is one line of JSON', async (t) => {
  const path = join(await temporaryFolder(t), 'access-1.jsonl');
  await using log = new AccessLog({ path, clock: systemClock, onRefused: fail });
  log.record(entry());
  log.record(entry({ route: 'app/a', upstream: 'i1', errorId: 'e', error: 'line\nbreak' }));
  await log.flush();
  const lines = (await readFile(path, 'utf8')).trimEnd().split('\n');
  const base = {
    time: '2026-11-20T12:00:01.007Z',
    client: '127.0.0.1',
    method: 'GET',
    host: 'a.example',
    target: '/x?y="z"',
    status: 200,
    durationMs: 1.235,
    bytesIn: 10,
    bytesOut: 20,
  };
  assert.deepEqual(
    lines.map((line): unknown => JSON.parse(line)),
    [base, { ...base, route: 'app/a', upstream: 'i1', errorId: 'e', error: 'line\nbreak' }],
  );
});

test('files are rotated by size and a fixed number is kept', async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, 'access-1.jsonl');
  await using log = new AccessLog({
    path,
    clock: systemClock,
    fileBytesMax: 1000,
    keep: 2,
    onRefused: fail,
  });
  for (let index = 0; index < 30; index++) {
    log.record(entry({ target: `/${index}` }));
    await log.flush();
  }
  assert.deepEqual((await readdir(folder)).toSorted(), [
    'access-1.jsonl',
    'access-1.jsonl.1',
    'access-1.jsonl.2',
  ]);
  assert.match(await readFile(path, 'utf8'), /"\/29"/);
});

test('a disk that refuses costs lines, which are counted, and is forgiven later', async (t) => {
  const folder = join(await temporaryFolder(t), 'missing');
  const path = join(folder, 'access-1.jsonl');
  let refusals = 0;
  await using log = new AccessLog({ path, clock: systemClock, onRefused: () => refusals++ });
  for (let index = 0; index < 3; index++) {
    log.record(entry());
    await log.flush();
  }
  assert.equal(refusals, 1);
  assert.equal(log.dropped, 3);
  await mkdir(folder);
  log.record(entry());
  await log.flush();
  assert.match(await readFile(path, 'utf8'), /^\{"dropped":3\}\n\{"time"/);
  assert.equal(log.dropped, 3);
});

test('waiting lines are bounded', async (t) => {
  const path = join(await temporaryFolder(t), 'access-1.jsonl');
  await using log = new AccessLog({ path, clock: systemClock, onRefused: fail });
  const target = `/${'x'.repeat(100_000)}`;
  // Synchronous, so that nothing can be written in between.
  for (let index = 0; index < 100; index++) log.record(entry({ target }));
  assert.ok(log.dropped > 0, 'some were dropped');
  await log.flush();
  const lines = (await readFile(path, 'utf8')).trimEnd().split('\n');
  assert.equal(lines.filter((line) => line.startsWith('{"time"')).length, 100 - log.dropped);
});
