import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isLoopback, peerGroup, plainAddress } from './addresses.ts';

test('loopback is 127/8 and ::1, mapped or not, and nothing that only looks like it', () => {
  for (const address of ['127.0.0.1', '127.9.8.7', '::1', '::ffff:127.0.0.1', '::FFFF:127.0.0.2']) {
    assert.equal(isLoopback(address), true, address);
  }
  for (const address of [
    '10.0.0.1',
    '128.0.0.1',
    '::2',
    '::ffff:10.0.0.1',
    '127.evil.example',
    '',
  ]) {
    assert.equal(isLoopback(address), false, address);
  }
  assert.equal(isLoopback(undefined), false);
});

test('a mapped address and a zone are stripped', () => {
  assert.equal(plainAddress('::ffff:192.0.2.1'), '192.0.2.1');
  assert.equal(plainAddress('fe80::1%eth0'), 'fe80::1');
});

test('IPv6 peers are one group per /64', () => {
  assert.equal(peerGroup('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2::/64');
  assert.equal(peerGroup('2001:db8:1:2::9'), '2001:db8:1:2::/64');
  assert.equal(peerGroup('2001:db8::9'), '2001:db8:0:0::/64');
  assert.equal(peerGroup('::ffff:192.0.2.1'), '192.0.2.1');
  assert.equal(peerGroup(undefined), 'unknown');
});
