import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forwardedFields, forwardedNode, plainAddress } from './forwarded.ts';

test('addresses are plain', () => {
  assert.equal(plainAddress('::ffff:10.0.0.1'), '10.0.0.1');
  assert.equal(plainAddress('fe80::1%eth0'), 'fe80::1');
  assert.equal(plainAddress('::1'), '::1');
  assert.equal(forwardedNode('::ffff:10.0.0.1'), '10.0.0.1');
  assert.equal(forwardedNode('2001:db8::1'), '"[2001:db8::1]"');
  assert.equal(forwardedNode(''), 'unknown');
});

test('fields for a direct client', () => {
  const fields = forwardedFields({
    clientAddress: '2001:db8::1',
    host: 'a.example:8080',
    protocol: 'https',
  });
  assert.deepEqual(fields, {
    xForwardedFor: '2001:db8::1',
    xForwardedHost: 'a.example:8080',
    xForwardedProto: 'https',
    forwarded: 'for="[2001:db8::1]";host="a.example:8080";proto=https',
  });
});
