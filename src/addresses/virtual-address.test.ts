import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requireListening } from './ability.ts';
import { cardOf, readLinks } from './seen-links.ts';
import { hardwareAddress, isVirtualLink, linkName, parseAddress } from './virtual-address.ts';

test('addresses as people write them', () => {
  assert.deepEqual(parseAddress('192.168.1.50'), { address: '192.168.1.50', prefix: undefined });
  assert.deepEqual(parseAddress('192.168.1.50/24'), { address: '192.168.1.50', prefix: 24 });
  assert.equal(parseAddress('FD00:0:0::050/64').address, 'fd00::50');
  const bad = ['', 'host', '10.0.0', '10.0.0.1/33', '10.0.0.1/', '10.0.0.1/2/3', 'fd00::1%eth0'];
  const unfit = ['127.0.0.1', '0.0.0.0', '224.0.0.1', '::1', '::ffff:10.0.0.1', 'fe80::1'];
  for (const text of [...bad, ...unfit]) {
    assert.throws(() => parseAddress(text), { code: 'ADDRESSES_INVALID' }, text);
  }
});

test('interface and hardware address of its own', () => {
  const name = linkName('node-1', '10.0.0.50');
  assert.equal(name.length, 15, 'the most that Linux takes');
  assert.ok(isVirtualLink(name));
  assert.notEqual(name, linkName('node-2', '10.0.0.50'));
  const hardware = hardwareAddress('cluster', '10.0.0.50');
  assert.match(hardware, /^02(?::[0-9a-f]{2}){5}$/);
  assert.notEqual(hardware, hardwareAddress('another', '10.0.0.50'));
});

const LINKS = readLinks(
  JSON.stringify([
    link('lo', '127.0.0.1/8'),
    link('eth0', '192.168.1.10/24', 'fd00:1::10/64', 'fe80::1/64'),
    link('eth1', '10.0.0.10/16'),
    { ...link('eth2', '172.16.0.2/24'), flags: ['UP'] },
    { ...link(linkName('n', '192.168.1.50'), '192.168.1.50/32'), link: 'eth0' },
  ]),
);

function link(ifname: string, ...addresses: readonly string[]): object {
  const info = addresses.map((one) => {
    const [local, prefix] = one.split('/');
    return { local, prefixlen: Number(prefix) };
  });
  return { ifname, flags: ['UP', 'LOWER_UP'], addr_info: info };
}

test('the card that an address belongs on', () => {
  const card = (text: string, named?: string): string =>
    cardOf({ ...parseAddress(text), interface: named }, LINKS);
  assert.equal(card('192.168.1.50'), 'eth0');
  assert.equal(card('10.0.200.50/16'), 'eth1');
  assert.equal(card('fd00:1::50/64'), 'eth0');
  const refusals: readonly (readonly [string, string | undefined, RegExp])[] = [
    ['192.168.2.50', undefined, /^none of its network interfaces is in the network/],
    ['192.168.1.50/16', undefined, /^the network of its interface "eth0" is \/24, not \/16$/],
    [
      '192.168.1.50',
      'eth1',
      /^its interface "eth1" is not in the network .* it has 10\.0\.0\.10\/16$/,
    ],
    ['192.168.1.50', 'wlan0', /^it has no network interface "wlan0"$/],
    ['192.168.1.255', undefined, /is the first or the last of the network/],
    ['172.16.0.9', undefined, /^its interface "eth2" is down$/],
  ];
  for (const [text, named, message] of refusals) {
    assert.throws(() => card(text, named), { code: 'ADDRESSES_UNABLE', message });
  }
});

test('a gateway that would not hear what comes to the address', () => {
  requireListening('10.0.0.50', ['::', '::']);
  requireListening('10.0.0.50', ['0.0.0.0']);
  requireListening('fd00::50', ['::']);
  assert.throws(() => requireListening('fd00::50', ['0.0.0.0']), /listens on 0\.0\.0\.0 only/);
  assert.throws(() => requireListening('10.0.0.50', ['10.0.0.10']), {
    code: 'ADDRESSES_UNABLE',
    hint: 'Start that node with --listen 0.0.0.0',
  });
});
