import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PeerNode, PeerState } from '../cluster/cluster.ts';
import { ownWebsites, websitePlaces } from './website-places.ts';

function peer(id: string, region: string, state: PeerState = 'ready'): PeerNode {
  const place = { address: `${id}.test`, port: 7420, gatewayPort: 7423 };
  const machine = { memoryMiB: 1, load: 0, isManager: false, silentMs: 0, labels: {} };
  return { id, name: id, region, state, ...place, ...machine };
}

test('websites are found here, then at nodes that are well, the near ones first', () => {
  const peers = [
    peer('far', 'west'),
    peer('self', 'east'),
    peer('lost', 'east', 'lost'),
    peer('leaves', 'east', 'draining'),
    peer('near', 'east'),
    peer('far2', 'west'),
    peer('far3', 'west'),
  ];
  const own = { self: 'self', socket: '/run/websites', isSilent: false };
  const [here, ...backups] = websitePlaces(peers, own);
  assert.deepEqual(here, ownWebsites('self', '/run/websites'));
  assert.deepEqual(
    backups.map(({ id, backup }) => [id, backup]),
    [
      ['websites/near', true],
      ['websites/far', true],
      ['websites/far2', true],
    ],
  );
  assert.deepEqual(backups[0]?.address, {
    kind: 'node',
    node: 'near',
    host: 'near.test',
    port: 7423,
  });
  assert.deepEqual(websitePlaces([], own), [here]);
  const silent = { ...own, isSilent: true };
  assert.deepEqual(
    websitePlaces(peers, silent).map(({ id, backup }) => [id, backup]),
    [
      ['websites/near', undefined],
      ['websites/far', undefined],
      ['websites/far2', undefined],
      ['websites/self', true],
    ],
  );
  assert.deepEqual(websitePlaces([], silent), [here]);
});

test('each node is a backup of as many others', () => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f'];
  const peers = names.map((name) => peer(name, 'east'));
  const chosen = names.flatMap((self) =>
    websitePlaces(peers, { self, socket: '/run/websites', isSilent: false })
      .slice(1)
      .map(({ id }) => id),
  );
  const times = (name: string) => chosen.filter((id) => id === `websites/${name}`).length;
  assert.deepEqual(names.map(times), [3, 3, 3, 3, 3, 3]);
});
