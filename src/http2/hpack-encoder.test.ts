import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seeded } from '../../testing/seeded.ts';
import { Field } from './field.ts';
import { HpackDecoder } from './hpack-decoder.ts';
import { HpackEncoder, prepareFields } from './hpack-encoder.ts';

const LIMITS = { listBytesMax: 1_000_000, fieldsMax: 1000 };

function encode(encoder: HpackEncoder, fields: readonly Field[]): Buffer {
  const out = Buffer.alloc(encoder.bytesMax(fields));
  return out.subarray(0, encoder.encode(fields, out, 0));
}

function pairs(fields: readonly Field[] | undefined): readonly string[] | undefined {
  return fields?.map(({ key }) => key);
}

test('what repeats is named by a number the second time; what passes or is secret is not kept', () => {
  const encoder = new HpackEncoder();
  const decoder = new HpackDecoder();
  const answer = [
    new Field(':status', '200'),
    new Field('content-type', 'text/plain'),
    new Field('content-length', '1024'),
    new Field('set-cookie', 'a=b'),
  ];
  const first = encode(encoder, answer);
  const second = encode(encoder, answer);
  assert.equal(second[0], 0x88);
  assert.equal(second[1], 0xbe);
  assert.ok(second.length < first.length);
  for (const block of [first, second]) {
    assert.deepEqual(pairs(decoder.decode(block, 0, block.length, LIMITS)), pairs(answer));
  }
  assert.equal(decoder.size, answer[1]?.size);
  // RFC 7541 6.2.3: never indexed, by anybody on the way.
  assert.equal((second.at(-6) ?? 0) & 0xf0, 0x10);
});

test('prepared fields go the same way', () => {
  const fields = [new Field('age', '7'), new Field('x-a', 'b')];
  const plain = encode(new HpackEncoder(), fields);
  prepareFields(fields);
  assert.deepEqual(encode(new HpackEncoder(), fields), plain);
});

test('the peer is told of each new size of the table, the smallest too (RFC 7541 4.2)', () => {
  const encoder = new HpackEncoder();
  const decoder = new HpackDecoder();
  const field = [new Field('x-a', 'b')];
  const read = (block: Buffer): readonly string[] | undefined =>
    pairs(decoder.decode(block, 0, block.length, LIMITS));
  read(encode(encoder, field));
  encoder.resize(0);
  encoder.resize(100_000);
  const block = encode(encoder, field);
  assert.deepEqual([...block.subarray(0, 4)], [0x20, 0x3f, 0xe1, 0x1f]);
  assert.deepEqual(read(block), pairs(field));
  encoder.resize(0);
  const none = encode(encoder, field);
  assert.equal(none[0], 0x20);
  assert.deepEqual(read(none), pairs(field));
  assert.equal(decoder.size, 0);
});

test('whatever is encoded is decoded to the same, with a table that overflows all the time', () => {
  const seed = seeded(7);
  const random = (): number => seed.next();
  const encoder = new HpackEncoder();
  const decoder = new HpackDecoder();
  const text = (most: number): string =>
    Array.from({ length: Math.floor(random() * most) }, () =>
      String.fromCharCode(Math.floor(random() * 256)),
    ).join('');
  for (let round = 0; round < 300; round++) {
    if (round % 40 === 0) encoder.resize(Math.floor(random() * 6000));
    const fields = Array.from({ length: Math.floor(random() * 12) }, () =>
      random() < 0.5
        ? new Field(`x-${Math.floor(random() * 30)}`, 'same')
        : new Field(`y${text(20)}`, text(random() < 0.1 ? 700 : 60)),
    );
    const block = encode(encoder, fields);
    assert.deepEqual(pairs(decoder.decode(block, 0, block.length, LIMITS)), pairs(fields));
  }
});
