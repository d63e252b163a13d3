import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigError, isMolnError, messageOf, MolnError, systemCode } from './errors.ts';

test('an error keeps code, hint and details over the wire', () => {
  const sent = new MolnError('APPS_NOT_FOUND', 'No app "x"', {
    hint: 'Run "moln apps"',
    retryable: true,
    details: { app: 'x' },
    cause: new Error('inner'),
  });
  const got = MolnError.from(JSON.parse(JSON.stringify(sent)));
  assert.equal(got.message, 'No app "x"');
  assert.deepEqual(got.toJSON(), sent.toJSON());
  assert.equal('cause' in sent.toJSON(), false);
});

test('the brand is what tells an error, not its class', () => {
  assert.ok(isMolnError(new ConfigError('a.b', 'Key "a.b" is missing'), 'CONFIG_INVALID'));
  assert.ok(isMolnError({ molnError: true, code: 'X' }, 'X'));
  assert.equal(isMolnError(new Error('x')), false);
  assert.equal(isMolnError(new MolnError('A', 'a'), 'B'), false);
  assert.equal(isMolnError(null), false);
});

test('anything thrown has a message, and system errors a code', () => {
  assert.equal(messageOf('plain'), 'plain');
  assert.equal(messageOf(new Error('said')), 'said');
  assert.equal(systemCode(Object.assign(new Error('x'), { code: 'ENOENT' })), 'ENOENT');
  assert.equal(systemCode(Object.assign(new Error('x'), { code: 5 })), undefined);
  assert.equal(systemCode('x'), undefined);
});
