import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ActionState } from './action-state.ts';
import { afterItem } from './action-state.ts';

const BEGIN: ActionState = { title: 'Restart', lines: [], outcome: { kind: 'running' } };

test('steps and output are kept in order, and the end is remembered', () => {
  const one = afterItem(BEGIN, { kind: 'step', at: 1, message: 'Starting' });
  const two = afterItem(one, { kind: 'output', at: 2, line: 'listening' });
  assert.deepEqual(
    two.lines.map((line) => line.kind),
    ['step', 'output'],
  );
  const done = afterItem(two, { kind: 'done', app: 'a', release: 'r', url: 'http://a/' });
  assert.equal(done.outcome.kind, 'done');
  assert.equal(done.lines.length, 2);
});

test('a failure keeps its reason and the last log lines', () => {
  const error = { code: 'APPS_UNHEALTHY', message: 'It never answered', retryable: false };
  const failed = afterItem(BEGIN, { kind: 'failed', error, logTail: ['boom'] });
  assert.deepEqual(failed.outcome, { kind: 'failed', error, logTail: ['boom'] });
});
