import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ChunkedDecoder } from './chunked.ts';
import { isHttpError } from './http-error.ts';

/** `body|trailers|rest`, `…` when incomplete, or the code of the refusal; fed in pieces. */
function decode(text: string, cuts: readonly number[] = []): string {
  const all = Buffer.from(text, 'latin1');
  const decoder = new ChunkedDecoder();
  let body = '';
  let used = 0;
  const sink = {
    bodyBytes: (buffer: Buffer, from: number, to: number): void => {
      body += buffer.toString('latin1', from, to);
    },
  };
  try {
    for (const cut of [...cuts, all.length]) {
      if (decoder.done) break;
      // Behind other bytes, as in a read buffer.
      const piece = Buffer.concat([Buffer.from('###'), all.subarray(used, cut)]);
      used += decoder.decode(piece, 3, piece.length, sink) - 3;
    }
  } catch (error) {
    if (!isHttpError(error)) throw error;
    return error.code;
  }
  if (!decoder.done) return '…';
  const { trailers } = decoder;
  const fields = Array.from(
    { length: trailers?.count ?? 0 },
    (_value, at) => `${trailers?.nameAt(at)}=${trailers?.valueAt(at)}`,
  );
  return `${body}|${fields.join()}|${text.slice(used)}`;
}

const TABLE: readonly (readonly [string, string])[] = [
  ['0\r\n\r\n', '||'],
  ['5\r\nhello\r\n0\r\n\r\n', 'hello||'],
  ['5\r\nhello\r\n0\r\n\r\nGET /', 'hello||GET /'],
  ['0000000005\r\nhello\r\n6\r\n world\r\n0\r\n\r\n', 'hello world||'],
  ['A\r\n0123456789\r\n0\r\n\r\n', '0123456789||'],
  ['5;ext=1;q="a;b"\r\nhello\r\n0;last\r\n\r\n', 'hello||'],
  ['0\r\nA: b\r\nC:d \r\n\r\nrest', '|A=b,C=d|rest'],
  ['1\r\nx\r\n0\r\nA: b\r\n\r\n', 'x|A=b|'],
  ['5\r\nhel', '…'],
  ['0\r\n\r', '…'],
  ['', '…'],
  ['0x5\r\nhello\r\n0\r\n\r\n', 'HTTP_BAD_CHUNK'],
  ['5_0\r\nhello\r\n', 'HTTP_BAD_CHUNK'],
  ['+5\r\nhello\r\n', 'HTTP_BAD_CHUNK'],
  ['-5\r\nhello\r\n', 'HTTP_BAD_CHUNK'],
  [' 5\r\nhello\r\n', 'HTTP_BAD_CHUNK'],
  ['5 \r\nhello\r\n', 'HTTP_BAD_CHUNK'],
  ['5\t\r\nhello\r\n', 'HTTP_BAD_CHUNK'],
  ['5 ;a\r\nhello\r\n', 'HTTP_BAD_CHUNK'],
  ['\r\nhello\r\n', 'HTTP_BAD_CHUNK'],
  [';a\r\nhello\r\n', 'HTTP_BAD_CHUNK'],
  ['5\nhello\r\n', 'HTTP_BAD_CHUNK'],
  ['5\rhello\r\n', 'HTTP_BAD_CHUNK'],
  ['5\r\nhello\n0\r\n\r\n', 'HTTP_BAD_CHUNK'],
  ['5\r\nhello!\r\n0\r\n\r\n', 'HTTP_BAD_CHUNK'],
  ['5\r\nhell\r\n0\r\n\r\n', 'HTTP_BAD_CHUNK'],
  ['5;a\nb\r\nhello\r\n', 'HTTP_BAD_CHUNK'],
  ['5;a\0\r\nhello\r\n', 'HTTP_BAD_CHUNK'],
  ['5;a\rb\r\nhello\r\n', 'HTTP_BAD_CHUNK'],
  ['10000000000000\r\n', 'HTTP_BAD_CHUNK'],
  ['ffffffffffffffffff\r\n', 'HTTP_BAD_CHUNK'],
  [`5;${'e'.repeat(2000)}`, 'HTTP_BAD_CHUNK'],
  ['0\r\nA : b\r\n\r\n', 'HTTP_BAD_FIELD'],
  ['0\r\nA: b\n\r\n', 'HTTP_BAD_LINE'],
  ['0\r\n b\r\n\r\n', 'HTTP_BAD_FIELD'],
  ['0\r\n\n', 'HTTP_BAD_FIELD'],
  [`0\r\n${'A: b\r\n'.repeat(51)}\r\n`, 'HTTP_TOO_MANY_FIELDS'],
  [`0\r\nA: ${'b'.repeat(9000)}`, 'HTTP_HEAD_TOO_LARGE'],
];

describe('the chunked coding', () => {
  test('by table', () => {
    for (const [text, wanted] of TABLE) assert.equal(decode(text), wanted, JSON.stringify(text));
  });

  test('however it is cut', () => {
    for (const [text, wanted] of TABLE) {
      if (text.length > 1000) continue;
      for (let cut = 0; cut <= text.length; cut++) {
        assert.equal(decode(text, [cut]), wanted, `${JSON.stringify(text)} cut at ${cut}`);
      }
      assert.equal(
        decode(
          text,
          Array.from(text, (_character, index) => index),
        ),
        wanted,
      );
    }
  });

  test('bounds extensions over a whole body', () => {
    const chunk = `1;${'e'.repeat(1000)}\r\nx\r\n`;
    assert.equal(decode(chunk.repeat(10) + '0\r\n\r\n'), `${'x'.repeat(10)}||`);
    assert.equal(decode(chunk.repeat(20)), 'HTTP_BAD_CHUNK');
  });

  test('is used again after a reset', () => {
    const decoder = new ChunkedDecoder();
    const sink = { bodyBytes: (): void => {} };
    const bytes = Buffer.from('0\r\nA: b\r\n\r\n');
    assert.equal(decoder.decode(bytes, 0, bytes.length, sink), bytes.length);
    assert.equal(decoder.trailers?.count, 1);
    decoder.reset();
    assert.equal(decoder.done, false);
    assert.equal(decoder.decode(Buffer.from('0\r\n\r\n'), 0, 5, sink), 5);
    assert.equal(decoder.done, true);
    assert.equal(decoder.trailers, undefined);
  });
});
