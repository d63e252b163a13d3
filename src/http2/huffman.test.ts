import assert from 'node:assert/strict';
import { test } from 'node:test';
import { huffmanDecode, huffmanEncode, huffmanLength } from './huffman.ts';

function encoded(text: string): string {
  const out = Buffer.alloc(4 * text.length + 1);
  const size = huffmanEncode(text, out, 0);
  assert.equal(size, huffmanLength(text));
  return out.toString('hex', 0, size);
}

function decoded(hex: string): string | undefined {
  const bytes = Buffer.from(hex, 'hex');
  const out = Buffer.alloc(2 * bytes.length);
  const size = huffmanDecode(bytes, 0, bytes.length, out);
  return size < 0 ? undefined : out.toString('latin1', 0, size);
}

test('texts of RFC 7541 appendix C', () => {
  for (const [text, hex] of [
    ['www.example.com', 'f1e3c2e5f23a6ba0ab90f4ff'],
    ['no-cache', 'a8eb10649cbf'],
    ['custom-value', '25a849e95bb8e8b4bf'],
    ['302', '6402'],
    ['Mon, 21 Oct 2013 20:13:21 GMT', 'd07abe941054d444a8200595040b8166e082a62d1bff'],
    ['', ''],
  ] as const) {
    assert.equal(encoded(text), hex);
    assert.equal(decoded(hex), text);
  }
});

test('each byte, alone and among all', () => {
  const all = Array.from({ length: 256 }, (_none, byte) => String.fromCharCode(byte));
  for (const byte of all) assert.equal(decoded(encoded(byte)), byte);
  assert.equal(decoded(encoded(all.join(''))), all.join(''));
});

test('padding is the beginning of the end, and shorter than a byte (RFC 7541 5.2)', () => {
  // `0` is 00000.
  assert.equal(decoded('07'), '0');
  assert.equal(decoded('00'), undefined);
  assert.equal(decoded('06'), undefined);
  assert.equal(decoded('07ff'), undefined);
  assert.equal(decoded('ff'), undefined);
  assert.equal(decoded('ffffffff'), undefined);
});
