/** Answers from folders. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, rename, symlink, utimes, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib';
import type { RouteConfig, RouteTarget } from '../src/gateway/config.ts';
import { Gateway, until } from './gateway-kit.ts';

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

/** One request on a connection of its own. */
function ask(
  gateway: Gateway,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  method = 'GET',
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { port: gateway.port, host: '127.0.0.1', path, method, headers, agent: false };
    const sent = request(options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const { statusCode = 0, headers: fields } = response;
        resolve({ status: statusCode, headers: fields, body: Buffer.concat(chunks) });
      });
    });
    sent.on('error', reject);
    sent.end();
  });
}

function staticRoute(
  target: Partial<RouteTarget & { kind: 'static' }> & { root: string },
): RouteConfig {
  return { id: 'site', hosts: ['*'], path: '/', target: { kind: 'static', ...target } };
}

const PAGE = '<!doctype html><title>Moln</title>';
const SCRIPT = 'console.log("moln");'.repeat(50);
const LARGE = randomBytes(3_000_000);

describe('static files', () => {
  let gateway: Gateway;
  let root: string;

  before(async () => {
    gateway = await Gateway.start([]);
    root = join(gateway.folder, 'site');
    for (const folder of ['sub/deep', '.well-known', '.git', 'empty']) {
      await mkdir(join(root, folder), { recursive: true });
    }
    const files: readonly (readonly [string, string | Buffer])[] = [
      ['index.html', PAGE],
      ['sub/index.html', 'sub'],
      ['sub/deep/a b.txt', 'spaced'],
      ['grün.txt', 'umlaut'],
      ['empty.txt', ''],
      ['.env', 'SECRET'],
      ['.git/config', 'SECRET'],
      ['.well-known/security.txt', 'contact'],
      ['large.bin', LARGE],
      ['notfound.html', 'nothing here'],
      ['app.js', SCRIPT],
      ['app.js.br', brotliCompressSync(SCRIPT)],
      ['app.js.gz', gzipSync(SCRIPT)],
      ['app.js.zst', zstdCompressSync(SCRIPT)],
      ['digits.txt', '0123456789'],
      ['../outside.txt', 'SECRET'],
      ['../site-evil.txt', 'SECRET'],
    ];
    for (const [name, content] of files) await writeFile(join(root, name), content);
    await symlink(join(gateway.folder, 'outside.txt'), join(root, 'escape.txt'));
    await symlink(gateway.folder, join(root, 'escape'));
    await symlink('digits.txt', join(root, 'link.txt'));
    await gateway.route(staticRoute({ root }));
  });

  after(() => gateway[Symbol.asyncDispose]());

  test('are sent whole with their fields, from disk and then from memory', async () => {
    for (let time = 0; time < 3; time++) {
      const answer = await ask(gateway, '/');
      assert.equal(answer.status, 200);
      assert.equal(answer.body.toString(), PAGE);
      assert.equal(answer.headers['content-type'], 'text/html; charset=utf-8');
      assert.equal(answer.headers['accept-ranges'], 'bytes');
      assert.equal(answer.headers['x-content-type-options'], 'nosniff');
      assert.match(String(answer.headers['etag']), /^"[\w-]+"$/);
      assert.match(String(answer.headers['date']), / GMT$/);
    }
  });

  test('large ones too, byte for byte', async () => {
    const answer = await ask(gateway, '/large.bin');
    assert.equal(answer.headers['content-length'], String(LARGE.length));
    const sum = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
    assert.equal(sum(answer.body), sum(LARGE));
  });

  test('by table', async () => {
    const table: readonly (readonly [string, number, string])[] = [
      ['/index.html', 200, PAGE],
      ['/?query=1', 200, PAGE],
      ['/sub/', 200, 'sub'],
      ['/sub/deep/a%20b.txt', 200, 'spaced'],
      ['/gr%C3%BCn.txt', 200, 'umlaut'],
      ['/%64igits.txt', 200, '0123456789'],
      ['/link.txt', 200, '0123456789'],
      ['/empty.txt', 200, ''],
      ['/.well-known/security.txt', 200, 'contact'],
      ['/nope', 404, ''],
      ['/index.html/', 404, ''],
      ['/empty', 404, ''],
      ['/empty/', 404, ''],
      ['/sub//deep/a%20b.txt', 404, ''],
      ['//', 404, ''],
      ['//example.org/', 404, ''],
      ['/gr%FCn.txt', 404, ''],
      ['/%', 404, ''],
      ['/%zz', 404, ''],
      ['/digits.txt%00', 404, ''],
      ['/digits.txt%00.html', 404, ''],
      ['/sub%2findex.html', 404, ''],
      ['/sub%5cindex.html', 404, ''],
      ['/sub\\index.html', 404, ''],
      ['/.env', 404, ''],
      ['/%2eenv', 404, ''],
      ['/.git/config', 404, ''],
      ['/sub/.well-known/x', 404, ''],
      ['/escape.txt', 404, ''],
      ['/escape/outside.txt', 404, ''],
      ['/escape', 404, ''],
      [`/${'a'.repeat(5000)}`, 404, ''],
    ];
    for (const [path, status, body] of table) {
      const answer = await ask(gateway, path);
      assert.equal(answer.status, status, path);
      if (status === 200) assert.equal(answer.body.toString(), body, path);
      else assert.doesNotMatch(answer.body.toString(), /SECRET/, path);
    }
  });

  test('no path leads out of the folder', async () => {
    const ways = [
      '/../outside.txt',
      '/sub/../../outside.txt',
      '/..%2foutside.txt',
      '/%2e%2e/outside.txt',
      '/%2e%2e%2foutside.txt',
      '/.%2e/outside.txt',
      '/%252e%252e/outside.txt',
      '/..\\outside.txt',
      '/..%5coutside.txt',
      '/../site-evil.txt',
      '/%c0%ae%c0%ae/outside.txt',
      '/....//outside.txt',
      '/./../outside.txt',
      '/sub/deep/../../../outside.txt',
      '//etc/passwd',
      '/%2fetc%2fpasswd',
    ];
    for (const way of ways) {
      const text = await gateway.exchange(
        `GET ${way} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
      );
      assert.match(text, /^HTTP\/1\.1 40[04] /, way);
      assert.doesNotMatch(text, /SECRET|root:/, way);
    }
  });

  test('a folder without its slash is redirected, query kept', async () => {
    const answer = await ask(gateway, '/sub?x=1');
    assert.equal(answer.status, 301);
    assert.equal(answer.headers['location'], '/sub/?x=1');
  });

  test('only GET and HEAD', async () => {
    const head = await ask(gateway, '/digits.txt', {}, 'HEAD');
    assert.equal(head.status, 200);
    assert.equal(head.headers['content-length'], '10');
    assert.equal(head.body.length, 0);
    const large = await ask(gateway, '/large.bin', {}, 'HEAD');
    assert.equal(large.headers['content-length'], String(LARGE.length));
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
      const answer = await ask(gateway, '/digits.txt', {}, method);
      assert.equal(answer.status, 405, method);
      assert.equal(answer.headers['allow'], 'GET, HEAD');
    }
  });

  test('conditions', async () => {
    const { headers } = await ask(gateway, '/digits.txt');
    const etag = String(headers['etag']);
    const modified = String(headers['last-modified']);
    const table: readonly (readonly [Record<string, string>, number])[] = [
      [{ 'if-none-match': etag }, 304],
      [{ 'if-none-match': `"x", W/${etag}` }, 304],
      [{ 'if-none-match': '*' }, 304],
      [{ 'if-none-match': '"x"' }, 200],
      [{ 'if-modified-since': modified }, 304],
      [{ 'if-modified-since': 'Sun, 06 Nov 1994 08:49:37 GMT' }, 200],
      [{ 'if-none-match': '"x"', 'if-modified-since': modified }, 200],
      [{ 'if-match': etag }, 200],
      [{ 'if-match': '"x"' }, 412],
      [{ 'if-unmodified-since': 'Sun, 06 Nov 1994 08:49:37 GMT' }, 412],
    ];
    for (const [conditions, status] of table) {
      const answer = await ask(gateway, '/digits.txt', conditions);
      assert.equal(answer.status, status, JSON.stringify(conditions));
      if (status !== 304) continue;
      assert.equal(answer.headers['etag'], etag);
      assert.equal(answer.body.length, 0);
    }
  });

  test('ranges', async () => {
    const table: readonly (readonly [string, number, string, string?])[] = [
      ['bytes=0-3', 206, '0123', 'bytes 0-3/10'],
      ['bytes=7-', 206, '789', 'bytes 7-9/10'],
      ['bytes=-2', 206, '89', 'bytes 8-9/10'],
      ['bytes=5-100', 206, '56789', 'bytes 5-9/10'],
      ['bytes=10-', 416, '', 'bytes */10'],
      ['bytes=3-1', 200, '0123456789'],
      ['lines=0-3', 200, '0123456789'],
    ];
    for (const [range, status, body, content] of table) {
      const answer = await ask(gateway, '/digits.txt', { range });
      assert.equal(answer.status, status, range);
      assert.equal(answer.body.toString(), body, range);
      assert.equal(answer.headers['content-range'], content, range);
    }
    const { headers } = await ask(gateway, '/digits.txt');
    const range = 'bytes=0-0';
    const same = await ask(gateway, '/digits.txt', { range, 'if-range': String(headers['etag']) });
    assert.equal(same.status, 206);
    const other = await ask(gateway, '/digits.txt', { range, 'if-range': '"x"' });
    assert.equal(other.status, 200);
    const part = await ask(gateway, '/large.bin', { range: 'bytes=1000000-2999999' });
    assert.ok(part.body.equals(LARGE.subarray(1_000_000)));
  });

  test('several ranges', async () => {
    for (const path of ['/digits.txt', '/large.bin']) {
      const answer = await ask(gateway, path, { range: 'bytes=0-1,4-5' });
      assert.equal(answer.status, 206);
      const type = String(answer.headers['content-type']);
      const boundary = /^multipart\/byteranges; boundary=(\w+)$/.exec(type)?.[1] ?? '?';
      assert.equal(answer.body.length, Number(answer.headers['content-length']));
      const parts = answer.body.toString('latin1').split(`--${boundary}`);
      assert.equal(parts.length, 4);
      assert.match(parts[1] ?? '', /Content-Range: bytes 0-1\/\d+\r\n\r\n[^]{2}\r\n$/);
      assert.equal(parts[3], '--\r\n');
    }
  });

  test('precompressed siblings by what the client takes', async () => {
    const table: readonly (readonly [string, string | undefined])[] = [
      ['gzip, deflate, br, zstd', 'br'],
      ['gzip, zstd', 'zstd'],
      ['gzip', 'gzip'],
      ['br;q=0.1, gzip', 'gzip'],
      ['identity', undefined],
      ['br;q=0', undefined],
    ];
    const tags = new Set<string>();
    for (let time = 0; time < 2; time++) {
      for (const [accepts, coding] of table) {
        const answer = await ask(gateway, '/app.js', { 'accept-encoding': accepts });
        assert.equal(answer.headers['content-encoding'], coding, accepts);
        assert.equal(answer.headers['vary'], 'Accept-Encoding');
        assert.equal(answer.headers['content-type'], 'text/javascript; charset=utf-8');
        tags.add(String(answer.headers['etag']));
      }
    }
    assert.equal(tags.size, 4);
    const plain = await ask(gateway, '/digits.txt', { 'accept-encoding': 'gzip' });
    assert.equal(plain.headers['vary'], undefined);
  });

  test('a precompressed sibling that was forgotten in a build is not used', async () => {
    await writeFile(join(root, 'style.css'), 'new');
    await writeFile(join(root, 'style.css.gz'), gzipSync('old'));
    await utimes(join(root, 'style.css.gz'), 1_600_000_000, 1_600_000_000);
    const answer = await ask(gateway, '/style.css', { 'accept-encoding': 'gzip' });
    assert.equal(answer.headers['content-encoding'], undefined);
    assert.equal(answer.body.toString(), 'new');
  });

  test('a changed file is seen', async () => {
    const path = join(root, 'changing.txt');
    await writeFile(path, 'one');
    const before = await ask(gateway, '/changing.txt');
    assert.equal(before.body.toString(), 'one');
    // The same size and time: only the inode and the bytes tell.
    await writeFile(`${path}.new`, 'two');
    await rename(`${path}.new`, path);
    await until('the new content', async () => {
      return (await ask(gateway, '/changing.txt')).body.toString() === 'two';
    });
    const later = await ask(gateway, '/changing.txt');
    assert.notEqual(later.headers['etag'], before.headers['etag']);
  });

  test('the same bytes have the same tag, and no made-up time', async () => {
    for (const name of ['same-1.txt', 'same-2.txt']) {
      await writeFile(join(root, name), 'same');
      await utimes(join(root, name), 0, 0);
    }
    const [one, two] = [await ask(gateway, '/same-1.txt'), await ask(gateway, '/same-2.txt')];
    assert.equal(one.headers['etag'], two.headers['etag']);
    assert.equal(one.headers['last-modified'], undefined);
  });

  test('answers in a pipeline keep their order, slow ones too', async () => {
    const client = gateway.connect();
    const line = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;
    client.send(line('/digits.txt') + line('/nope') + line('/sub/') + line('/digits.txt'));
    await client.see(/0123456789[^]*404 Not Found[^]*sub[^]*0123456789$/);
  });

  test('a GET with a body is answered and the connection goes on', async () => {
    const client = gateway.connect();
    client.send('GET /digits.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel');
    await client.see(/0123456789$/);
    client.clear();
    client.send('loGET /sub/ HTTP/1.1\r\nHost: a\r\n\r\n');
    await client.see(/^HTTP\/1\.1 200 [^]*\r\n\r\nsub$/);
  });

  test('fallback and not-found pages', async () => {
    await gateway.route(staticRoute({ root, fallback: 'index.html' }));
    const page = await ask(gateway, '/some/route');
    assert.equal(page.status, 200);
    assert.equal(page.body.toString(), PAGE);
    assert.equal((await ask(gateway, '/.env')).status, 404);
    await gateway.route(staticRoute({ root, notFound: 'notfound.html' }));
    const missing = await ask(gateway, '/some/route');
    assert.equal(missing.status, 404);
    assert.equal(missing.body.toString(), 'nothing here');
    await gateway.route(staticRoute({ root }));
  });

  test('redirects and fixed answers', async () => {
    const location = 'https://example.org/';
    await gateway.route({
      id: 'r',
      hosts: ['*'],
      path: '/',
      target: { kind: 'redirect', status: 308, location },
    });
    const moved = await ask(gateway, '/x');
    assert.equal(moved.status, 308);
    assert.equal(moved.headers['location'], location);
    await gateway.route({
      id: 'r',
      hosts: ['*'],
      path: '/',
      target: { kind: 'respond', status: 503, message: 'The app is stopped' },
    });
    const fixed = await ask(gateway, '/x');
    assert.equal(fixed.status, 503);
    assert.match(fixed.body.toString(), /The app is stopped/);
    await gateway.route(staticRoute({ root }));
  });
});
