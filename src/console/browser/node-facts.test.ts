import assert from 'node:assert/strict';
import { test } from 'node:test';
import { labelWords, roleOf, whyNotForgotten } from './node-facts.ts';

const standby = { node: 'two', isInSync: true };

test('a node leads, manages, stands by or works', () => {
  const manager = { managers: ['one'], standby };
  const node = { name: 'two', isLeader: false, isManager: false };
  assert.equal(roleOf({ ...node, name: 'one', isLeader: true }, manager), 'leader');
  assert.equal(roleOf({ ...node, name: 'one' }, manager), 'manager');
  assert.equal(roleOf(node, manager), 'standby');
  assert.equal(roleOf({ ...node, name: 'three' }, manager), 'worker');
  // It has been given the role, and does not hold the registry yet.
  assert.equal(roleOf({ ...node, name: 'three', isManager: true }, manager), 'worker');
  assert.equal(roleOf({ ...node, isManager: true }, undefined), 'manager');
});

test('labels are written as the command line takes them, in order', () => {
  assert.deepEqual(labelWords({ rack: '3', disk: 'ssd' }), ['disk=ssd', 'rack=3']);
});

test('neither the node of the page nor the only manager is forgotten', () => {
  const managers = ['one'];
  assert.match(whyNotForgotten('two', { self: 'two', managers }) ?? '', /itself/);
  assert.match(whyNotForgotten('one', { self: 'two', managers }) ?? '', /only one/);
  assert.equal(whyNotForgotten('three', { self: 'two', managers }), undefined);
  assert.equal(whyNotForgotten('one', { self: 'two', managers: ['one', 'two'] }), undefined);
});
