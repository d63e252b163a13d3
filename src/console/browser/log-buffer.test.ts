import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LogLine } from '../../api/model.ts';
import { appendLines, filterLines, LINES_KEPT, seenBefore } from './log-buffer.ts';

function line(at: number, text: string, process = 'web'): LogLine {
  return { at, text, process, instance: 'guestbook-web-1' };
}

test('lines are numbered, and the oldest go', () => {
  const many = Array.from({ length: LINES_KEPT }, (_, index) => line(index, 'x'));
  const lines = appendLines(appendLines([], many), [line(9, 'new')]);
  assert.equal(lines.length, LINES_KEPT);
  assert.equal(lines.at(-1)?.text, 'new');
  assert.equal(new Set(lines.map((one) => one.number)).size, LINES_KEPT);
});

test('a stream opened anew repeats nothing', () => {
  assert.equal(seenBefore(line(5, 'x'), undefined), false);
  assert.equal(seenBefore(line(5, 'x'), 5), true);
  assert.equal(seenBefore(line(6, 'x'), 5), false);
});

test('filters by text and process', () => {
  const lines = appendLines([], [line(1, 'GET /'), line(2, 'job done', 'worker')]);
  assert.deepEqual(
    filterLines(lines, { text: 'get', process: '' }).map((one) => one.at),
    [1],
  );
  assert.deepEqual(
    filterLines(lines, { text: '', process: 'worker' }).map((one) => one.at),
    [2],
  );
});
