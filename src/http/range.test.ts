import assert from 'node:assert/strict';
import { test } from 'node:test';
import { contentRange, multipartRanges, parseRange, unsatisfiedRange } from './range.ts';

type Expected = 'ignore' | 'unsatisfiable' | readonly (readonly [number, number])[];

function verdict(value: string, length: number): Expected {
  const result = parseRange(value, length);
  if (result.kind !== 'ranges') return result.kind;
  return result.ranges.map((range) => [range.first, range.last]);
}

test('what a Range field asks of a body', () => {
  const table: readonly (readonly [string, number, Expected])[] = [
    ['bytes=0-499', 10_000, [[0, 499]]],
    ['bytes=500-', 1000, [[500, 999]]],
    ['bytes=-500', 10_000, [[9500, 9999]]],
    ['bytes=-20000', 10_000, [[0, 9999]]],
    ['bytes=0-99999', 100, [[0, 99]]],
    ['BYTES=0-0', 100, [[0, 0]]],
    [
      'bytes= 0-0 , -1 ',
      100,
      [
        [0, 0],
        [99, 99],
      ],
    ],
    [
      'bytes=0-0,,5-6',
      100,
      [
        [0, 0],
        [5, 6],
      ],
    ],
    [
      'bytes=90-99,0-9',
      100,
      [
        [90, 99],
        [0, 9],
      ],
    ],
    ['bytes=0-9,500-600', 100, [[0, 9]]],
    ['bytes=100-', 100, 'unsatisfiable'],
    ['bytes=-0', 100, 'unsatisfiable'],
    ['bytes=0-', 0, 'unsatisfiable'],
    ['bytes=-1', 0, 'unsatisfiable'],
    ['bytes=200-300,400-', 100, 'unsatisfiable'],
    ['bytes=', 100, 'ignore'],
    ['bytes=-', 100, 'ignore'],
    ['bytes=5-4', 100, 'ignore'],
    ['bytes=a-b', 100, 'ignore'],
    ['bytes=0-1,x', 100, 'ignore'],
    ['bytes=1.0-2', 100, 'ignore'],
    ['bytes=+1-2', 100, 'ignore'],
    ['bytes 0-1', 100, 'ignore'],
    ['items=0-1', 100, 'ignore'],
    ['bytes=99999999999999999999-', 100, 'unsatisfiable'],
    ['bytes=0-99999999999999999999', 100, [[0, 99]]],
    ['bytes=-99999999999999999999', 100, [[0, 99]]],
  ];
  for (const [value, length, expected] of table) {
    assert.deepEqual(verdict(value, length), expected, value);
  }
});

test('costly lists of ranges get the whole body', () => {
  const apart = Array.from({ length: 16 }, (_, index) => `${index * 10}-${index * 10}`);
  assert.equal(parseRange(`bytes=${apart.join(',')}`, 1000).kind, 'ranges');
  assert.equal(parseRange(`bytes=${[...apart, '900-900'].join(',')}`, 1000).kind, 'ignore');
  assert.equal(parseRange('bytes=0-,0-', 1000).kind, 'ignore', 'more bytes than the whole');
  assert.equal(parseRange('bytes=0-9,5-14,10-19', 1000).kind, 'ranges', 'two overlaps');
  assert.equal(parseRange('bytes=0-9,5-14,10-19,15-20', 1000).kind, 'ignore', 'three overlaps');
  assert.equal(parseRange(`bytes=${'0-0,'.repeat(100_000)}`, 1000).kind, 'ignore');
});

test('content-range values', () => {
  assert.equal(contentRange({ first: 0, last: 4 }, 10), 'bytes 0-4/10');
  assert.equal(unsatisfiedRange(10), 'bytes */10');
});

test('a multipart body is framed and its length is right', () => {
  const body = Buffer.from('0123456789');
  const ranges = [
    { first: 0, last: 2 },
    { first: 9, last: 9 },
  ];
  const framed = multipartRanges({ ranges, length: 10, contentType: 'text/plain', boundary: 'B' });
  const whole = Buffer.concat([
    ...framed.parts.flatMap(({ head, range }) => [
      head,
      body.subarray(range.first, range.last + 1),
    ]),
    framed.tail,
  ]);
  assert.equal(
    whole.toString(),
    '--B\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-2/10\r\n\r\n012' +
      '\r\n--B\r\nContent-Type: text/plain\r\nContent-Range: bytes 9-9/10\r\n\r\n9' +
      '\r\n--B--\r\n',
  );
  assert.equal(framed.contentLength, whole.length);
  assert.equal(framed.contentType, 'multipart/byteranges; boundary=B');
});
