import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import type { PeerNode } from '../cluster/cluster.ts';
import { nextManager } from './appoint-managers.ts';

/** `M` is a manager, small letters say what became of the node. */
function peersOf(...words: readonly string[]): readonly PeerNode[] {
  return words.map((word, at) => ({
    id: `id${at}`,
    name: `n${at}`,
    region: 'home',
    labels: {},
    address: `10.0.0.${at}`,
    port: 1,
    gatewayPort: 2,
    memoryMiB: 100,
    isManager: word.startsWith('M'),
    load: 0,
    silentMs: 0,
    state: word.endsWith('lost') ? 'lost' : word.endsWith('suspect') ? 'suspect' : 'ready',
  }));
}

const cases: readonly (readonly [string, readonly string[], string | undefined])[] = [
  ['one node is enough for one', ['M'], undefined],
  ['two nodes: one', ['M', ''], undefined],
  ['three: the oldest that is none', ['M', '', ''], 'n1'],
  ['three: until there are three', ['M', 'M', ''], 'n2'],
  ['three of four are enough', ['M', 'M', 'M', ''], undefined],
  ['a lost one is replaced', ['M lost', 'M', 'M', ''], 'n3'],
  ['a suspect one may come back', ['M suspect', 'M', 'M', ''], undefined],
  ['who is away is not asked', ['M', 'lost', 'suspect', ''], 'n3'],
  ['nobody is left', ['M', 'M', 'lost'], undefined],
  ['seven: five', ['M', 'M', 'M', '', '', '', ''], 'n3'],
];

for (const [name, words, wanted] of cases) {
  test(name, () => assert.equal(nextManager(peersOf(...words))?.name, wanted));
}
