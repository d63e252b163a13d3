/** Who becomes a manager and who stops being one, by tables. What always holds is in `managers-properties.test.ts`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  inputOf,
  learner,
  nodes,
  pinned,
  type PlanCase,
  voter,
  voters,
  words,
} from '../../testing/manager-plans.ts';
import { planManagers, REPLACE_AFTER_MS, wantedManagers } from './managers.ts';
import type { PeerNode } from './peers.ts';

const LOST: Partial<PeerNode> = { state: 'lost', silentMs: 60_000 };
const GONE: Partial<PeerNode> = { state: 'lost', silentMs: REPLACE_AFTER_MS };
const SUSPECT: Partial<PeerNode> = { state: 'suspect', silentMs: 3000 };
const DRAINING: Partial<PeerNode> = { state: 'draining' };
const WEST: Partial<PeerNode> = { region: 'west' };
const TWO = 'two nodes: one holds the registry, the other one keeps a copy';

const STEPS: readonly (readonly [what: string, given: PlanCase, step: string])[] = [
  ['one node is enough', { peers: nodes('a'), members: voters('a') }, 'none'],
  ['two nodes: one', { peers: nodes('ab'), members: voters('a') }, 'none'],
  ['three nodes: a second', { peers: nodes('abc'), members: voters('a') }, 'add b'],
  ['three nodes: a third', { peers: nodes('abc'), members: voters('ab') }, 'add c'],
  ['three nodes: three', { peers: nodes('abc'), members: voters('abc') }, 'none'],
  ['four nodes: three', { peers: nodes('abcd'), members: voters('abc') }, 'none'],
  ['six nodes: three', { peers: nodes('abcdef'), members: voters('abc') }, 'none'],
  ['seven nodes: a fourth', { peers: nodes('abcdefg'), members: voters('abc') }, 'add d'],
  ['seven nodes: five', { peers: nodes('abcdefg'), members: voters('abcde') }, 'none'],
  ['six that were seven keep five', { peers: nodes('abcdef'), members: voters('abcde') }, 'none'],
  [
    'nobody that is ready',
    { peers: nodes('abc', { b: SUSPECT, c: LOST }), members: voters('a') },
    'none',
  ],
  [
    'a drained node is not taken',
    { peers: nodes('abc', { b: DRAINING }), members: voters('a') },
    'add c',
  ],
  [
    'an avoided node is not taken',
    { peers: nodes('abc'), members: voters('a'), avoid: 'b' },
    'add c',
  ],
  [
    'the region with fewer',
    { peers: nodes('abcd', { c: WEST, d: WEST }), members: voters('a') },
    'add c',
  ],
  [
    'the region with fewer, of three',
    { peers: nodes('abcd', { b: WEST, d: { region: 'north' } }), members: voters('ab') },
    'add d',
  ],
  [
    'a new learner',
    { peers: nodes('abc'), members: [...voters('a'), learner('b', 'new')] },
    'start m-b on b',
  ],
  [
    'a learner that runs',
    { peers: nodes('abc'), members: [...voters('a'), learner('b')] },
    'promote m-b',
  ],
  [
    'a learner that is drained',
    { peers: nodes('abc', { b: DRAINING }), members: [...voters('a'), learner('b')] },
    'promote m-b',
  ],
  [
    'a suspect learner would be half of two voters',
    { peers: nodes('abc', { b: SUSPECT }), members: [...voters('a'), learner('b')] },
    'none',
  ],
  [
    'a learner while half of the voters are away',
    { peers: nodes('abc', { b: LOST }), members: [...voters('ab'), learner('c')] },
    'promote m-c',
  ],
  [
    'a learner whose node is lost',
    { peers: nodes('abc', { b: LOST }), members: [...voters('a'), learner('b', 'new')] },
    'remove m-b: it cannot be started',
  ],
  [
    'a learner that is avoided',
    { peers: nodes('abc'), members: [...voters('a'), learner('b')], avoid: 'b' },
    'remove m-b: it cannot be started',
  ],
  [
    'a learner whose node is forgotten',
    { peers: nodes('abc'), members: [...voters('a'), learner('x', 'new')] },
    'remove m-x: it cannot be started',
  ],
  [
    'a forgotten voter',
    { peers: nodes('ab'), members: voters('axb') },
    'remove m-x: its node was forgotten',
  ],
  [
    'a forgotten voter goes before another is added',
    { peers: nodes('abc'), members: voters('axb') },
    'remove m-x: its node was forgotten',
  ],
  [
    'a forgotten voter of two',
    { peers: nodes('a'), members: voters('xa') },
    'remove m-x: its node was forgotten',
  ],
  ['the only voter is never removed', { peers: nodes('a'), members: voters('x') }, 'none'],
  [
    'a forgotten voter stays while the rest is no majority',
    { peers: nodes('ab', { b: LOST }), members: voters('axb') },
    'none',
  ],
  [
    'a voter that came back under another name is known by where it is',
    { peers: nodes('abc'), members: [...voters('ab'), { ...voter('c'), nodeId: 'former' }] },
    'none',
  ],
  [
    'two nodes: the one that does not lead',
    { peers: nodes('ab'), members: voters('ab') },
    `remove m-b: ${TWO}`,
  ],
  [
    'two nodes: the younger one leads',
    { peers: nodes('ab'), members: voters('ab'), self: 'b' },
    `remove m-a: ${TWO}`,
  ],
  ['two nodes, one suspect', { peers: nodes('ab', { b: SUSPECT }), members: voters('ab') }, 'none'],
  ['two nodes, one just lost', { peers: nodes('ab', { b: LOST }), members: voters('ab') }, 'none'],
  [
    'two nodes, one lost for long',
    { peers: nodes('ab', { b: GONE }), members: voters('ab') },
    'remove m-b: its node has been away for long',
  ],
  [
    'two nodes that were pinned',
    { peers: nodes('ab'), members: voters('ab'), setting: pinned('ab') },
    'none',
  ],
  ['just lost', { peers: nodes('abcd', { c: LOST }), members: voters('abc') }, 'none'],
  [
    'lost for long, and another one can take its place',
    { peers: nodes('abcd', { c: GONE }), members: voters('abc') },
    'remove m-c: its node has been away for long',
  ],
  [
    'lost for long, and there is no other',
    { peers: nodes('abc', { c: GONE }), members: voters('abc') },
    'none',
  ],
  [
    'lost for long, and the other one is avoided',
    { peers: nodes('abcd', { c: GONE }), members: voters('abc'), avoid: 'd' },
    'none',
  ],
  [
    'suspect for long is not gone',
    {
      peers: nodes('abcd', { c: { state: 'suspect', silentMs: REPLACE_AFTER_MS } }),
      members: voters('abc'),
    },
    'none',
  ],
  [
    'lost for long, one too many',
    { peers: nodes('abcd', { d: GONE }), members: voters('abcd') },
    'remove m-d: its node has been away for long',
  ],
  [
    'lost for long, while the rest is no majority',
    { peers: nodes('abcd', { b: SUSPECT, c: GONE }), members: voters('abc') },
    'none',
  ],
  [
    'a fourth is not added while two of three are away',
    { peers: nodes('abcdefg', { b: LOST, c: LOST }), members: voters('abc') },
    'none',
  ],
  [
    'a fourth is added while one of three is away',
    { peers: nodes('abcdefg', { c: LOST }), members: voters('abc') },
    'add d',
  ],
  [
    'pinned: the chosen',
    { peers: nodes('abcd'), members: voters('a'), setting: pinned('ad') },
    'add d',
  ],
  [
    'pinned: only the chosen, though more are usual',
    { peers: nodes('abcd'), members: voters('a'), setting: pinned('a') },
    'none',
  ],
  [
    'pinned: another one instead comes first',
    { peers: nodes('abc'), members: voters('a'), setting: pinned('b') },
    'add b',
  ],
  [
    'pinned: the one that was not chosen goes then, though it leads',
    { peers: nodes('abc'), members: voters('ab'), setting: pinned('b') },
    'remove m-a: others were chosen',
  ],
  [
    'pinned: of those that were not chosen the leader goes last',
    { peers: nodes('abc'), members: voters('abc'), setting: pinned('c') },
    'remove m-b: others were chosen',
  ],
  [
    'pinned: of those that were not chosen the lost goes first',
    { peers: nodes('abcd', { c: LOST }), members: voters('abcd'), setting: pinned('ad') },
    'remove m-c: others were chosen',
  ],
  [
    'pinned: nobody goes while the rest is no majority',
    { peers: nodes('abc', { c: LOST }), members: voters('abc'), setting: pinned('ac') },
    'none',
  ],
  [
    'pinned: one that was chosen stays, lost for long or not',
    { peers: nodes('abcd', { c: GONE }), members: voters('abc'), setting: pinned('abc') },
    'none',
  ],
  [
    'pinned: one that was chosen comes where nobody can go yet',
    { peers: nodes('abce', { b: LOST }), members: voters('abc'), setting: pinned('be') },
    'add e',
  ],
];

for (const [what, given, expected] of STEPS) {
  test(`managers: ${what}`, () => {
    assert.equal(words(planManagers(inputOf(given))), expected);
  });
}

test('how many are wanted', () => {
  const counts = [1, 2, 3, 4, 6, 7, 50].map(wantedManagers);
  assert.deepEqual(counts, [1, 1, 3, 3, 3, 5, 5]);
});
