import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ETCD_REVISION_BASE, Revisions } from './revisions.ts';

describe('revisions of etcd and of the registry', () => {
  test('what etcd says and is given back is the same, and absent stays absent', () => {
    for (const epoch of [1, 2, 4096]) {
      const revisions = new Revisions(epoch);
      assert.equal(revisions.ours(0n), 0);
      assert.equal(revisions.ours(undefined), 0);
      assert.equal(revisions.theirs(0), 0n);
      for (const value of [1n, 2n, 1_000_000n, 2n ** 39n]) {
        assert.equal(revisions.theirs(revisions.ours(value)), value);
      }
    }
  });

  test('those of a later etcd are above all of an earlier one', () => {
    const [first, second] = [new Revisions(), new Revisions(2)];
    assert.equal(first.base, ETCD_REVISION_BASE);
    assert.ok(first.ours(1n) > 1_000_000_000);
    assert.ok(second.ours(1n) > first.ours(BigInt(ETCD_REVISION_BASE - 1)));
  });

  test('one from before the move is one that no key has', () => {
    const revisions = new Revisions(2);
    for (const old of [1, 57, ETCD_REVISION_BASE, new Revisions(1).ours(57n), revisions.base]) {
      assert.equal(revisions.theirs(old), -1n);
    }
  });

  test('an epoch that is none, and a number that is not exact, are refused', () => {
    for (const epoch of [0, -1, 1.5, 4097]) assert.throws(() => new Revisions(epoch), /epoch/);
    assert.throws(() => new Revisions().ours(2n ** 53n), /too large/);
  });
});
