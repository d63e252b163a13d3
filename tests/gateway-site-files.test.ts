/** Folders that are listed, files that stand for folders, and error pages. */
import assert from 'node:assert/strict';
import { mkdir, symlink, utimes, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { ask, siteAt, siteBefore } from './gateway-site-kit.ts';

async function fill(root: string): Promise<void> {
  await mkdir(`${root}/deep/.hidden`, { recursive: true });
  await mkdir(`${root}/home`);
  await writeFile(`${root}/home/start.htm`, 'home');
  await writeFile(`${root}/deep/<b>&"x.txt`, 'odd');
  await writeFile(`${root}/deep/a.txt`, 'x'.repeat(2048));
  await writeFile(`${root}/deep/javascript:c.txt`, '1');
  await utimes(`${root}/deep/a.txt`, 1_700_000_000, 1_700_000_000);
  await writeFile(`${root}/deep/.secret`, 'secret');
  await symlink('/etc', `${root}/deep/out`);
  await mkdir(`${root}/deep/sub`);
}

test('a folder is listed where the route says so', async (t) => {
  const gateway = await siteAt(t, undefined, async (folder) => {
    const root = `${folder}/files`;
    await fill(root);
    return { kind: 'static', root, list: true, index: ['start.html', 'start.htm'] };
  });
  const { status, headers, body } = await ask(gateway, '/deep/');
  const page = body.toString();
  assert.equal(status, 200);
  assert.equal(headers['content-type'], 'text/html; charset=utf-8');
  assert.match(String(headers['content-security-policy']), /default-src 'none'/);
  assert.match(page, /<h1>\/deep\/<\/h1>/);
  assert.match(page, /href="\.\/sub\/">sub\/</);
  assert.match(page, />a\.txt<\/a><\/td><td>2\.0 KB<\/td><td>2023-11-14 22:13</);
  // Nothing in a name is markup, and no name is a scheme.
  assert.match(page, /href="\.\/%3Cb%3E%26%22x\.txt">&lt;b&gt;&amp;&quot;x\.txt</);
  assert.match(page, /href="\.\/javascript%3Ac\.txt"/);
  assert.doesNotMatch(page, /secret|hidden|"\.\/out/);
  const odd = /href="\.\/(%3Cb[^"]*)"/.exec(page)?.[1];
  assert.equal((await ask(gateway, `/deep/${odd}`)).body.toString(), 'odd');
  assert.equal((await ask(gateway, '/deep')).headers.location, '/deep/');
  assert.equal((await ask(gateway, '/home/')).body.toString(), 'home');
  assert.match((await ask(gateway, '/')).body.toString(), /deep\/<\/a>/);
  for (const path of ['/deep/out/', '/deep/.hidden/', '/none/', '/../', '/deep/..%2f/']) {
    assert.equal((await ask(gateway, path)).status, 404, path);
  }
  assert.equal((await ask(gateway, '/deep/', { method: 'HEAD' })).body.length, 0);
});

