import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BalancerChoice, type Choosable } from './balancer-choice.ts';
import type { BalanceBy } from './balancer-config.ts';

interface Stub extends Choosable {
  connections: number;
  isDown: boolean;
}

function target(id: string, weight = 1): Stub {
  return {
    id,
    connections: 0,
    config: { weight },
    isDown: false,
    isUsable() {
      return !this.isDown;
    },
  };
}

function draw(by: BalanceBy, targets: readonly Stub[], count: number, keep = false): string {
  const choice = new BalancerChoice(by, targets);
  let drawn = '';
  for (let index = 0; index < count; index++) {
    const chosen = choice.choose({ excluded: [], source: `192.0.2.${index % 256}`, nowMs: 0 });
    if (chosen !== undefined && keep) chosen.connections++;
    drawn += chosen?.id ?? '-';
  }
  return drawn;
}

describe('the choice of a balancer', () => {
  test('round robin goes round, by weight and smoothly', () => {
    assert.equal(draw('round-robin', [target('a'), target('b'), target('c')], 7), 'abcabca');
    assert.equal(draw('round-robin', [target('a', 5), target('b'), target('c')], 7), 'aabacaa');
    assert.equal(draw('round-robin', [target('a'), target('b', 0)], 3), 'aaa');
  });

  test('least takes who has least for its weight, and goes round among equals', () => {
    assert.equal(draw('least', [target('a'), target('b')], 4), 'abab');
    const busy = target('a');
    busy.connections = 2;
    assert.equal(draw('least', [busy, target('b')], 4, true), 'bbab');
    const counts = draw('least', [target('a', 3), target('b')], 400, true);
    assert.equal(counts.replaceAll('b', '').length, 300);
  });

  test('one source keeps its upstream, and only those of one that goes move', () => {
    const all = ['a', 'b', 'c', 'd'].map((id) => target(id));
    const before = draw('source-hash', all, 256);
    assert.equal(draw('source-hash', all.toReversed(), 256), before);
    const gone = all[1];
    assert.ok(gone);
    gone.isDown = true;
    const after = draw('source-hash', all, 256);
    for (let index = 0; index < 256; index++) {
      if (before[index] !== 'b') assert.equal(after[index], before[index]);
      else assert.notEqual(after[index], 'b');
    }
    for (const id of 'abcd') {
      const count = before.split(id).length - 1;
      assert.ok(count > 40 && count < 90, `${id} has ${count} of 256`);
    }
  });

  test('a source hash heeds weights', () => {
    const drawn = draw('source-hash', [target('a', 3), target('b', 1)], 256);
    const count = drawn.split('a').length - 1;
    assert.ok(count > 165 && count < 220, `${count} of 256`);
  });

  test('who is down or excluded is passed over; when all are down they are tried', () => {
    for (const by of ['round-robin', 'least', 'source-hash'] as const) {
      const [a, b] = [target('a'), target('b')];
      a.isDown = true;
      assert.equal(draw(by, [a, b], 3), 'bbb');
      b.isDown = true;
      assert.match(draw(by, [a, b], 8), /^[ab]+$/);
      const choice = new BalancerChoice(by, [a, b]);
      assert.equal(choice.choose({ excluded: [a], source: '', nowMs: 0 }), b);
      assert.equal(choice.choose({ excluded: [a, b], source: '', nowMs: 0 }), undefined);
    }
  });
});
