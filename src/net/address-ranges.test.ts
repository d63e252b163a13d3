import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AddressRanges, isAddressRange } from './address-ranges.ts';

test('addresses are in ranges of their own family, mapped ones too', () => {
  const ranges = new AddressRanges(['10.0.0.0/8', '192.0.2.7', 'fd00::/8', '::1']);
  for (const inside of ['10.1.2.3', '::ffff:10.1.2.3', '192.0.2.7', 'fd12::1', '::1']) {
    assert.ok(ranges.has(inside), inside);
  }
  for (const outside of ['11.0.0.1', '192.0.2.8', 'fe80::1', '::2', '', 'localhost']) {
    assert.ok(!ranges.has(outside), outside);
  }
  assert.ok(!ranges.has(undefined));
  assert.ok(new AddressRanges(['0.0.0.0/0']).has('8.8.8.8'));
});

test('what is no range is said', () => {
  for (const good of ['10.0.0.0/8', '10.0.0.1', '0.0.0.0/0', '10.0.0.1/32', '::/0', 'fd00::/128']) {
    assert.ok(isAddressRange(good), good);
  }
  const bad = [
    '',
    '10.0.0.0/33',
    '::/129',
    '10.0.0.0/',
    '10.0.0.0/08',
    '10.0.0/8',
    'a',
    '1.2.3.4/x',
  ];
  for (const text of [...bad, 'fe80::1%eth0', '10.0.0.0/8/8', ' 10.0.0.1']) {
    assert.ok(!isAddressRange(text), text);
  }
});
