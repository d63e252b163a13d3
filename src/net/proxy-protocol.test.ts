/** Headers of the PROXY protocol, good and hostile, by tables. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  PROXY_HEADER_BYTES_MAX,
  type ProxyHeader,
  proxyHeader,
  type ProxiedEnds,
  readProxyHeader,
} from './proxy-protocol.ts';

const SIGNATURE = '0d0a0d0a000d0a515549540a';
const IPV4 = 'c0000201cb0071070fa001bb';
const IPV6 = `${'20010db8000000000000000000000001'}${'20010db8000000000000000000000002'}0fa001bb`;

function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(' ', ''), 'hex');
}

function ends(source: string, destination: string): ProxiedEnds {
  return {
    source: { address: source, port: 4000 },
    destination: { address: destination, port: 443 },
  };
}

const FOUR = ends('192.0.2.1', '203.0.113.7');
const SIX = ends('2001:db8::1', '2001:db8::2');

const GOOD: readonly (readonly [what: string, header: Buffer, ends: ProxiedEnds | undefined])[] = [
  ['v1 TCP4', Buffer.from('PROXY TCP4 192.0.2.1 203.0.113.7 4000 443\r\n'), FOUR],
  ['v1 TCP6', Buffer.from('PROXY TCP6 2001:db8::1 2001:db8::2 4000 443\r\n'), SIX],
  ['v1 unknown', Buffer.from('PROXY UNKNOWN\r\n'), undefined],
  ['v1 unknown with words', Buffer.from('PROXY UNKNOWN ffff:f... 65535 65535\r\n'), undefined],
  ['v2 IPv4', hex(`${SIGNATURE} 21 11 000c ${IPV4}`), FOUR],
  ['v2 IPv6', hex(`${SIGNATURE} 21 21 0024 ${IPV6}`), SIX],
  ['v2 with unknown extensions', hex(`${SIGNATURE} 21 11 0014 ${IPV4} e00002abcd ee0000`), FOUR],
  ['v2 local', hex(`${SIGNATURE} 20 00 0000`), undefined],
  ['v2 local with addresses', hex(`${SIGNATURE} 20 11 000c ${IPV4}`), undefined],
  ['v2 local with nonsense', hex(`${SIGNATURE} 20 ff 0003 ffffff`), undefined],
  ['v2 without family', hex(`${SIGNATURE} 21 00 0000`), undefined],
  ['v2 datagram', hex(`${SIGNATURE} 21 12 000c ${IPV4}`), undefined],
  ['v2 unix', hex(`${SIGNATURE} 21 31 00d8 ${'61'.repeat(216)}`), undefined],
];

const line = (text: string): Buffer => Buffer.from(`PROXY ${text}\r\n`, 'latin1');

const HOSTILE: readonly (readonly [what: string, bytes: Buffer])[] = [
  ['HTTP', Buffer.from('GET / HTTP/1.1\r\n')],
  ['TLS', hex('160301')],
  ['nothing like it', Buffer.from('X')],
  ['v1 lower case', Buffer.from('proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n')],
  ['v1 unknown family', line('UDP4 1.2.3.4 1.2.3.4 1 2')],
  ['v1 other family', line('TCP4 ::1 ::1 1 2')],
  ['v1 other family, the other way', line('TCP6 1.2.3.4 1.2.3.4 1 2')],
  ['v1 too large a number', line('TCP4 1.2.3.256 1.2.3.4 1 2')],
  ['v1 leading zeros in an address', line('TCP4 01.2.3.4 1.2.3.4 1 2')],
  ['v1 leading zeros in a port', line('TCP4 1.2.3.4 1.2.3.4 01 2')],
  ['v1 too large a port', line('TCP4 1.2.3.4 1.2.3.4 1 65536')],
  ['v1 negative port', line('TCP4 1.2.3.4 1.2.3.4 -1 2')],
  ['v1 missing port', line('TCP4 1.2.3.4 1.2.3.4 1')],
  ['v1 one word more', line('TCP4 1.2.3.4 1.2.3.4 1 2 3')],
  ['v1 two spaces', line('TCP4  1.2.3.4 1.2.3.4 1 2')],
  ['v1 zone', line('TCP6 fe80::1%eth0 ::1 1 2')],
  ['v1 bare line feed', line('TCP4 1.2.3.4 1.2.3.4 1 2\nX')],
  ['v1 zero byte', line('UNKNOWN \0')],
  ['v1 unknown run on', line('UNKNOWNX')],
  ['v1 endless', Buffer.from(`PROXY UNKNOWN ${'x'.repeat(200)}`)],
  ['v1 one byte too long', line(`UNKNOWN ${'x'.repeat(92)}`)],
  ['v2 of version 1', hex(`${SIGNATURE} 11 11 000c ${IPV4}`)],
  ['v2 of version 3', hex(`${SIGNATURE} 31 11 000c ${IPV4}`)],
  ['v2 unknown command', hex(`${SIGNATURE} 22 11 000c ${IPV4}`)],
  ['v2 unknown family', hex(`${SIGNATURE} 21 41 000c ${IPV4}`)],
  ['v2 unknown transport', hex(`${SIGNATURE} 21 13 000c ${IPV4}`)],
  ['v2 too short for IPv4', hex(`${SIGNATURE} 21 11 000b ${IPV4}`)],
  ['v2 too short for IPv6', hex(`${SIGNATURE} 21 21 000c ${IPV4}`)],
  ['v2 longer than allowed', hex(`${SIGNATURE} 21 11 ffff ${IPV4}`)],
  ['v2 local longer than allowed', hex(`${SIGNATURE} 20 00 ffff`)],
  ['v2 extension leads out', hex(`${SIGNATURE} 21 11 0010 ${IPV4} e00002ab`)],
  ['v2 half an extension', hex(`${SIGNATURE} 21 11 000e ${IPV4} e000`)],
  ['v2 damaged signature', hex('0d0a0d0a000d0a515549540b21110000')],
];

describe('the PROXY protocol', () => {
  for (const [what, header, wanted] of GOOD) {
    test(`${what} is read, however it is cut, and not a byte more`, () => {
      const read: ProxyHeader = { kind: 'read', bytes: header.length, ends: wanted };
      assert.deepEqual(readProxyHeader(header), read);
      assert.deepEqual(readProxyHeader(Buffer.concat([header, Buffer.from('\r\nrest')])), read);
      for (let length = 0; length < header.length; length++) {
        assert.equal(readProxyHeader(header.subarray(0, length)).kind, 'incomplete', `${length}`);
      }
    });
  }

  for (const [what, bytes] of HOSTILE) {
    test(`${what} is refused`, () => {
      assert.equal(readProxyHeader(bytes).kind, 'refused');
    });
  }

  test('the longest line is read, and nothing is waited for beyond the limits', () => {
    const longest = line(`UNKNOWN ${'x'.repeat(91)}`);
    assert.equal(longest.length, 107);
    assert.equal(readProxyHeader(longest).kind, 'read');
    const size = (PROXY_HEADER_BYTES_MAX - 16).toString(16).padStart(4, '0');
    const large = Buffer.concat([hex(`${SIGNATURE} 20 00 ${size}`), Buffer.alloc(8192)]);
    assert.equal(readProxyHeader(large.subarray(0, PROXY_HEADER_BYTES_MAX - 1)).kind, 'incomplete');
    assert.equal(readProxyHeader(large.subarray(0, PROXY_HEADER_BYTES_MAX)).kind, 'read');
  });

  test('what is written is read again', () => {
    for (const version of ['v1', 'v2'] as const) {
      for (const wanted of [FOUR, SIX, ends('2001:db8:0:1::', '::1'), undefined]) {
        const header = proxyHeader(version, wanted);
        assert.deepEqual(readProxyHeader(header), {
          kind: 'read',
          bytes: header.length,
          ends: wanted,
        });
      }
    }
    assert.equal(String(proxyHeader('v1', FOUR)), 'PROXY TCP4 192.0.2.1 203.0.113.7 4000 443\r\n');
    assert.deepEqual(proxyHeader('v2', FOUR), hex(`${SIGNATURE} 21 11 000c ${IPV4}`));
    assert.deepEqual(proxyHeader('v2', SIX), hex(`${SIGNATURE} 21 21 0024 ${IPV6}`));
    assert.deepEqual(proxyHeader('v2', undefined), hex(`${SIGNATURE} 20 00 0000`));
  });

  test('mapped addresses are IPv4, and two families are unknown', () => {
    assert.deepEqual(
      proxyHeader('v1', ends('::ffff:192.0.2.1', '::ffff:203.0.113.7')),
      proxyHeader('v1', FOUR),
    );
    assert.equal(String(proxyHeader('v1', ends('192.0.2.1', '::1'))), 'PROXY UNKNOWN\r\n');
    assert.deepEqual(proxyHeader('v2', ends('192.0.2.1', '::1')), hex(`${SIGNATURE} 21 00 0000`));
  });
});
