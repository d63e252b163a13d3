/** Any `data` shares give the block, byte for byte: every pattern of losses of many codes, against arithmetic without tables. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blockOf, type Code, rebuilt, shareBytes, sharesOf } from './erasure.ts';
import { inverse, multiply } from './galois.ts';

/** Multiplied as polynomials, bit by bit. */
function slowly(one: number, other: number): number {
  let [sum, shifted] = [0, one];
  for (let bits = other; bits > 0; bits >>= 1) {
    if ((bits & 1) === 1) sum ^= shifted;
    shifted = shifted < 0x80 ? shifted << 1 : (shifted << 1) ^ 0x11d;
  }
  return sum;
}

function bytes(length: number): Uint8Array {
  // Never the same twice within a block, and the same in every run.
  return Uint8Array.from({ length }, (_, at) => Math.imul(at + 1, 2_654_435_761) >>> 24);
}

/** Every choice of so many of the numbers below `of`. */
function* choices(of: number, many: number, from = 0): Generator<readonly number[]> {
  if (many === 0) return yield [];
  for (let first = from; first <= of - many; first += 1)
    for (const rest of choices(of, many - 1, first + 1)) yield [first, ...rest];
}

test('bytes are multiplied as polynomials are, and divided', () => {
  for (let one = 0; one < 256; one += 1)
    for (let other = 0; other < 256; other += 1)
      assert.equal(multiply(one, other), slowly(one, other));
  for (let one = 1; one < 256; one += 1) assert.equal(multiply(one, inverse(one)), 1);
});

test('parity is the sum of multiples of the data', () => {
  const code = { data: 3, parity: 2 };
  const [a, b, c, d, e] = sharesOf(code, bytes(3 * 40_000 + 1));
  for (let at = 0; at < (a?.length ?? 0); at += 1) {
    const sum = (row: number): number =>
      [a, b, c].reduce((so, piece, i) => so ^ slowly(inverse(row ^ i), piece?.[at] ?? 0), 0);
    assert.deepEqual([d?.[at], e?.[at]], [sum(3), sum(4)]);
  }
});

test('a block is there with any shares, and any share is made anew', () => {
  const codes: readonly Code[] = [
    { data: 2, parity: 1 },
    { data: 3, parity: 2 },
    { data: 4, parity: 2 },
    { data: 6, parity: 3 },
    { data: 10, parity: 4 },
    { data: 12, parity: 2 },
  ];
  for (const code of codes)
    for (const length of [1, 17, 40_003]) {
      const block = bytes(length);
      const shares = sharesOf(code, block);
      const total = code.data + code.parity;
      assert.ok(shares.every((share) => share.length === shareBytes(code, length)));
      if (length === 40_003 && total > 8) continue;
      for (const kept of choices(total, code.data)) {
        const have = new Map(kept.map((at) => [at, shares[at] ?? new Uint8Array()]));
        assert.ok(blockOf(code, have, length).equals(block), `${total} ${String(kept)}`);
        const lost = shares.map((_, at) => at).filter((at) => !kept.includes(at));
        for (const [at, made] of rebuilt(code, have, lost).entries())
          assert.ok(Buffer.from(made).equals(shares[lost[at] ?? -1] ?? new Uint8Array()));
      }
    }
});

test('a range of a share is made of the same range of others', () => {
  const code = { data: 4, parity: 2 };
  const shares = sharesOf(code, bytes(400_000));
  const [start, end] = [33_333, 70_001];
  const have = new Map(
    [1, 3, 4, 5].map((at) => [at, shares[at]?.subarray(start, end) ?? bytes(0)]),
  );
  const [made] = rebuilt(code, have, [2]);
  assert.deepEqual(made, new Uint8Array(shares[2]?.subarray(start, end) ?? []));
});
