/** Which member of etcd is restarted next so that forgotten nodes lose their connections. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planCutOff, type RegistryHolder } from './cut-off.ts';

/** `a` serves and was started with serial 1; `*` leads, `!` does not answer, `?` says nothing, digits are serials. */
function holder(words: string): RegistryHolder {
  const nodeId = words.slice(0, 1);
  return {
    nodeId,
    isAnswering: !words.includes('!'),
    isLeading: words.includes('*'),
    startedWith: words.includes('?') ? undefined : (words.match(/\d/g)?.map(String) ?? []),
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
    const step = planCutOff(members.split(' ').map(holder), ['1', '2']);
    assert.equal(step.kind === 'restart' ? `restart ${step.nodeId}` : step.kind, wanted);
  });
}

test('nothing revoked: nothing to do', () => {
  assert.deepEqual(planCutOff([holder('a'), holder('b!')], []), { kind: 'done' });
});
