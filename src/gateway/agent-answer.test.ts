import assert from 'node:assert/strict';
import { test } from 'node:test';
import { agentAnswer } from './agent-answer.ts';
import { afterAgentLine, NOTHING_SAID } from './balancing/agent-line.ts';

test('our own balancers understand what ours say', () => {
  const said = (state: Parameters<typeof agentAnswer>[0]): object =>
    afterAgentLine(NOTHING_SAID, agentAnswer(state));
  assert.deepEqual(said({ state: 'ready', busy: 0.25, connectionsMax: 30 }), {
    ...NOTHING_SAID,
    share: 0.75,
    maxConnections: 30,
  });
  assert.deepEqual(said({ state: 'ready', busy: 1.5 }), { ...NOTHING_SAID, share: 0.01 });
  assert.deepEqual(said({ state: 'leaving', busy: 0 }), { ...NOTHING_SAID, admin: 'drain' });
  assert.deepEqual(said({ state: 'down', busy: 0 }), { ...NOTHING_SAID, isUp: false });
});
