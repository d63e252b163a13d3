/** Answers that leave compressed, and those that must not. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { test } from 'node:test';
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib';
import { until } from './gateway-kit.ts';
import { ask, siteAt, siteBefore, type SiteAnswer } from './gateway-site-kit.ts';

const TEXT = 'Moln puts several machines together. '.repeat(2000);
/** Barely shrinks, so that a client that does not read is felt at the upstream. */
const LARGE = randomBytes(16 * 1024 * 1024).toString('base64');

function plainOf({ headers, body }: SiteAnswer): string {
  switch (headers['content-encoding']) {
    case 'br':
      return brotliDecompressSync(body).toString();
    case 'zstd':
      return zstdDecompressSync(body).toString();
    case 'gzip':
      return gunzipSync(body).toString();
    case undefined:
      return body.toString();
    default:
      throw new Error(`An unknown coding: ${headers['content-encoding']}`);
  }
}

function say(response: ServerResponse, fields: Record<string, string>, text = TEXT): void {
  for (const [name, value] of Object.entries(fields)) response.setHeader(name, value);
  response.end(text);
}

const CHOICES = [
  ['gzip', 'gzip'],
  ['gzip, br, zstd', 'zstd'],
  ['gzip, br', 'br'],
  ['gzip;q=1, br;q=0.5', 'gzip'],
  ['br;q=0, *', 'zstd'],
  ['identity', undefined],
  ['deflate', undefined],
  ['', undefined],
] as const;

test('an answer leaves in the coding that the client likes best', async (t) => {
  const gateway = await siteBefore(t, { compress: {} }, (_request, response) =>
    say(response, {
      'Content-Type': 'text/html',
      'Content-Length': String(TEXT.length),
      ETag: '"one"',
      'Accept-Ranges': 'bytes',
      Vary: 'Cookie',
    }),
  );
  for (const [accepts, coding] of CHOICES) {
    const answer = await ask(gateway, '/', { headers: { 'Accept-Encoding': accepts } });
    const { headers } = answer;
    assert.equal(headers['content-encoding'], coding, accepts);
    assert.equal(plainOf(answer), TEXT);
    assert.equal(headers.vary, 'Cookie, Accept-Encoding');
    assert.equal(headers.etag, coding === undefined ? '"one"' : 'W/"one"');
    assert.equal(headers['content-length'], coding === undefined ? `${TEXT.length}` : undefined);
    assert.equal(headers['accept-ranges'], coding === undefined ? 'bytes' : undefined);
    if (coding !== undefined) assert.ok(answer.body.length < TEXT.length / 10);
  }
  const head = await ask(gateway, '/', { method: 'HEAD', headers: { 'Accept-Encoding': 'br' } });
  assert.equal(head.headers['content-encoding'], 'br');
  assert.equal(head.headers['content-length'], undefined);
});

const UNTOUCHED: readonly (readonly [string, Record<string, string>, string?])[] = [
  ['encoded already', { 'Content-Type': 'text/html', 'Content-Encoding': 'compress' }],
  ['no-transform', { 'Content-Type': 'text/html', 'Cache-Control': 'public, no-transform' }],
  ['a picture', { 'Content-Type': 'image/png' }],
  ['an event stream', { 'Content-Type': 'text/event-stream' }],
  ['no type', {}],
  ['a digest', { 'Content-Type': 'text/html', 'Repr-Digest': 'sha-256=:AA==:' }],
  ['little', { 'Content-Type': 'text/html', 'Content-Length': '5' }, 'small'],
];

test('what must stay as it is stays as it is', async (t) => {
  for (const [what, fields, text] of UNTOUCHED) {
    const gateway = await siteBefore(t, { compress: {} }, (_request, response) =>
      say(response, fields, text),
    );
    const answer = await ask(gateway, '/', { headers: { 'Accept-Encoding': 'gzip' } });
    assert.equal(answer.headers['content-encoding'], fields['Content-Encoding'], what);
    assert.equal(answer.body.toString(), text ?? TEXT, what);
  }
});

test('a client may ask for the bytes as they are', async (t) => {
  const gateway = await siteBefore(t, { compress: {} }, (_request, response) =>
    say(response, { 'Content-Type': 'text/html' }),
  );
  const headers = { 'Accept-Encoding': 'gzip', 'Cache-Control': 'no-transform' };
  const answer = await ask(gateway, '/', { headers });
  assert.equal(answer.headers['content-encoding'], undefined);
  assert.equal(answer.headers.vary, 'Accept-Encoding');
  assert.equal(answer.body.toString(), TEXT);
});

