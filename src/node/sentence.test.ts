import assert from 'node:assert/strict';
import { test } from 'node:test';
import { statusSentence } from './sentence.ts';

const one = { name: 'one', state: 'ready' } as const;
const GOOD = {
  apps: [],
  gatewaysServing: 2,
  gatewaysWanted: 2,
  diskFreeRatio: 0.5,
  nodes: [one],
  isLive: true,
};
const shop = { name: 'shop', state: 'healthy', instances: { healthy: 2, wanted: 2 } } as const;

test('the sentence says what is wrong, and that nothing is', () => {
  assert.equal(statusSentence(GOOD), 'All good: 0 apps on 1 node');
  assert.equal(statusSentence({ ...GOOD, apps: [shop] }), 'All good: 1 app on 1 node');
  assert.equal(
    statusSentence({ ...GOOD, apps: [{ ...shop, state: 'stopped' }, shop] }),
    'All good: 2 apps on 1 node, 1 of them stopped',
  );
  assert.equal(
    statusSentence({ ...GOOD, apps: [{ ...shop, state: 'starting' }, shop] }),
    '1 of 2 apps on 1 node still starting',
  );
  assert.equal(
    statusSentence({
      ...GOOD,
      apps: [{ ...shop, state: 'degraded', instances: { healthy: 1, wanted: 2 } }],
      diskFreeRatio: 0.011,
    }),
    'App "shop" is degraded: 1 of 2 instances healthy; the disk has 1 % free',
  );
  const lost = { name: 'two', state: 'lost' } as const;
  assert.equal(
    statusSentence({ ...GOOD, nodes: [one, lost] }),
    '1 of 2 nodes is away: two is lost',
  );
  assert.equal(
    statusSentence({ ...GOOD, isLive: false }),
    'No manager answers, so this may be old',
  );
  assert.equal(statusSentence({ ...GOOD, gatewaysServing: 1 }), '1 of 2 gateway processes serve');
});
