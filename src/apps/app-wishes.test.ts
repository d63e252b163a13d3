import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  changedEnv,
  checkAppName,
  checkDomains,
  deployed,
  freeUid,
  newApp,
  releaseBefore,
  scaled,
} from './app-wishes.ts';
import { RELEASES_KEPT } from './model.ts';
import { UID_FIRST, UID_LAST } from './run-limits.ts';

const APP = newApp('shop', 61_000, 0);
const INVALID = { code: 'APPS_INVALID' };

test('names of apps', () => {
  for (const name of ['a', 'shop-2', 'x'.repeat(40)]) checkAppName(name);
  for (const name of ['', '-a', 'a-', 'A', '2a', 'a.b', 'x'.repeat(41)]) {
    assert.throws(() => checkAppName(name), INVALID);
  }
});

test('domains: lower case, once, real host names, not those of others', () => {
  const others = [APP, { name: 'blog', domains: ['blog.example.org'] }];
  assert.deepEqual(checkDomains('shop', ['A.org', 'a.org', '*.b.org'], others), [
    'a.org',
    '*.b.org',
  ]);
  for (const bad of ['http://a.org', 'a.org:80', 'a b', '-a.org', 'a..b', '*']) {
    assert.throws(() => checkDomains('shop', [bad], others), INVALID, bad);
  }
  for (const taken of ['blog.example.org', 'blog.localhost']) {
    assert.throws(() => checkDomains('shop', [taken], others), { code: 'APPS_DOMAIN_TAKEN' });
  }
});

test('settings and secrets: one name is one of both', () => {
  const app = { ...APP, env: { A: '1', B: '2' }, secretNames: ['S'] };
  assert.deepEqual(changedEnv(app, { set: { A: '3' }, unset: ['B'] }), {
    env: { A: '3' },
    secretNames: ['S'],
  });
  assert.deepEqual(changedEnv(app, { setSecrets: { A: 'x' } }), {
    env: { B: '2' },
    secretNames: ['A', 'S'],
  });
  assert.deepEqual(changedEnv(app, { set: { S: 'open' } }).secretNames, []);
  assert.deepEqual(changedEnv(app, { unsetSecrets: ['S'] }).secretNames, []);
  for (const name of ['', '1A', 'A-B', 'A=B', 'MOLN_APP', 'PORT', 'HOME']) {
    assert.throws(() => changedEnv(app, { set: { [name]: 'x' } }), INVALID, name);
  }
  assert.throws(() => changedEnv(app, { set: { BIG: 'x'.repeat(40_000) } }), INVALID);
});

test('history: newest first, bounded, and the one before is another release', () => {
  let app = APP;
  for (let at = 0; at < 15; at++)
    app = deployed(app, { release: `r${at}`, at, by: 'x', kind: 'deploy' });
  assert.equal(app.history.length, RELEASES_KEPT);
  assert.deepEqual([app.release, releaseBefore(app)], ['r14', 'r13']);
  const same = deployed(app, { release: 'r14', at: 20, by: 'x', kind: 'deploy' });
  assert.equal(releaseBefore(same), 'r13');
  assert.equal(releaseBefore(APP), undefined);
});

test('scale needs a known process and a sane number', () => {
  assert.throws(() => scaled(APP, undefined, { web: 1 }), INVALID);
});

test('uids are free ones of the range, until there are none', () => {
  assert.equal(freeUid(new Set(), 0), UID_FIRST);
  assert.equal(freeUid(new Set([UID_FIRST, UID_FIRST + 1]), 0), UID_FIRST + 2);
  const last = UID_LAST - UID_FIRST;
  assert.equal(freeUid(new Set([UID_LAST]), last), UID_FIRST, 'goes on at the beginning');
  const all = new Set(Array.from({ length: last + 1 }, (_, index) => UID_FIRST + index));
  assert.throws(() => freeUid(all), { code: 'APPS_NO_UID_LEFT' });
});

test('settings that no process could be started with are refused', () => {
  const value = 'x'.repeat(32 * 1024);
  const set = Object.fromEntries(Array.from({ length: 30 }, (_, n) => [`N${n}`, value]));
  assert.throws(() => changedEnv(APP, { set }), INVALID);
});