test('a range is the one of the bytes that are stored', async (t) => {
  const gateway = await siteAt(t, { compress: {} }, async (folder) => {
    await writeFile(`${folder}/a.txt`, TEXT);
    return { kind: 'static', root: folder };
  });
  const accepts = { 'Accept-Encoding': 'gzip' };
  const whole = await ask(gateway, '/a.txt', { headers: accepts });
  assert.equal(plainOf(whole), TEXT);
  assert.equal(whole.headers['content-encoding'], 'gzip');
  const part = await ask(gateway, '/a.txt', { headers: { ...accepts, Range: 'bytes=5-8' } });
  assert.equal(part.status, 206);
  assert.equal(part.body.toString(), TEXT.slice(5, 9));
  assert.equal(part.headers['content-encoding'], undefined);
  // The weak tag stands for the same file.
  const tag = String(whole.headers.etag);
  assert.match(tag, /^W\//);
  const again = await ask(gateway, '/a.txt', { headers: { ...accepts, 'If-None-Match': tag } });
  assert.equal(again.status, 304);
  assert.equal(again.headers.etag, tag);
});

test('a stored answer is one for all codings', async (t) => {
  let asked = 0;
  const app = (_request: unknown, response: ServerResponse): void => {
    asked++;
    say(response, { 'Content-Type': 'text/css', 'Cache-Control': 'max-age=60' });
  };
  const gateway = await siteBefore(t, { compress: {} }, app, { cache: {} });
  for (const coding of ['gzip', 'br', 'zstd', 'identity']) {
    for (const path of ['/', '/']) {
      const answer = await ask(gateway, path, { headers: { 'Accept-Encoding': coding } });
      assert.equal(plainOf(answer), TEXT);
      assert.equal(answer.headers['content-encoding'], coding === 'identity' ? undefined : coding);
    }
  }
  assert.equal(asked, 1);
});

test('a connection goes on after a compressed answer, and HTTP/1.0 ends with it', async (t) => {
  const gateway = await siteBefore(t, { compress: {} }, (_request, response) =>
    say(response, { 'Content-Type': 'text/html' }),
  );
  const client = gateway.connect();
  const lines = 'Host: a\r\nAccept-Encoding: gzip\r\n';
  client.send(`GET / HTTP/1.1\r\n${lines}\r\nGET / HTTP/1.1\r\n${lines}Connection: close\r\n\r\n`);
  await client.closed();
  assert.equal(client.text.match(/HTTP\/1\.1 200 OK/g)?.length, 2);
  assert.equal(client.text.match(/\r\n0\r\n\r\n/g)?.length, 2);
  const old = await gateway.exchange(`GET / HTTP/1.0\r\n${lines}\r\n`);
  assert.doesNotMatch(old, /Transfer-Encoding/);
  const body = Buffer.from(old.slice(old.indexOf('\r\n\r\n') + 4), 'latin1');
  assert.equal(gunzipSync(body).toString(), TEXT);
});

test('a piece of a stream leaves before the next one comes', async (t) => {
  const go = Promise.withResolvers<void>();
  const gateway = await siteBefore(t, { compress: {} }, (_request, response) => {
    response.setHeader('Content-Type', 'text/html');
    response.write('the first piece');
    void go.promise.then(() => response.end('the last piece'));
  });
  const client = gateway.connect();
  client.send('GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n');
  // Head, chunk line, and more of the chunk than a gzip header has.
  await client.see(/\r\n\r\n[0-9a-f]+\r\n[^]{20}/);
  assert.doesNotMatch(client.text, /\r\n0\r\n\r\n$/);
  go.resolve();
  await client.closed();
  assert.match(client.text, /\r\n0\r\n\r\n$/);
});

test('a client that does not read stops the upstream, and gets all in the end', async (t) => {
  const answers: ServerResponse[] = [];
  const app = (_request: unknown, response: ServerResponse): void => {
    answers.push(response);
    say(response, { 'Content-Type': 'text/html' }, LARGE);
  };
  const gateway = await siteBefore(t, { compress: { codings: ['gzip'] } }, app);
  const client = gateway.connect();
  client.socket.pause();
  client.send('GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n');
  await until('the upstream to be asked', () => answers.length === 1);
  // One that reads gets as much meanwhile.
  await ask(gateway, '/', { headers: { 'Accept-Encoding': 'gzip' } });
  assert.equal(answers[1]?.writableFinished, true);
  assert.equal(answers[0]?.writableFinished, false);
  client.socket.resume();
  await client.closed();
  const body = client.text.slice(client.text.indexOf('\r\n\r\n') + 4);
  assert.equal(gunzipSync(dechunked(body)).toString(), LARGE);
});

test('a client that leaves in the middle leaves nothing behind', async (t) => {
  const gateway = await siteBefore(t, { compress: {} }, (_request, response) =>
    say(response, { 'Content-Type': 'text/html' }, LARGE),
  );
  const client = gateway.connect();
  client.send('GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n');
  await client.see(/Content-Encoding: gzip/);
  client.socket.destroy();
  await until('the connection to be gone', () => gateway.plane.stats().connections === 0);
  assert.deepEqual(gateway.plane.stats().upstreams, {});
  const answer = await ask(gateway, '/', { headers: { 'Accept-Encoding': 'gzip' } });
  assert.equal(plainOf(answer), LARGE);
});

function dechunked(text: string): Buffer {
  const parts: string[] = [];
  let at = 0;
  for (;;) {
    const end = text.indexOf('\r\n', at);
    const size = Number.parseInt(text.slice(at, end), 16);
    if (size === 0) return Buffer.from(parts.join(''), 'latin1');
    parts.push(text.slice(end + 2, end + 2 + size));
    at = end + 2 + size + 2;
  }
}
