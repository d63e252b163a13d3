import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeQuery, flagParam, integerParam, listParam, textParam } from './query.ts';

const PARAMS = {
  tail: integerParam('Lines', { min: 0, max: 10, fallback: 3 }),
  follow: flagParam('Follow'),
  process: textParam('Process'),
  domain: listParam('Domain', { itemsMin: 0, itemsMax: 2 }),
};

function decode(text: string): unknown {
  return decodeQuery(new URLSearchParams(text), PARAMS);
}

test('absent parameters have their defaults', () => {
  assert.deepEqual(decode(''), { tail: 3, follow: false, process: undefined, domain: [] });
});

test('values are decoded by their kind', () => {
  assert.deepEqual(decode('tail=0&follow=1&process=a%26b&domain=x&domain=y'), {
    tail: 0,
    follow: true,
    process: 'a&b',
    domain: ['x', 'y'],
  });
});

test('anything else is an error that names the parameter', () => {
  const rows = [
    ['tail=11', /"tail" is "11", want a whole number from 0 to 10/],
    ['tail=1e1', /"tail" is "1e1"/],
    ['tail=', /"tail" is ""/],
    ['follow=yes', /"follow" is "yes", want true or false/],
    ['follow=constructor', /"follow"/],
    ['process=a&process=b', /"process" is given 2 times, want once/],
    ['domain=x&domain=y&domain=z', /"domain" is given 3 times, want 0 to 2/],
    ['folow=1', /Unknown parameter "folow": did you mean "follow"\?/],
    ['__proto__=1', /Unknown parameter "__proto__"/],
  ] as const;
  for (const [text, message] of rows) {
    assert.throws(() => decode(text), { code: 'CONFIG_INVALID', message }, text);
  }
});
