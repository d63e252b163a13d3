import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PeerNode } from '../cluster/cluster.ts';
import { GatewaySharing, sharingOf } from './gateway-sharing.ts';

function peer(id: string, more: Partial<PeerNode> = {}): PeerNode {
  const rest = { labels: {}, silentMs: 0, port: 7420, gatewayPort: 7423, memoryMiB: 0, load: 0 };
  const place = {
    region: 'home',
    address: `${id}.test`,
    state: 'ready',
    isManager: false,
  } as const;
  return { id, name: `node-${id}`, ...rest, ...place, ...more };
}

test('a node shares with those that are well, as many processes as they say', () => {
  const nodes = [
    peer('a', { region: 'east' }),
    peer('b', { region: 'west', gatewayWorkers: 4 }),
    peer('c', { state: 'suspect' }),
    peer('d', { state: 'draining' }),
    peer('e'),
  ];
  assert.deepEqual(sharingOf('a', nodes), {
    self: { node: 'a', name: 'node-a', region: 'east' },
    nodes: [
      { node: 'b', name: 'node-b', region: 'west', host: 'b.test', port: 7423, workers: 4 },
      { node: 'e', name: 'node-e', region: 'home', host: 'e.test', port: 7423, workers: 1 },
    ],
  });
  assert.equal(sharingOf('a', [peer('a'), peer('c', { state: 'lost' })]), undefined);
});

test('only what the gateways would notice is told', () => {
  let nodes = [peer('a')];
  let change = (): void => {};
  let told = 0;
  const peers = {
    self: 'a',
    all: () => nodes,
    onChange: (call: () => void) => {
      change = call;
      return { [Symbol.dispose]: () => {} };
    },
  };
  using sharing = new GatewaySharing({ peers, onChange: () => void told++ });
  sharing.start();
  nodes = [peer('a'), peer('b')];
  change();
  assert.equal(told, 1);
  nodes = [peer('a'), peer('b', { load: 0.5, labels: { disk: 'ssd' } })];
  change();
  assert.equal(told, 1);
  nodes = [peer('a'), peer('b', { state: 'suspect' })];
  change();
  assert.equal(told, 2);
});
