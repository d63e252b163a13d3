import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CHECKSUM_NAMES,
  checksumOf,
  type ChecksumName,
  compositeChecksum,
  fullObjectChecksum,
} from './checksums.ts';

/** The check values of the catalogue of CRCs, of "123456789". */
const CHECKS: Readonly<Record<string, string>> = {
  crc32: 'cbf43926',
  crc32c: 'e3069283',
  crc64nvme: 'ae8b14860a799888',
  sha1: 'f7c3bc1d808e04732adf679965ccc34ca7ae3441',
  sha256: '15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225',
};

function of(name: ChecksumName, ...pieces: readonly Uint8Array[]): string {
  const sum = checksumOf(name);
  for (const piece of pieces) sum.update(piece);
  return sum.digest();
}

const BYTES = Buffer.from(Array.from({ length: 1000 }, (_x, at) => (at * 7919) & 255));

test('check values, however the bytes are cut', () => {
  for (const name of CHECKSUM_NAMES) {
    assert.equal(
      Buffer.from(of(name, Buffer.from('123456789')), 'base64').toString('hex'),
      CHECKS[name],
      name,
    );
    for (const cut of [0, 1, 3, 7, 8, 9, 500]) {
      assert.equal(
        of(name, BYTES.subarray(0, cut), BYTES.subarray(cut)),
        of(name, BYTES),
        `${name} ${cut}`,
      );
    }
  }
});

test('the CRC of the whole out of those of its parts', () => {
  for (const name of ['crc32', 'crc32c', 'crc64nvme'] as const) {
    const cuts = [0, 333, 666, 999, 1000];
    const parts = cuts.slice(1).map((end, at) => {
      const piece = BYTES.subarray(cuts[at], end);
      return { value: of(name, piece), bytes: piece.length };
    });
    assert.equal(fullObjectChecksum(name, parts), of(name, BYTES), name);
    assert.match(compositeChecksum(name, parts), /^[A-Za-z0-9+/]+=*-4$/);
  }
  assert.equal(fullObjectChecksum('sha256', []), undefined);
});
