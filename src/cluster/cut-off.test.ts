/** Which member of etcd is restarted next, so that forgotten nodes lose their connections and all trust the same authorities. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planCutOff, type RegistryHolder } from './cut-off.ts';

/**
 * `a` serves; `*` leads, `!` does not answer, `?` says nothing. Digits are serials that it was started with, capitals the
 * authorities, and what follows `>` those that it would be started with now.
 */
function holder(words: string): RegistryHolder {
  const nodeId = words.slice(0, 1);
  const [before = '', now = before] = words.split('>');
  const authorities = before.match(/[A-Z]/g)?.map(String) ?? [];
  return {
    nodeId,
    isAnswering: !words.includes('!'),
    isLeading: words.includes('*'),
    startedWith: words.includes('?')
      ? undefined
      : {
          serials: words.match(/\d/g)?.map(String) ?? [],
          authorities,
          nextAuthorities: now.match(/[A-Z]/g)?.map(String) ?? [],
        },
  };
}

const CASES: readonly (readonly [members: string, wanted: string])[] = [
  ['a12 b12 c12', 'done'],
  ['a123', 'done'],
  ['a1', 'restart a'],
  ['a', 'restart a'],
  // While one of two comes back the other one stays.
  ['a* b12!', 'wait'],
  ['a* b1', 'restart b'],
  ['a1* b12', 'restart a'],
  // The leader last.
  ['a1* b1 c1', 'restart b'],
  ['a1* b12 c1', 'restart c'],
  ['a1* b12 c12', 'restart a'],
  // Never below the majority.
  ['a1* b12! c1', 'wait'],
  ['a1* b1! c1', 'restart b'],
  ['a1* b1 c1 d1! e1', 'restart d'],
  ['a1* b1 c1 d12! e1', 'restart b'],
  ['a1* b1 c1 d12! e12!', 'wait'],
  // One whose node is away is waited for; others go first.
  ['a12* b? c12', 'wait'],
  ['a12* b?! c1', 'wait'],
  ['a12* b? c1', 'restart c'],
];

for (const [members, wanted] of CASES) {
  test(`members ${members}: ${wanted}`, () => {
    const wish = { serials: ['1', '2'], authorities: undefined };
    const step = planCutOff(members.split(' ').map(holder), wish);
    assert.equal(step.kind === 'restart' ? `restart ${step.nodeId}` : step.kind, wanted);
  });
}

test('nothing revoked: nothing to do', () => {
  const wish = { serials: [], authorities: undefined };
  assert.deepEqual(planCutOff([holder('a'), holder('b!')], wish), { kind: 'done' });
});

const ROTATIONS: readonly (readonly [members: string, wanted: string])[] = [
  ['aAB bBA cAB', 'done'],
  ['a*A>AB bA>AB cA>AB', 'restart b'],
  ['a*A>AB bAB cA>AB', 'restart c'],
  ['a*A>AB bAB cAB', 'restart a'],
  ['a*A>AB bAB! cAB', 'wait'],
  // Its node has not heard of the other one yet: a restart would change nothing.
  ['a*AB bA cAB', 'wait'],
  ['a*A>AB bA cAB', 'restart a'],
  ['a*AB b? cAB', 'wait'],
  ['aABC>AB', 'restart a'],
  ['aB>AB', 'restart a'],
];

for (const [members, wanted] of ROTATIONS) {
  test(`members ${members} are to trust A and B: ${wanted}`, () => {
    const wish = { serials: [], authorities: ['A', 'B'] };
    const step = planCutOff(members.split(' ').map(holder), wish);
    assert.equal(step.kind === 'restart' ? `restart ${step.nodeId}` : step.kind, wanted);
  });
}

test('a forgotten node is not let in for the sake of an authority that is not known yet', () => {
  const wish = { serials: ['1'], authorities: ['A', 'B'] };
  assert.deepEqual(planCutOff([holder('aA')], wish), { kind: 'restart', nodeId: 'a' });
});
