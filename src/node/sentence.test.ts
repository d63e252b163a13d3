import assert from 'node:assert/strict';
import { test } from 'node:test';
import { statusSentence, troublesOf } from './sentence.ts';

const MIB = 1024 * 1024;
const well = { disk: { totalBytes: 10_000 * MIB, freeBytes: 5000 * MIB }, etcd: 'runs' } as const;
const one = { name: 'one', state: 'ready', ...well } as const;
const GOOD = {
  apps: [],
  gatewaysServing: 2,
  gatewaysWanted: 2,
  nodes: [one],
  isLive: true,
};
const shop = { name: 'shop', state: 'healthy', instances: { healthy: 2, wanted: 2 } } as const;

test('an address that nobody holds is said', () => {
  const addresses = ['address 10.0.0.50: nobody holds it: a: its interface "eth0" is down'];
  const sentence = statusSentence({
    apps: [],
    gatewaysServing: 1,
    gatewaysWanted: 1,
    nodes: [],
    isLive: true,
    addresses,
  });
  assert.equal(sentence, 'Address 10.0.0.50: nobody holds it: a: its interface "eth0" is down');
});

test('files that lack copies are said', () => {
  const files = ['2 blocks of files lack copies: they are being made'];
  assert.equal(
    statusSentence({ ...GOOD, files }),
    '2 blocks of files lack copies: they are being made',
  );
});

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
      nodes: [{ ...one, disk: { ...well.disk, freeBytes: 110 * MIB } }],
    }),
    'App "shop" is degraded: 1 of 2 instances healthy; the disk is nearly full, 110 MiB free (on one)',
  );
  const lost = { name: 'two', state: 'lost', ...well, etcd: 'away' } as const;
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

test('what is wrong with a node that is heard of', () => {
  assert.deepEqual(troublesOf(well), []);
  assert.deepEqual(troublesOf({ ...well, etcd: 'none' }), []);
  assert.deepEqual(troublesOf({ disk: { ...well.disk, freeBytes: MIB }, etcd: 'away' }), [
    'the disk is full, 1.0 MiB free',
    'its etcd does not run',
  ]);
  const unknown = { totalBytes: 0, freeBytes: 0 };
  assert.deepEqual(troublesOf({ ...well, disk: unknown }), [], 'a node that has not said it');
  const small = { totalBytes: 50 * MIB, freeBytes: 25 * MIB };
  assert.deepEqual(troublesOf({ ...well, disk: small }), [], 'small and half empty');
});
