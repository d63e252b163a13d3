import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { evenSlotMap, SLOTS } from '../slots/slots.ts';
import { canonicalKey, type Collation, slotOf } from './key-slot.ts';
import type { SqlValue } from './values.ts';

const GOLDEN = new URL('golden/slots-1.json', import.meta.url);

interface Golden {
  readonly type: 'null' | 'integer' | 'real' | 'text' | 'blob';
  readonly value: string;
  readonly collation: Collation;
  readonly slot: number;
}

function valueOf({ type, value }: Golden): SqlValue {
  if (type === 'null') return null;
  if (type === 'integer') return BigInt(value);
  if (type === 'real') return Number(value);
  return type === 'text' ? value : Buffer.from(value, 'hex');
}

test('keys of the golden file lie where they always lay', () => {
  const golden = JSON.parse(readFileSync(GOLDEN, 'utf8')) as readonly Golden[];
  assert.ok(golden.length > 20);
  for (const one of golden) {
    assert.equal(slotOf(valueOf(one), one.collation), one.slot, JSON.stringify(one));
  }
});

test('keys are one exactly when SQLite finds them equal', () => {
  const same = (a: SqlValue, b: SqlValue, collation: Collation = 'BINARY'): boolean =>
    canonicalKey(a, collation).equals(canonicalKey(b, collation));
  assert.ok(same(1n, 1));
  assert.ok(same(0n, -0));
  assert.ok(same(2n ** 53n, 2 ** 53));
  assert.ok(!same(2n ** 53n + 1n, 2 ** 53));
  assert.ok(!same(1n, '1'));
  assert.ok(!same('a', Buffer.from('a')));
  assert.ok(!same(null, ''));
  assert.ok(!same('a', 'A'));
  assert.ok(same('a', 'A', 'NOCASE'));
  assert.ok(!same('ä', 'Ä', 'NOCASE'));
  assert.ok(same('a', 'a  ', 'RTRIM'));
  assert.ok(!same('a', 'a\t', 'RTRIM'));
});

test('an even map gives every stripe its share, and keys spread over it', () => {
  const { stripes } = evenSlotMap(8);
  assert.equal(stripes.length, SLOTS);
  const counts = new Map<number, number>();
  for (let key = 0n; key < 8000n; key += 1n) {
    const stripe = stripes[slotOf(key, 'BINARY')] ?? -1;
    counts.set(stripe, (counts.get(stripe) ?? 0) + 1);
  }
  assert.equal(counts.size, 8);
  for (const count of counts.values()) assert.ok(count > 800 && count < 1200, String(count));
});
