/** Which requests are led past the full server. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { largeUpload } from './large-upload.ts';

const LARGE = 'Content-Length: 5000000\r\n';

test('a large upload of files is seen by its head', () => {
  const text = `PUT /files/b/k%20?part=1 HTTP/1.1\r\nHost: a\r\n${LARGE}X-Other: Some\r\n\r\n`;
  assert.deepEqual(largeUpload(Buffer.from(`${text}begun`)), {
    method: 'PUT',
    url: '/files/b/k%20?part=1',
    headers: { host: 'a', 'content-length': '5000000', 'x-other': 'Some' },
    length: 5_000_000,
    end: text.length,
  });
});

const OTHERS: readonly (readonly [why: string, text: string])[] = [
  ['not all of its head', `PUT /files/b/k HTTP/1.1\r\nHost: a\r\n${LARGE}`],
  ['a read', `GET /files/b/k HTTP/1.1\r\nHost: a\r\n${LARGE}\r\n`],
  [
    'what the process is told by the agent',
    `PUT /control/config HTTP/1.1\r\nHost: a\r\n${LARGE}\r\n`,
  ],
  ['another folder', `PUT /filesystem HTTP/1.1\r\nHost: a\r\n${LARGE}\r\n`],
  ['a whole address', `PUT http://a/files/b/k HTTP/1.1\r\nHost: a\r\n${LARGE}\r\n`],
  ['a small body', 'PUT /files/b/k HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n'],
  ['no length', 'PUT /files/b/k HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n'],
  ['two lengths', `PUT /files/b/k HTTP/1.1\r\nHost: a\r\n${LARGE}Content-Length: 6000000\r\n\r\n`],
  [
    'a length and chunks',
    `PUT /files/b HTTP/1.1\r\nHost: a\r\n${LARGE}Transfer-Encoding: chunked\r\n\r\n`,
  ],
  ['a field twice', `PUT /files/b/k HTTP/1.1\r\nHost: a\r\n${LARGE}X-A: 1\r\nx-a: 2\r\n\r\n`],
  ['no host', `PUT /files/b/k HTTP/1.1\r\n${LARGE}\r\n`],
  ['an old version', `PUT /files/b/k HTTP/1.0\r\nHost: a\r\n${LARGE}\r\n`],
  ['an upgrade', `PUT /files/b/k HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n${LARGE}\r\n`],
  ['no HTTP', 'hello\r\n\r\n'],
];

for (const [why, text] of OTHERS) {
  test(`left to the full server: ${why}`, () => {
    assert.equal(largeUpload(Buffer.from(text)), undefined);
  });
}
