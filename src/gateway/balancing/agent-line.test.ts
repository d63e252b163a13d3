import assert from 'node:assert/strict';
import { test } from 'node:test';
import { afterAgentLine, type AgentWord, NOTHING_SAID } from './agent-line.ts';

test('words of an agent', () => {
  const table: readonly (readonly [line: string, said: Partial<AgentWord>])[] = [
    ['75%\n', { share: 0.75 }],
    ['weight:40%', { share: 0.4 }],
    ['weight:40\r\n', { weight: 40 }],
    ['weight:999', { weight: 256 }],
    ['maxconn:30\n', { maxConnections: 30 }],
    ['up\n', {}],
    ['down\n', { isUp: false }],
    ['stopped', { isUp: false }],
    ['fail #disk full, up', { isUp: false }],
    ['down#up\n', { isUp: false }],
    ['drain\n', { admin: 'drain' }],
    ['maint\n', { admin: 'maint' }],
    ['DRAIN,50%\tmaxconn:3 up\n', { admin: 'drain', share: 0.5, maxConnections: 3 }],
    ['50%\ndown\n', { share: 0.5 }],
    ['', {}],
    ['-5% 1e3% maxconn: weight: % hello\n', {}],
  ];
  for (const [line, said] of table) {
    assert.deepEqual(afterAgentLine(NOTHING_SAID, line), { ...NOTHING_SAID, ...said }, line);
  }
});

test('what is not said stays as it was', () => {
  const before = { weight: 7, share: 1, maxConnections: 9, admin: 'drain', isUp: false } as const;
  assert.deepEqual(afterAgentLine(before, 'hello\n'), before);
  assert.deepEqual(afterAgentLine(before, 'ready\n'), { ...before, admin: 'ready' });
  assert.deepEqual(afterAgentLine(before, 'up\n'), { ...before, isUp: true });
  assert.deepEqual(afterAgentLine(before, '20%\n'), { ...before, weight: undefined, share: 0.2 });
});
