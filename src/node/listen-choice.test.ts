import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseListeners, type ListenFacts, type ListenWishes, urlOf } from './listen-choice.ts';

const NONE: ListenWishes = {
  address: undefined,
  listen: undefined,
  httpPort: undefined,
  httpsPort: undefined,
  gatewayPort: undefined,
  port: undefined,
};
const ROOT: ListenFacts = { isRoot: true, hasIpv6: true, isFree: () => true };

const TABLE: readonly (readonly [string, Partial<ListenWishes>, Partial<ListenFacts>, string[]])[] =
  [
    ['root', {}, {}, ['http-short ::80', 'http ::8080', 'https-short ::443', 'https ::8443']],
    ['not root', {}, { isRoot: false }, ['http ::8080', 'https ::8443']],
    [
      '80 taken',
      {},
      { isFree: (port) => port !== 80 },
      ['http ::8080', 'https-short ::443', 'https ::8443'],
    ],
    ['wished ports', { httpPort: 9000, httpsPort: 0 }, {}, ['http ::9000', 'https ::0']],
    [
      'an address, no IPv6',
      { address: '127.0.0.2', httpPort: 1, httpsPort: 2 },
      { hasIpv6: false },
      ['http 127.0.0.2:1', 'https 127.0.0.2:2'],
    ],
    [
      'all addresses, others at one',
      { address: '10.0.0.2', listen: '0.0.0.0', httpPort: 1, httpsPort: 2 },
      {},
      ['http 0.0.0.0:1', 'https 0.0.0.0:2'],
    ],
    ['no IPv6', {}, { hasIpv6: false, isRoot: false }, ['http 0.0.0.0:8080', 'https 0.0.0.0:8443']],
  ];

for (const [name, wishes, facts, places] of TABLE) {
  test(`listeners: ${name}`, () => {
    const choice = chooseListeners({ ...NONE, ...wishes }, { ...ROOT, ...facts });
    assert.deepEqual(
      choice.gateway.map((p) => `${p.id} ${p.address}${p.address === '::' ? '' : ':'}${p.port}`),
      places,
    );
    assert.equal(choice.api.address, wishes.address ?? '127.0.0.1');
  });
}

test('an address is shown as a link that can be opened', () => {
  assert.equal(urlOf({ address: '::', port: 8080, protocol: 'http' }), 'http://127.0.0.1:8080');
  assert.equal(urlOf({ address: '::1', port: 443, protocol: 'https' }), 'https://[::1]');
  assert.equal(
    urlOf({ address: '0.0.0.0', port: 80, protocol: 'http' }, 'shop.localhost'),
    'http://shop.localhost',
  );
});
