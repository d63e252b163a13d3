import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseDriver, type DriverFacts } from './choose-driver.ts';

const ROOT: DriverFacts = {
  uid: 0,
  sandboxProblem: undefined,
  closedRuntime: undefined,
  closedFolders: [],
};

test('root with working namespaces isolates, closed folders or not', () => {
  assert.equal(chooseDriver(ROOT).name, 'unshare');
  assert.equal(chooseDriver({ ...ROOT, closedFolders: ['/root'] }).name, 'unshare');
});

const PLAIN: readonly (readonly [string, DriverFacts, RegExp, boolean])[] = [
  ['not root', { ...ROOT, uid: 1000 }, /does not run as root/, false],
  ['no namespaces', { ...ROOT, sandboxProblem: 'denied' }, /does not work here: denied/, true],
  ['runtime closed', { ...ROOT, closedRuntime: '/n' }, /other users cannot run "\/n"/, false],
  [
    'no namespaces and a closed way',
    { ...ROOT, sandboxProblem: 'denied', closedFolders: ['/root'] },
    /denied/,
    false,
  ],
];

for (const [title, facts, why, ownUid] of PLAIN) {
  test(`plain: ${title}`, () => {
    const choice = chooseDriver(facts);
    assert.ok(choice.name === 'plain');
    assert.match(choice.why, why);
    assert.equal(choice.ownUid, ownUid);
  });
}

test('the weaker driver can be asked for', () => {
  assert.equal(chooseDriver(ROOT, 'plain').name, 'plain');
});
