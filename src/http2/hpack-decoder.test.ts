/** Examples of RFC 7541 appendix C, and what is no block. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ERROR } from './codes.ts';
import { H2Error } from './h2-error.ts';
import { HpackDecoder } from './hpack-decoder.ts';

const LIMITS = { listBytesMax: 16_384, fieldsMax: 100 };

function lines(decoder: HpackDecoder, hex: string): readonly string[] | undefined {
  const block = Buffer.from(hex.replaceAll(' ', ''), 'hex');
  const fields = decoder.decode(block, 0, block.length, LIMITS);
  return fields?.map(({ name, value }) => `${name}: ${value}`);
}

const GET = [':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com'];
const SECOND = [...GET, 'cache-control: no-cache'];
const THIRD = [
  ':method: GET',
  ':scheme: https',
  ':path: /index.html',
  ':authority: www.example.com',
  'custom-key: custom-value',
];
const REDIRECT = [
  ':status: 302',
  'cache-control: private',
  'date: Mon, 21 Oct 2013 20:13:21 GMT',
  'location: https://www.example.com',
];
const COOKIE = [
  ':status: 200',
  'cache-control: private',
  'date: Mon, 21 Oct 2013 20:13:22 GMT',
  'location: https://www.example.com',
  'content-encoding: gzip',
  'set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1',
];
/** To 256 bytes, which the examples of answers have. */
const SMALL_TABLE = '3fe101';

/** Blocks of one connection: hex, fields, bytes of the table afterwards. */
const EXAMPLES: readonly (readonly [
  section: string,
  blocks: readonly (readonly [hex: string, fields: readonly string[], size: number])[],
])[] = [
  [
    'C.2.1',
    [['400a637573746f6d2d6b65790d637573746f6d2d686561646572', ['custom-key: custom-header'], 55]],
  ],
  ['C.2.2', [['040c2f73616d706c652f70617468', [':path: /sample/path'], 0]]],
  ['C.2.3', [['100870617373776f726406736563726574', ['password: secret'], 0]]],
  ['C.2.4', [['82', [':method: GET'], 0]]],
  [
    'C.3',
    [
      ['828684410f7777772e6578616d706c652e636f6d', GET, 57],
      ['828684be58086e6f2d6361636865', SECOND, 110],
      ['828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565', THIRD, 164],
    ],
  ],
  [
    'C.4',
    [
      ['828684418cf1e3c2e5f23a6ba0ab90f4ff', GET, 57],
      ['828684be5886a8eb10649cbf', SECOND, 110],
      ['828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf', THIRD, 164],
    ],
  ],
  [
    'C.5',
    [
      [
        `${SMALL_TABLE}4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d54` +
          '6e1768747470733a2f2f7777772e6578616d706c652e636f6d',
        REDIRECT,
        222,
      ],
      ['4803333037c1c0bf', [':status: 307', ...REDIRECT.slice(1)], 222],
      [
        '88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d' +
          '4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31',
        COOKIE,
        215,
      ],
    ],
  ],
  [
    'C.6',
    [
      [
        `${SMALL_TABLE}488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3`,
        REDIRECT,
        222,
      ],
      ['4883640effc1c0bf', [':status: 307', ...REDIRECT.slice(1)], 222],
      [
        '88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960' +
          'd5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007',
        COOKIE,
        215,
      ],
    ],
  ],
];

for (const [section, blocks] of EXAMPLES) {
  test(`RFC 7541 ${section}`, () => {
    const decoder = new HpackDecoder();
    for (const [hex, fields, size] of blocks) {
      assert.deepEqual(lines(decoder, hex), fields);
      assert.equal(decoder.size, size);
    }
  });
}

describe('malformed blocks', () => {
  const cases: readonly (readonly [what: string, hex: string])[] = [
    ['index 0', '80'],
    ['an index behind the static table, with nothing there', 'be'],
    ['an index far behind it', 'ff80ffffff07'],
    ['a name by an index that is not there', '7e0161'],
    ['a number that is cut off', 'ff'],
    ['a number that goes on', 'ff80808080808001'],
    ['a literal without a value', '400161'],
    ['a literal without a name', '40'],
    ['a text longer than the block', '40056161'],
    ['a text whose length is cut off', '407f'],
    ['padding of zeros', '408100' + '0161'],
    ['padding of eight bits', '4082' + '1fff' + '0161'],
    ['the end of a string within it', '4084' + 'ffffffff' + '0161'],
    ['a table larger than agreed', '3fe21f'],
    ['a new size behind a field', '8220'],
  ];
  for (const [what, hex] of cases) {
    test(what, () => {
      assert.throws(
        () => lines(new HpackDecoder(), hex),
        (error: unknown) => error instanceof H2Error && error.code === ERROR.compression,
      );
    });
  }

  test('what left the table cannot be named', () => {
    const decoder = new HpackDecoder();
    lines(decoder, '400161016240016301644001650166');
    assert.deepEqual(lines(decoder, 'bebfc0'), ['e: f', 'c: d', 'a: b']);
    // Room for two of 34 bytes.
    lines(decoder, '3f29');
    assert.deepEqual(lines(decoder, 'bebf'), ['e: f', 'c: d']);
    assert.throws(() => lines(decoder, 'c0'));
    lines(decoder, '20');
    assert.throws(() => lines(decoder, 'be'));
  });
});

test('a list beyond the limits is not made, and the table is the same as ever', () => {
  const decoder = new HpackDecoder();
  const value = 'v'.repeat(100);
  const bomb = Buffer.concat([
    Buffer.from(`400178${(100).toString(16)}`, 'hex'),
    Buffer.from(value),
    Buffer.alloc(50_000, 0xbe),
  ]);
  const few = { listBytesMax: 1_000_000, fieldsMax: 100 };
  assert.equal(decoder.decode(bomb, 0, bomb.length, few), undefined);
  const short = { listBytesMax: 1000, fieldsMax: 100_000 };
  assert.equal(decoder.decode(Buffer.alloc(50, 0xbe), 0, 50, short), undefined);
  assert.deepEqual(lines(decoder, 'be'), [`x: ${value}`]);
});