test('a list is sorted as the query asks', async (t) => {
  const gateway = await siteAt(t, undefined, async (folder) => {
    await fill(`${folder}/files`);
    return { kind: 'static', root: `${folder}/files`, list: true };
  });
  const orderOf = async (query: string): Promise<readonly string[]> => {
    const { body } = await ask(gateway, `/deep/?${query}`);
    return [...body.toString().matchAll(/href="\.\/([a-z]+)/g)].map(([, name = '']) => name);
  };
  assert.deepEqual(await orderOf(''), ['sub', 'a', 'javascript']);
  assert.deepEqual(await orderOf('sort=name&order=down'), ['javascript', 'a', 'sub']);
  assert.deepEqual(await orderOf('sort=size&order=up'), ['sub', 'javascript', 'a']);
  assert.deepEqual(await orderOf('sort=time'), ['sub', 'a', 'javascript']);
  assert.deepEqual(await orderOf('sort=<script>'), ['sub', 'a', 'javascript']);
});

test('without the option a folder is not there', async (t) => {
  const gateway = await siteAt(t, undefined, async (folder) => {
    await fill(`${folder}/files`);
    return { kind: 'static', root: `${folder}/files` };
  });
  for (const path of ['/deep/', '/deep', '/', '/home/']) {
    assert.equal((await ask(gateway, path)).status, 404, path);
  }
});

const ERRORS = [
  { status: '404', html: '<h1>Nothing hére</h1>' },
  { status: '5xx', html: '<h1>Broken</h1>' },
];

test('people get the pages of the route, programs what they can read', async (t) => {
  const gateway = await siteAt(t, { errors: ERRORS }, (folder) => ({
    kind: 'static',
    root: folder,
  }));
  const page = await ask(gateway, '/none', { headers: { Accept: 'text/html' } });
  assert.equal(page.status, 404);
  assert.equal(page.body.toString(), '<h1>Nothing hére</h1>');
  assert.equal(page.headers['content-type'], 'text/html; charset=utf-8');
  assert.equal(page.headers['cache-control'], 'no-store');
  assert.ok(page.headers['moln-error-id'] !== undefined);
  const json = await ask(gateway, '/none', { headers: { Accept: 'application/json' } });
  assert.equal(json.headers['content-type'], 'application/problem+json');
  const head = await ask(gateway, '/none', { method: 'HEAD' });
  assert.equal(head.headers['content-length'], '22');
  const other = await ask(gateway, '/', { method: 'POST', body: 'x' });
  assert.equal(other.status, 405);
});

test('a page stands for an upstream that is gone, not for what one says', async (t) => {
  const gateway = await siteBefore(t, { errors: ERRORS }, (request, response) => {
    if (request.url === '/gone') request.socket.destroy();
    else response.writeHead(500).end('the app says');
  });
  assert.equal((await ask(gateway, '/own')).body.toString(), 'the app says');
  const gone = await ask(gateway, '/gone');
  assert.equal(gone.status, 502);
  assert.equal(gone.body.toString(), '<h1>Broken</h1>');
});

test('where that is wished, a page stands for what an upstream says too', async (t) => {
  const site = { errors: ERRORS, errorsOfUpstreams: ['404', '503', '5xx'] };
  const gateway = await siteBefore(
    t,
    { ...site, compress: {} },
    (request, response) => {
      const status = Number(/^\/(\d+)/.exec(request.url ?? '')?.[1]);
      response.writeHead(status, {
        'Content-Type': 'text/html',
        'Content-Encoding': 'x-own',
        'Retry-After': '7',
        ETag: '"one"',
        ...(status === 404 ? { 'Cache-Control': 'max-age=60' } : {}),
      });
      response.write('the app ');
      response.end('says');
    },
    { cache: {} },
  );
  for (const round of [1, 2]) {
    for (const [path, body] of [
      ['/404/stored', '<h1>Nothing hére</h1>'],
      ['/500/passed', '<h1>Broken</h1>'],
      ['/403/other', 'the app says'],
      ['/200', 'the app says'],
    ] as const) {
      const answer = await ask(gateway, path, { headers: { Accept: 'text/html' } });
      const label = `${path}, round ${round}`;
      assert.equal(answer.status, Number(path.slice(1, 4)), label);
      assert.equal(answer.body.toString(), body, label);
      const isOwn = body !== 'the app says';
      assert.equal(answer.headers['content-encoding'], isOwn ? undefined : 'x-own', label);
      assert.equal(answer.headers.etag, isOwn ? undefined : '"one"', label);
      assert.equal(answer.headers['retry-after'], '7', label);
    }
  }
  const json = await ask(gateway, '/500', { headers: { Accept: 'application/json' } });
  assert.equal(json.body.toString(), 'the app says');
  const head = await ask(gateway, '/500', { method: 'HEAD' });
  assert.deepEqual([head.status, head.headers['content-length']], [500, '15']);
  const posted = await ask(gateway, '/503', { method: 'POST', body: 'x' });
  assert.equal(posted.body.toString(), '<h1>Broken</h1>');
  // The connection goes on behind the page.
  const lines = 'HTTP/1.1\r\nHost: a.test\r\n';
  const text = await gateway.exchange(
    `GET /500 ${lines}\r\nGET /404/stored ${lines}\r\nGET /200 ${lines}Connection: close\r\n\r\n`,
  );
  assert.deepEqual(text.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 500', 'HTTP/1.1 404', 'HTTP/1.1 200']);
});

test('a page is not for what the route answers itself', async (t) => {
  const site = { errors: ERRORS, errorsOfUpstreams: ['4xx', '5xx'] };
  const gateway = await siteBefore(
    t,
    {
      ...site,
      edge: {
        source: "export default () => new Response('own', { status: 500 })",
        timeoutMs: 5000,
      },
    },
    (_request, response) => response.end(),
  );
  assert.equal((await ask(gateway, '/')).body.toString(), 'own');
});
