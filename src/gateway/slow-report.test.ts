import assert from 'node:assert/strict';
import { test } from 'node:test';
import { slowReport, type SlowExample } from './slow-report.ts';

function example(id: string, totalMs: number): SlowExample {
  const none = { method: 'GET', url: 'a/', status: 200, stagesMs: [] };
  return { id, time: 0, totalMs, ...none, upstream: undefined, traceId: undefined };
}

test('rows of all processes are one account', () => {
  const report = slowReport([
    { pid: 1, route: undefined, rows: [], examples: [] },
    { pid: 2, route: 'r', rows: [[10, 1, 0, 0, 9, 0, 0, 0]], examples: [example('quick', 10)] },
    { pid: 3, route: 'r', rows: [[30, 1, 0, 0, 29, 0, 0, 0]], examples: [example('slow', 30)] },
  ]);
  assert.deepEqual([report.route, report.requests], ['r', 2]);
  assert.deepEqual(report.totalMs, { p50: 10, p90: 30, p99: 30, max: 30 });
  const firstByte = report.stages.find(({ name }) => name === 'firstByte');
  assert.equal(firstByte?.share, 38 / 40);
  assert.deepEqual(
    report.examples.map(({ id }) => id),
    ['slow', 'quick'],
  );
});

test('nothing was asked yet', () => {
  const { requests, totalMs } = slowReport([{ pid: 1, route: 'r', rows: [], examples: [] }]);
  assert.deepEqual([requests, totalMs], [0, { p50: 0, p90: 0, p99: 0, max: 0 }]);
});
