/** Tables for the small pure parts of base: suggestions, units, ids, time, process ids, log lines. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { randomId, sameSecret } from './ids.ts';
import { createLogger, formatJson, formatPlain, type LogRecord } from './log.ts';
import { isRunning, processId, signalProcess } from './process-id.ts';
import { editDistance, nearestName, unknownName } from './suggest.ts';
import { formatDuration, systemClock, withDeadline } from './time.ts';
import { formatBytes, parseDuration, parseSize } from './units.ts';

test('the nearest name is suggested, a far one is not', () => {
  assert.equal(editDistance('gestbook', 'guestbook'), 1);
  assert.equal(editDistance('shpo', 'shop'), 1);
  assert.equal(nearestName('gestbook', ['site', 'guestbook']), 'guestbook');
  assert.equal(nearestName('zzz', ['site', 'guestbook']), undefined);
  assert.equal(unknownName('app', 'sit', ['site']), 'No app "sit": did you mean "site"?');
  assert.equal(unknownName('app', 'q', []), 'No app "q"');
});

test('sizes and durations are read and written with units', () => {
  assert.equal(parseSize('256MB', 'cache'), 256_000_000);
  assert.equal(parseSize('1.5 GiB', 'cache'), 1.5 * 1024 ** 3);
  assert.equal(parseSize('4096', 'cache'), 4096);
  assert.throws(() => parseSize('lots', 'cache.memory'), /Size "lots" of "cache\.memory"/);
  assert.equal(parseDuration('30s', 't'), 30_000);
  assert.equal(parseDuration('1.5h', 't'), 5_400_000);
  assert.throws(() => parseDuration('30', 't'), /Duration "30" of "t"/);
  assert.equal(formatBytes(1536), '1.5 KiB');
  assert.equal(formatBytes(0), '0 B');
  assert.equal(formatDuration(89_000), '89 s');
  assert.equal(formatDuration(7_200_000), '2 h');
  assert.equal(formatDuration(-7_200_000), '-2 h');
});

test('ids do not repeat and secrets compare', () => {
  const ids = new Set(Array.from({ length: 1000 }, () => randomId()));
  assert.equal(ids.size, 1000);
  assert.match(randomId(5), /^[0-9a-z]{5}$/);
  assert.ok(sameSecret('a', 'a'));
  assert.ok(!sameSecret('a', 'b'));
});

test('a process is known by pid and start time together', async () => {
  const child = spawn('sleep', ['60']);
  const id = processId(child.pid ?? 0);
  assert.ok(id !== undefined && isRunning(id));
  assert.equal(isRunning({ ...id, startTicks: id.startTicks + 1 }), false);
  assert.ok(signalProcess(id, 'SIGKILL'));
  await once(child, 'exit');
  assert.equal(isRunning(id), false);
  assert.equal(signalProcess(id, 'SIGKILL'), false);
});

test('a deadline aborts the work and says so', async () => {
  let aborted = false;
  const slow = withDeadline(
    5,
    () => new Error('too slow'),
    async (signal) => {
      try {
        await systemClock.sleep(60_000, signal);
      } finally {
        aborted = signal.aborted;
      }
    },
  );
  await assert.rejects(slow, /too slow/);
  assert.equal(aborted, true);
  assert.equal(
    await withDeadline(
      60_000,
      () => new Error('no'),
      async () => 'fast',
    ),
    'fast',
  );
});

test('log records keep levels, parts and errors', () => {
  const records: LogRecord[] = [];
  const log = createLogger({ part: 'node', sinks: [(r) => records.push(r)], now: () => 0 });
  log.debug('hidden');
  log.for('apps', { app: 'a' }).warn('Went away', { error: new Error('boom') });
  assert.equal(records.length, 1);
  const [record] = records;
  assert.ok(record !== undefined);
  const line = JSON.parse(formatJson(record));
  assert.equal(line.part, 'apps');
  assert.equal(line.app, 'a');
  assert.equal(line.error.message, 'boom');
  assert.match(formatPlain(record), /warn apps: Went away app=a error=boom\n$/);
});

test('what others wrote neither steers the terminal nor breaks the log', () => {
  const error = new Error('bad\u001B[2J\nname');
  error.cause = error;
  const fields = { error, big: 1n };
  const record: LogRecord = { time: 0, level: 'warn', part: 'a', message: 'm', fields };
  assert.match(formatPlain({ ...record, fields: { error } }), /error=bad\\x1b\[2J name\n$/);
  const line = JSON.parse(formatJson(record));
  assert.equal(line.big, '1');
  assert.equal(line.error.cause.message, error.message);
});
