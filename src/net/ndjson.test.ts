import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeLines, encodeLine } from './ndjson.ts';

async function* bytes(chunks: readonly (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
}

async function all(values: AsyncIterable<unknown>): Promise<unknown[]> {
  const list: unknown[] = [];
  for await (const value of values) list.push(value);
  return list;
}

test('what was encoded is decoded, however the bytes are cut', async () => {
  const values = [{ a: 'line\nbreak' }, 'köşe', [1, 2], null, { deep: { b: true } }];
  const whole = Buffer.from(values.map(encodeLine).join('\n'));
  for (let size = 1; size <= whole.length; size += 3) {
    const chunks = Array.from({ length: Math.ceil(whole.length / size) }, (_, index) =>
      whole.subarray(index * size, (index + 1) * size),
    );
    assert.deepEqual(await all(decodeLines(bytes(chunks))), values, `size ${size}`);
  }
});

test('heartbeats are skipped and a last line needs no newline', async () => {
  assert.deepEqual(await all(decodeLines(bytes(['\n\n1\n\r\n', '2']))), [1, 2]);
});

test('a line over the limit and a line that is not JSON are errors', async () => {
  const long = decodeLines(bytes(['"12345', '67890"\n']), { lineBytesMax: 11 });
  await assert.rejects(all(long), { code: 'NET_LINE_TOO_LONG' });
  const cut = decodeLines(bytes(['{"a":1}\n{"b"']));
  assert.deepEqual((await cut.next()).value, { a: 1 });
  await assert.rejects(cut.next(), { code: 'NET_LINE_INVALID' });
});
