import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RecordReader, beginRequest, readCgiHead, stdinRecords } from './fastcgi.ts';

/** A record as php-cgi would send it. */
function record(type: number, content: string, padding = 0): Buffer {
  const body = Buffer.from(content);
  const head = Buffer.from([1, type, 0, 1, body.length >> 8, body.length & 255, padding, 0]);
  return Buffer.concat([head, body, Buffer.alloc(padding)]);
}

test('a request begins as the specification has it', () => {
  const long = 'v'.repeat(300);
  const bytes = beginRequest({ A: 'b', LONG: long });
  const wanted = Buffer.concat([
    Buffer.from([1, 1, 0, 1, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]),
    // Lengths below 128 take one byte, others four with the highest bit set.
    record(4, '').subarray(0, 4),
    Buffer.from([(4 + 1 + 4 + 4 + 300) >> 8, (4 + 1 + 4 + 4 + 300) & 255, 0, 0]),
    Buffer.from([1, 1]),
    Buffer.from('Ab'),
    Buffer.from([4, 0x80, 0, 1, 44]),
    Buffer.from(`LONG${long}`),
    record(4, ''),
  ]);
  assert.equal(bytes.toString('hex'), wanted.toString('hex'));
});

test('a body goes out in records of at most 64 KiB', () => {
  const bytes = stdinRecords(Buffer.alloc(150_000));
  assert.equal(bytes.length, 150_000 + 3 * 8);
  assert.equal(bytes.readUInt16BE(4), 65_528);
  assert.equal(stdinRecords(Buffer.alloc(0)).length, 0, 'an empty record would end the body');
});

test('records are read whatever pieces they come in', () => {
  const whole = Buffer.concat([
    record(6, 'Status: 404\r\n', 3),
    record(7, 'a warning'),
    record(6, ''),
    record(6, '\r\nbody', 2),
    record(3, '\0\0\0\0\0\0\0\0'),
  ]);
  for (const size of [1, 2, 7, 8, 9, 30, whole.length]) {
    const reader = new RecordReader();
    const seen: string[] = [];
    for (let at = 0; at < whole.length; at += size) {
      for (const item of reader.push(whole.subarray(at, at + size))) {
        seen.push(item.kind === 'end' ? 'end' : `${item.kind} ${item.content.toString()}`);
      }
    }
    const wanted = ['stdout Status: 404\r\n', 'stderr a warning', 'stdout \r\nbody', 'end'];
    assert.deepEqual(seen, wanted, `pieces of ${size}`);
  }
});

test('the head of a CGI answer', () => {
  const read = (text: string): unknown => readCgiHead(Buffer.from(text));
  assert.equal(read('Content-Type: text/html\r\n'), undefined, 'not complete');
  assert.deepEqual(read('Status: 201 Created\r\nA: b: c\r\nA: d\r\n\r\nbody'), {
    head: {
      status: 201,
      headers: [
        ['A', 'b: c'],
        ['A', 'd'],
      ],
    },
    bodyAt: 38,
  });
  assert.deepEqual(read('X: y\n\nbody'), {
    head: { status: 200, headers: [['X', 'y']] },
    bodyAt: 6,
  });
  assert.deepEqual(read('Location: /x\r\n\r\n'), {
    head: { status: 302, headers: [['Location', '/x']] },
    bodyAt: 16,
  });
  assert.throws(() => read('no header at all\r\n\r\n'), /is not a header/);
  assert.throws(() => readCgiHead(Buffer.alloc(70_000, 'x')), /too large/);
});
