import assert from 'node:assert/strict';
import { test } from 'node:test';
import { awaySentence, managerSentence } from './cluster-cloud.ts';

test('the loss of a machine is judged by the managers that still answer', () => {
  const sentence = (nodes: number, managers: number, away = 0): string =>
    managerSentence({ nodes, managers, away });
  assert.match(sentence(1, 1), /holds everything/);
  assert.match(sentence(2, 1), /one more machine and failover is automatic/);
  assert.match(sentence(3, 3), /loss of any 1 of them changes nothing/);
  assert.match(sentence(3, 3, 1), /1 of them away: if one more is lost, nothing can be changed/);
  assert.match(sentence(7, 5, 1), /1 of them away: the loss of any 1 more changes nothing/);
});

test('a takeover is only spoken of where it helps', () => {
  const standby = { node: 'two', isInSync: true };
  assert.match(awaySentence(1, standby), /run "moln manager takeover" on two/);
  assert.doesNotMatch(awaySentence(3, standby), /takeover/);
  assert.doesNotMatch(awaySentence(1, { ...standby, isInSync: false }), /takeover/);
});
