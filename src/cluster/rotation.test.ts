import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Acknowledgement,
  lacksOf,
  planRotation,
  type RotatingNode,
  type RotationInput,
  type RotationStep,
  wantedOfEtcd,
} from './rotation.ts';

const pair = { from: 'old', to: 'new' };
const HERE = { isManager: false, isAway: false } as const;
const LIFE = { notBefore: 0, notAfter: 900 };

const before: Acknowledgement = { trusts: ['old'], issuer: 'old', keys: [] };
const both: Acknowledgement = { ...before, trusts: ['old', 'new'] };
const renewed: Acknowledgement = { trusts: ['new', 'old'], issuer: 'new', keys: [] };
const dropped: Acknowledgement = { ...renewed, trusts: ['new'] };

function node(
  acknowledged: Acknowledgement | undefined,
  more: Partial<RotatingNode> = {},
): RotatingNode {
  return { id: 'n', name: 'n', ...HERE, acknowledged, ...more };
}

function input(step: RotationStep | undefined, nodes: readonly RotatingNode[]): RotationInput {
  return { step, pair, nodes, life: LIFE, nowMs: 0, isKeyLost: false };
}

test('what holds a step up at a node', () => {
  const manager = { isManager: true };
  const cases: readonly (readonly [RotationStep, RotatingNode, string | undefined])[] = [
    ['trust', node(undefined), 'trust'],
    ['trust', node(before), 'trust'],
    ['trust', node({ ...both, trusts: ['old', 'given up', 'new'] }), 'trust'],
    ['trust', node({ ...both, trusts: ['old', 'given up'] }), 'trust'],
    ['trust', node(both), undefined],
    ['trust', node(renewed), undefined],
    ['trust', node(both, manager), 'key'],
    ['trust', node({ ...both, keys: ['old'] }, manager), 'key'],
    ['trust', node({ ...both, keys: ['old', 'new'] }, manager), undefined],
    ['trust', node({ ...both, etcd: ['old'] }), 'etcd'],
    ['trust', node({ ...both, etcd: ['new', 'old'] }), undefined],
    ['renew', node(both), 'certificate'],
    ['renew', node({ ...renewed, issuer: 'old' }), 'certificate'],
    ['renew', node({ ...both, issuer: 'new' }), 'certificate'],
    ['renew', node(undefined), 'certificate'],
    ['renew', node(renewed), undefined],
    ['renew', node(dropped), undefined],
    ['drop', node(renewed), 'drop'],
    ['drop', node(undefined), 'drop'],
    ['drop', node({ ...dropped, etcd: ['new', 'old'] }), 'etcd'],
    ['drop', node({ ...dropped, etcd: ['new'] }), undefined],
    ['drop', node(dropped), undefined],
    ['asked', node(before), undefined],
    ['done', node(before), undefined],
  ];
  for (const [step, one, what] of cases) {
    const wanted = what === undefined ? [] : [{ node: 'n', isAway: false, what }];
    assert.deepEqual(lacksOf(step, pair, [one]), wanted, `${step} ${JSON.stringify(one)}`);
  }
});

test('one node that lacks something holds everybody up, also when it is away', () => {
  for (const [step, done, behind, what] of [
    ['trust', both, before, 'trust'],
    ['renew', renewed, both, 'certificate'],
    ['drop', dropped, renewed, 'drop'],
  ] as const) {
    const away = node(behind, { name: 'away', isAway: true });
    assert.deepEqual(planRotation(input(step, [node(done), away])), {
      kind: 'wait',
      lacks: [{ node: 'away', isAway: true, what }],
    });
  }
});

test('it moves on when nobody lacks anything, also without those that are away', () => {
  for (const [step, all, to] of [
    ['trust', both, 'renew'],
    ['renew', renewed, 'drop'],
    ['drop', dropped, 'done'],
  ] as const) {
    const nodes = [node(all), node(all, { isAway: true })];
    assert.deepEqual(planRotation(input(step, nodes)), { kind: 'move', to });
  }
});

test('a new authority is made when it is asked for, or when its key is lost before it was used', () => {
  const nodes = [node(both)];
  assert.equal(planRotation(input('asked', nodes)).kind, 'propose');
  assert.equal(planRotation({ ...input('trust', nodes), pair: undefined }).kind, 'propose');
  assert.equal(planRotation({ ...input('trust', nodes), isKeyLost: true }).kind, 'propose');
  for (const step of ['renew', 'drop'] as const) {
    assert.notEqual(planRotation({ ...input(step, nodes), isKeyLost: true }).kind, 'propose');
  }
});

test('it begins by itself when a third of the life is left, and not while one is under way', () => {
  const at = (step: RotationStep | undefined, nowMs: number): string =>
    planRotation({ ...input(step, [node(before)]), nowMs }).kind;
  for (const step of [undefined, 'done'] as const) {
    assert.equal(at(step, 599), 'none');
    assert.equal(at(step, 600), 'ask');
    assert.equal(at(step, 901), 'ask');
  }
  assert.equal(at('trust', 800), 'wait');
});

test('what etcd is to be started with', () => {
  assert.equal(wantedOfEtcd(undefined, pair), undefined);
  assert.equal(wantedOfEtcd('asked', undefined), undefined);
  assert.deepEqual(wantedOfEtcd('trust', pair), ['old', 'new']);
  assert.deepEqual(wantedOfEtcd('renew', pair), ['old', 'new']);
  assert.deepEqual(wantedOfEtcd('drop', pair), ['new']);
  assert.deepEqual(wantedOfEtcd('done', pair), ['new']);
});
