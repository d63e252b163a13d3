import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseHost } from './host.ts';

test('hosts that are fine', () => {
  const table: readonly (readonly [string, string, number | undefined])[] = [
    ['example.org', 'example.org', undefined],
    ['Example.ORG.', 'example.org', undefined],
    ['example.org:8080', 'example.org', 8080],
    ['example.org.:80', 'example.org', 80],
    ['example.org:', 'example.org', undefined],
    ['localhost', 'localhost', undefined],
    ['a_b.example', 'a_b.example', undefined],
    ['xn--bcher-kva.example', 'xn--bcher-kva.example', undefined],
    ['127.0.0.1:7420', '127.0.0.1', 7420],
    ['[::1]', '[::1]', undefined],
    ['[2001:DB8::1]:443', '[2001:db8::1]', 443],
    ['[::ffff:1.2.3.4]', '[::ffff:1.2.3.4]', undefined],
    ['a.b:0', 'a.b', 0],
    ['a.b:65535', 'a.b', 65535],
    [`${'a'.repeat(63)}.b`, `${'a'.repeat(63)}.b`, undefined],
    ['1.example', '1.example', undefined],
  ];
  for (const [text, host, port] of table) assert.deepEqual(parseHost(text), { host, port }, text);
});

test('hosts that are refused', () => {
  const table = [
    '',
    ':80',
    '.',
    'a..b',
    '.a',
    'a/b@c',
    'user@host',
    'user:pass@host',
    'a b',
    ' a',
    'a ',
    'a\tb',
    'a\0b',
    'a,b',
    'a%2eb',
    'a#b',
    'a?b',
    'a\\b',
    'büro.example',
    '-a.example',
    'a-.example',
    'a:80:80',
    'a:65536',
    'a:+80',
    'a:0x50',
    'a:8 0',
    'a:000080',
    '256.1.1.1',
    '1.2.3',
    '01.2.3.4',
    '1',
    '::1',
    '[::1',
    '[::1]80',
    '[fe80::1%eth0]',
    '[1.2.3.4]',
    '[]',
    `${'a'.repeat(64)}.b`,
    `${'a.'.repeat(127)}b`,
  ];
  for (const text of table) assert.equal(parseHost(text), undefined, text);
});
