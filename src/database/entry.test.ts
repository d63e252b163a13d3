/** The bytes of an entry, for ever: `golden/entry-1.bin` is the header and then the body of one with every kind of part. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isMolnError } from '../base/errors.ts';
import {
  decodeEntry,
  encodeEntry,
  type EntryHeader,
  HEADER_BYTES,
  hex,
  type Part,
} from './entry.ts';

const HEADER: EntryHeader = {
  kind: 'ddl',
  cross: true,
  index: 0x1_0000_0001,
  epoch: 2 ** 40 + 7,
  schemaVersion: 3,
  transactions: 5,
  changes: 9,
  group: new Uint8Array(16).fill(1),
  previousHash: new Uint8Array(32).fill(2),
};
const PARTS: readonly Part[] = [
  { kind: 'changes', changeset: new Uint8Array(700).fill(0x54) },
  { kind: 'ddl', sql: 'CREATE TABLE "å" (id INTEGER PRIMARY KEY)' },
  { kind: 'sequences', values: [['å', 2n ** 62n]] },
  { kind: 'schema', digest: new Uint8Array(32).fill(3) },
];
const HASH = '85d85cc9f1363d41065ef12076d1a5ec1e560faffdaf8cdce12a53f5dd035e48';

function golden(): Buffer {
  return readFileSync(join(import.meta.dirname, 'golden', 'entry-1.bin'));
}

function plain(parts: readonly Part[]): unknown {
  return parts.map((part) => (part.kind === 'changes' ? hex(part.changeset) : part));
}

test('the golden entry of format 1 is read', () => {
  const bytes = golden();
  const { parts, hash, ...header } = decodeEntry(
    bytes.subarray(0, HEADER_BYTES),
    bytes.subarray(HEADER_BYTES),
  );
  assert.deepEqual(header, HEADER);
  assert.deepEqual(plain(parts), plain(PARTS));
  assert.equal(hex(hash), HASH);
});

test('an entry comes back as it was, and is smaller than what is in it', () => {
  const { header, body, hash } = encodeEntry(HEADER, PARTS);
  const entry = decodeEntry(header, body);
  assert.deepEqual(plain(entry.parts), plain(PARTS));
  assert.deepEqual(entry.hash, hash);
  assert.ok(body.byteLength < 500);
});

test('any byte that changed is found, or changes the hash', () => {
  const { header, body, hash } = encodeEntry(HEADER, PARTS);
  for (let at = 0; at < header.byteLength + body.byteLength; at++) {
    const [h, b] = [Uint8Array.from(header), Uint8Array.from(body)];
    const [bytes, place] = at < h.length ? [h, at] : [b, at - h.length];
    bytes[place] = (bytes[place] ?? 0) ^ 0x40;
    try {
      assert.notEqual(hex(decodeEntry(h, b).hash), hex(hash), `byte ${at}`);
    } catch (error) {
      assert.ok(
        isMolnError(error, 'DATABASE_CORRUPT') || (error instanceof Error && 'code' in error),
        String(error),
      );
    }
  }
});
