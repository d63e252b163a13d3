import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { silentLogger } from '../base/log.ts';
import { systemClock } from '../base/time.ts';
import { AppFolders } from './app-folders.ts';
import { LogMarks } from './log-marks.ts';
import { lastLines, LineSplitter, LogReader, processOf } from './log-reader.ts';
import { LogStore, logsToForget } from './log-store.ts';
import { LOG_LINE_BYTES_MAX, OLD_LOGS_MAX, OLD_LOGS_MAX_AGE_MS } from './run-limits.ts';

test('the last lines of a file, however it is cut', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'moln-log-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'x.log');
  const long = 'ä'.repeat(40_000);
  const all = ['first', '', long, 'fourth\r', 'unfinished'];
  const text = all.join('\n');
  writeFileSync(path, text);
  const size = Buffer.byteLength(text);
  const tail = async (count: number, start = 0, end = size): Promise<string[]> =>
    (await lastLines(path, { start, end }, count)).map((line) => line.text);
  assert.deepEqual(await tail(9), [
    'first',
    '',
    long.slice(0, 32_768),
    long.slice(32_768),
    'fourth',
    'unfinished',
  ]);
  assert.deepEqual(await tail(2), ['fourth', 'unfinished']);
  assert.deepEqual(await tail(0), []);
  assert.deepEqual(
    await tail(9, 3),
    ['', long.slice(0, 32_768), long.slice(32_768), 'fourth', 'unfinished'],
    'after a hole the broken line is left out',
  );
  assert.deepEqual(await tail(9, 0, 6), ['first']);
  const [last] = await lastLines(path, { start: 0, end: size }, 1);
  assert.deepEqual(last, {
    text: 'unfinished',
    begin: size - 10,
    end: size,
    finished: false,
  });
});

test('lines come whole, whatever the pieces; offsets are those of the file', () => {
  const splitter = new LineSplitter(100);
  const lines = ['a', 'b\nc', '\n', 'd'.repeat(LOG_LINE_BYTES_MAX), 'e\n'].flatMap((piece) =>
    splitter.push(Buffer.from(piece)),
  );
  assert.deepEqual(
    lines.map((line) => [line.text.length, line.begin, line.end]),
    [
      [2, 100, 103],
      [1, 103, 105],
      [LOG_LINE_BYTES_MAX, 105, 105 + LOG_LINE_BYTES_MAX],
      [1, 105 + LOG_LINE_BYTES_MAX, 107 + LOG_LINE_BYTES_MAX],
    ],
  );
});

test('marks tell when a line was first seen', () => {
  const marks = new LogMarks();
  marks.saw(10, 1000);
  marks.saw(10, 2000);
  marks.saw(30, 3000);
  assert.deepEqual(
    [5, 10, 11, 30, 31].map((offset) => marks.timeOf(offset)),
    [1000, 1000, 3000, 3000, undefined],
  );
  marks.saw(4, 4000);
  assert.equal(marks.timeOf(4), 4000, 'an emptied file begins anew');
  for (let size = 5; size < 5000; size++) marks.saw(size, 10 * size);
  assert.equal(marks.timeOf(4999), 49_990);
  assert.ok((marks.timeOf(100) ?? 0) >= 1000);
});

test('old logs go by age and by number', () => {
  const logs = Array.from({ length: OLD_LOGS_MAX + 2 }, (_, index) => ({
    path: `log-${index}`,
    writtenAt: 1e12 - index,
  }));
  assert.deepEqual(logsToForget(logs, 1e12), [`log-${OLD_LOGS_MAX}`, `log-${OLD_LOGS_MAX + 1}`]);
  const [newest] = logs;
  assert.ok(newest !== undefined);
  assert.deepEqual(logsToForget([newest], 1e12 + OLD_LOGS_MAX_AGE_MS + 1), ['log-0']);
});

test('the process is part of the name of an instance', () => {
  assert.equal(processOf('my-app', 'my-app-my-worker-1a2b'), 'my-worker');
  assert.equal(processOf('my-app', 'my-app-web-1a2b'), 'web');
});

test('who goes on with logs gets what came since: by offset, or by time where nothing was read', async (t) => {
  const data = mkdtempSync(join(tmpdir(), 'moln-log-'));
  t.after(() => rmSync(data, { recursive: true }));
  const folders = new AppFolders({ data });
  mkdirSync(folders.logs('shop'), { recursive: true });
  const write = (instance: string, text: string): void =>
    writeFileSync(join(folders.logs('shop'), `${instance}.log`), text);
  write('shop-web-known', 'first\nsecond\n');
  write('shop-web-other', 'third\n');
  const clock = systemClock;
  const store = new LogStore({ folders, clock, log: silentLogger, isAlive: () => true });
  const reader = new LogReader({ store, clock });
  const asked = { app: 'shop', follow: true, process: undefined, instance: undefined };
  const read = async (since: number, tail: number, last: string): Promise<readonly string[]> => {
    const stop = new AbortController();
    const resume = { ends: { 'shop-web-known': 6 }, since };
    const lines: string[] = [];
    for await (const { text } of reader.read({ ...asked, tail, resume }, stop.signal)) {
      lines.push(text);
      if (text === last) stop.abort();
    }
    return lines;
  };
  assert.deepEqual(
    await read(0, 0, 'third'),
    ['second', 'third'],
    'no line of a new one is left out',
  );
  const later = clock.now() + 3_600_000;
  assert.deepEqual(await read(later, 5, 'second'), ['second']);
});
