import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { MolnError } from '../base/errors.ts';
import { createLogger, type LogRecord } from '../base/log.ts';
import { until } from '../../testing/until.ts';
import { App } from './app.ts';
import { files, useFiles } from './files.ts';
import { FolderFiles } from './files-folder.ts';
import type { Controller } from './routes.ts';
import { Island } from './islands.ts';
import { Live } from './live.ts';
import { oncePerRequest } from './once-per-request.ts';
import { serve } from './serve.ts';
import { onRowsChanged, rowsChanged, transaction } from './sql.ts';
import { SqliteDatabase } from './sqlite-database.ts';
import { UPLOADS_MAX, UPLOADS_OF_NETWORK_MAX } from './uploads.ts';

const Hello = ({ name }: { readonly name: string }) => `Hello ${name}`;

let shared: Response | undefined;
let asked = 0;
const askedOnce = oncePerRequest(async () => ++asked);

/** What the platform makes of a request. */
async function againOf(request: Request): Promise<readonly string[]> {
  const again = new Request(request, { headers: { 'x-more': '1' } });
  return [again.method, new URL(again.url).pathname, await again.text()];
}

const posts: Controller = {
  uploadBytesMax: 2 * 1024 ** 2,
  before: [(c) => (c.query('stop') === undefined ? undefined : c.json({ stopped: true }, 403))],
  after: [
    (c, answer) =>
      c.query('noted') === undefined ? undefined : c.json({ status: answer.status }, 202),
    (c, answer) => void (c.query('noted') === 'twice' && answer.headers.set('x-after', 'yes')),
  ],
  index: (c) => c.respond([{ id: 1 }], () => '<html><p>one</p></html>'),
  show: (c) => {
    if (c.params['id'] === '1') return { id: 1 };
    throw new MolnError('WEB_NOT_FOUND', `There is no post ${c.params['id']}`);
  },
  async create(c) {
    const form = await c.form();
    c.flash(`Made ${String(form['title'])}`);
    return c.done('/posts/1', { id: 1 });
  },
  destroy: () => {
    throw new Error('secret detail');
  },
  'GET /live': () => Live({ of: [{ table: 'posts' }], children: 'Hello' }),
  'POST /upload': async (c) => {
    const { photo, others } = await c.form();
    const sizes = [photo, ...((others as File[] | undefined) ?? [])].map((one) =>
      one instanceof File ? [one.name, one.size] : one,
    );
    return c.json({ sizes, text: photo instanceof File ? await photo.text() : '' });
  },
  'WS /:id/echo': (c) => ({
    open: (socket) => socket.send(`Hello ${c.params['id']}`),
    message: (message, socket) => {
      if (message === 'throw') throw new Error('secret detail');
      socket.send(message);
    },
    close: () => undefined,
  }),
  'GET /island': () => Island({ of: Hello, with: { name: '"><b>' } }),
  'GET /shared': (c) => {
    c.flash('Yours');
    return (shared ??= c.json({ all: 1 }));
  },
  'GET /again': async (c) => await againOf(c.request),
  'POST /again': async (c) => await againOf(c.request),
  'POST /read': async (c) => {
    const { a } = await c.form();
    return [a, c.request.headers.get('content-type'), c.request instanceof Request];
  },
  'GET /once': async () => [await askedOnce(), await askedOnce()],
  'GET /later': () => {
    let lines = 0;
    const pull = async (controller: ReadableStreamDefaultController<Uint8Array>) => {
      controller.enqueue(Buffer.from(`${await askedOnce()} `));
      if (++lines === 2) controller.close();
    };
    return new Response(new ReadableStream({ pull }, { highWaterMark: 0 }));
  },
  'GET /function': () => () => 1,
  'GET /no-head': () => new Response('', { headers: { 'x-name': 'a\u0001b' } }),
  'GET /token': (c) => c.json({ token: c.session.token, flashes: c.takeFlashes() }),
};

/** The status of the answer to this head. */
async function statusOf(port: number, lines: readonly string[]): Promise<string | undefined> {
  const connection = connect(port, '127.0.0.1');
  connection.write(`${lines.join('\r\n')}\r\n\r\n`);
  const [answer] = (await once(connection, 'data')) as [Buffer];
  connection.destroy();
  return answer.toString().split(' ')[1];
}

async function startApp(log: LogRecord[] = []): Promise<App> {
  const database = new SqliteDatabase(':memory:');
  const logger = createLogger({
    part: 'test',
    now: () => 0,
    sinks: [(record) => log.push(record)],
  });
  const parts = {
    controllers: { posts },
    models: [],
    migrations: [],
    policies: [],
    jobs: [],
    publicFolder: '/nowhere',
    islands: new Map([[Hello, 'hello#Hello']]),
    islandScript: 'let all;',
  };
  return await App.start(parts, { database, log: logger });
}

async function start(
  log: LogRecord[] = [],
): Promise<(path: string, init?: RequestInit) => Promise<Response>> {
  const app = await startApp(log);
  return async (path, init) => await app.fetch(new Request(`http://app.test${path}`, init));
}

test('one action answers browsers and clients of JSON', async () => {
  const ask = await start();
  const html = await ask('/posts', { headers: { accept: 'text/html,*/*' } });
  assert.equal(await html.text(), '<!doctype html><html><p>one</p></html>');
  assert.equal(html.headers.get('x-content-type-options'), 'nosniff');
  assert.deepEqual(await (await ask('/posts.json')).json(), [{ id: 1 }]);
  assert.deepEqual(
    await (await ask('/posts', { headers: { accept: 'application/json' } })).json(),
    [{ id: 1 }],
  );
  assert.equal((await ask('/posts?stop&noted')).status, 403);
  const noted = await ask('/posts?noted=twice');
  assert.deepEqual(
    [noted.status, noted.headers.get('x-after'), await noted.json()],
    [202, 'yes', { status: 200 }],
  );
  assert.equal(await (await ask('/posts', { method: 'HEAD' })).text(), '');
  const sent = {
    method: 'POST',
    body: '{"title":"A"}',
    headers: { 'content-type': 'application/json', accept: 'application/json' },
  };
  assert.equal((await ask('/posts', sent)).status, 201);
});

test('what goes wrong is a page or a problem, with an id that is in the log', async () => {
  const log: LogRecord[] = [];
  const ask = await start(log);
  const missing = await ask('/posts/2.json');
  assert.equal(missing.status, 404);
  assert.equal(missing.headers.get('content-type'), 'application/problem+json');
  const wild = await ask('/posts/%3Cscript%3E', { headers: { accept: 'text/html' } });
  const nowhere = wild.headers.get('x-request-id') ?? 'none';
  assert.match(await wild.text(), new RegExp(`There is no post &lt;script&gt;.*${nowhere}`));
  assert.ok(
    log.some(({ message, fields }) => message.endsWith(' 404') && fields['id'] === nowhere),
  );
  assert.equal(
    (
      await ask('/posts/token', {
        method: 'PATCH',
        headers: { 'content-type': 'application/json' },
      })
    ).status,
    405,
  );
  const broken = await ask('/posts/1', {
    method: 'DELETE',
    headers: { 'content-type': 'application/json' },
  });
  const page = await broken.text();
  assert.equal(broken.status, 500);
  assert.ok(!page.includes('secret detail'));
  const id = broken.headers.get('x-request-id') ?? 'none';
  assert.ok(page.includes(id));
  assert.ok(log.some(({ level, fields }) => level === 'error' && fields['id'] === id));
  const json = { 'content-type': 'application/json' };
  assert.equal((await ask('/posts', { method: 'POST', body: '{"a":', headers: json })).status, 400);
});

test('forged forms and sessions are refused', async () => {
  const ask = await start();
  const first = await ask('/posts/token');
  const { token } = (await first.json()) as { token: string };
  const cookie = (first.headers.get('set-cookie') ?? '').split(';')[0] ?? '';
  const post = async (given: string, headers: Record<string, string>): Promise<number> => {
    const body = new URLSearchParams({ title: 'A', _csrf: given });
    return (await ask('/posts', { method: 'POST', body, headers })).status;
  };
  assert.equal(await post(token, { cookie }), 303);
  assert.equal(await post('x', { cookie }), 403);
  assert.equal(await post(token, {}), 403);
  assert.equal(await post(token, { cookie: cookie.replace('=e', '=f') }), 403);
  assert.equal(await post(token, { cookie: `${cookie}x` }), 403);
  assert.equal(await post(token, { cookie, origin: 'http://evil.test' }), 403);
  assert.equal(await post(token, { cookie, 'sec-fetch-site': 'cross-site' }), 403);
  assert.equal(await post(token, { cookie, origin: 'http://app.test' }), 303);
});

test('files of a form are taken from those who have its token, up to a limit, and are gone afterwards', async (t) => {
  const temporary = process.env['TMPDIR'];
  const folder = mkdtempSync(join(tmpdir(), 'moln-upload-test-'));
  process.env['TMPDIR'] = folder;
  t.after(() => {
    if (temporary === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = temporary;
    rmSync(folder, { recursive: true });
  });
  const ask = await start();
  const first = await ask('/posts/token');
  const { token } = (await first.json()) as { token: string };
  const cookie = (first.headers.get('set-cookie') ?? '').split(';')[0] ?? '';
  const send = async (
    parts: readonly (readonly [string, string | File])[],
    address = '10.2.0.0',
  ): Promise<Response> => {
    const body = new FormData();
    for (const [name, value] of parts) body.append(name, value);
    const encoded = new Response(body);
    const type = encoded.headers.get('content-type') ?? '';
    const headers = { cookie, 'content-type': type, 'x-forwarded-for': address };
    const bytes = await encoded.arrayBuffer();
    return await ask('/posts/upload', { method: 'POST', body: bytes, headers });
  };
  const photo = new File(['bytes of it'], 'größe.png', { type: 'image/png' });
  const others = ['a', 'bc'].map((text) => ['others[]', new File([text], text)] as const);
  const taken = await send([['_csrf', token], ['photo', photo], ...others]);
  assert.deepEqual(await taken.json(), {
    sizes: [
      ['größe.png', 11],
      ['a', 1],
      ['bc', 2],
    ],
    text: 'bytes of it',
  });
  const none = await send([
    ['_csrf', token],
    ['photo', new File([], '')],
  ]);
  assert.deepEqual(await none.json(), { sizes: [null], text: '' });
  const large = new File([new Uint8Array(3 * 1024 ** 2)], 'large');
  const text = 'x'.repeat(1024 ** 2 + 1);
  for (const [status, ...fields] of [
    [403, ['photo', photo], ['_csrf', token]],
    [403, ['_csrf', 'x'], ['photo', photo]],
    [413, ['_csrf', token], ['photo', large]],
    [413, ['_csrf', token], ['title', text]],
  ] as const)
    assert.equal((await send(fields)).status, status);
  const broken = {
    cookie,
    'x-csrf-token': token,
    'content-type': 'multipart/form-data; boundary=b',
  };
  const body = '--b\r\ncontent-disposition: form-data; name="photo"; filename="a"\r\n\r\nhalf';
  assert.equal((await ask('/posts/upload', { method: 'POST', body, headers: broken })).status, 400);
  assert.deepEqual(readdirSync(folder), []);

  const upload = (address: string) => {
    const { readable, writable } = new TransformStream<Uint8Array>();
    const writer = writable.getWriter();
    void writer.write(Buffer.from(body));
    const headers = { ...broken, 'x-forwarded-for': address };
    const init = { method: 'POST', body: readable, headers, duplex: 'half' } as const;
    return { writer, answer: ask('/posts/upload', init) };
  };
  const small = [['_csrf', token] as const, ['photo', photo] as const];
  const open: ReturnType<typeof upload>[] = [];
  const refused = async (address: string) => {
    const { status, headers } = await send(small, address);
    return [status, headers.get('retry-after')];
  };
  for (let from = 0; open.length < UPLOADS_MAX; from++) {
    // Whoever has an address of IPv6 has a network of them.
    for (let at = 0; at < UPLOADS_OF_NETWORK_MAX; at++)
      open.push(upload(from === 0 ? `2001:db8::${at}` : `10.0.0.${from}`));
    await until('them to be on disk', () => readdirSync(folder).length === open.length);
    if (from === 0) assert.deepEqual(await refused('2001:db8::a:1'), [429, '5']);
  }
  assert.deepEqual(await refused('10.1.0.0'), [503, '5']);
  for (const { writer } of open) await writer.close();
  for (const { answer } of open) assert.equal((await answer).status, 400);
  assert.equal((await send(small)).status, 200);
});

test('what is flashed is shown once', async () => {
  const ask = await start();
  const json = { 'content-type': 'application/json' };
  const made = await ask('/posts', { method: 'POST', body: '{"title":"A"}', headers: json });
  assert.equal(made.headers.get('location'), '/posts/1');
  const cookieOf = (answer: Response): string =>
    (answer.headers.get('set-cookie') ?? '').split(';')[0] ?? '';
  const shown = await ask('/posts/token', { headers: { cookie: cookieOf(made) } });
  assert.deepEqual(((await shown.json()) as { flashes: unknown }).flashes, [
    { kind: 'notice', text: 'Made A' },
  ]);
  const again = await ask('/posts/token', { headers: { cookie: cookieOf(shown) } });
  assert.deepEqual(((await again.json()) as { flashes: unknown }).flashes, []);
});

test('an answer that an action gives to many has the head of each', async () => {
  const ask = await start();
  const [one, other] = [await ask('/posts/shared'), await ask('/posts/shared')];
  for (const answer of [one, other]) assert.equal(answer.headers.getSetCookie().length, 1);
  assert.notEqual(one.headers.get('x-request-id'), other.headers.get('x-request-id'));
});

test('what cannot be asked for or answered ends that request alone', async (t) => {
  const log: LogRecord[] = [];
  const served = await serve(await startApp(log), { port: 0, host: '127.0.0.1' });
  t.after(() => served.close());
  const { port } = served.server.address() as AddressInfo;
  for (const [target, host, status] of [
    ['/posts/no-head', 'a', '500'],
    ['/posts?stop', '1.2.3.999', '400'],
    ['/posts?stop', 'a:99999', '400'],
    ['/', 'a/posts/1?', '400'],
    ['http://me:secret@a/posts/1', 'a', '400'],
    ['/posts/1', 'a', '200'],
  ] as const)
    assert.equal(await statusOf(port, [`GET ${target} HTTP/1.1`, `Host: ${host}`]), status, host);
  assert.ok(log.some(({ level, message }) => level === 'error' && /no-head failed/.test(message)));
});

test('what an action is given is a Request to the platform too', async (t) => {
  const served = await serve(await startApp(), { port: 0, host: '127.0.0.1' });
  t.after(() => served.close());
  const { port } = served.server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}/posts/again`;
  assert.deepEqual(await (await fetch(url)).json(), ['GET', '/posts/again', '']);
  const headers = { 'content-type': 'application/json' };
  const sent = await fetch(url, { method: 'POST', body: '{"a":1}', headers });
  assert.deepEqual(await sent.json(), ['POST', '/posts/again', '{"a":1}']);
  // Also when its body was read.
  const read = await fetch(url.replace('again', 'read'), {
    method: 'POST',
    body: '{"a":1}',
    headers,
  });
  assert.deepEqual(await read.json(), [1, 'application/json', true]);
});

test('what is asked once in a request is asked again in the next one', async () => {
  const ask = await start();
  assert.deepEqual(await (await ask('/posts/once')).json(), [1, 1]);
  assert.deepEqual(await (await ask('/posts/once')).json(), [2, 2]);
  assert.deepEqual([await askedOnce(), await askedOnce()], [3, 4]);
  // What still comes when the request is answered may come for long.
  assert.equal(await (await ask('/posts/later')).text(), '5 6 ');
});

test('what cannot be said in JSON is a failure, not an empty answer', async () => {
  const log: LogRecord[] = [];
  const ask = await start(log);
  assert.equal((await ask('/posts/function')).status, 500);
  assert.ok(
    log.some(({ fields }) =>
      /A function cannot be said in JSON/.test(String(fields['error'] as string)),
    ),
  );
});

test('a live page is told of changes, when they are sure', async () => {
  const ask = await start();
  const page = await (await ask('/posts/live')).text();
  const version = /data-version="(\d+)"/.exec(page)?.[1] ?? '';
  assert.match(
    page,
    /<moln-live id="live-1" data-tables="posts" data-version="0">Hello<\/moln-live><script/,
  );
  const leave = new AbortController();
  const answer = await ask(`/_moln/live?tables=posts&version=${version}`, { signal: leave.signal });
  const reader = answer.body?.getReader();
  const next = async (): Promise<string> =>
    Buffer.from((await reader?.read())?.value ?? []).toString();
  assert.match(await next(), /^retry: /);
  const heard: string[] = [];
  using _listening = onRowsChanged((tables) => heard.push([...tables].join()));
  await transaction(async () => {
    rowsChanged('posts');
    assert.deepEqual(heard, []);
  });
  assert.deepEqual(heard, ['posts']);
  assert.equal(await next(), 'data: 1\n\n');
  leave.abort();
  assert.equal((await ask('/_moln/live?tables=')).status, 400);
});

test('an island is in the page as it is at first, with what takes it over', async () => {
  const ask = await start();
  const page = await (await ask('/posts/island')).text();
  const [, src = ''] = /<script src="([^"]+)" type="module">/.exec(page) ?? [];
  assert.match(
    page,
    /data-island="hello#Hello" data-props="\{&quot;name&quot;:&quot;\\&quot;&gt;&lt;b&gt;&quot;\}"/,
  );
  assert.match(page, />Hello &quot;&gt;&lt;b&gt;<\/moln-island>/);
  const script = await ask(src);
  assert.equal(await script.text(), 'let all;');
  assert.match(script.headers.get('cache-control') ?? '', /immutable/);
});

test('a WebSocket is what its action gives, and ends when that throws or the app does', async (t) => {
  const log: LogRecord[] = [];
  const app = await startApp(log);
  const served = await serve(app, { port: 0, host: '127.0.0.1' });
  t.after(() => served.close());
  const { port } = served.server.address() as AddressInfo;
  const open = async (path: string, origin?: string) => {
    const headers = origin === undefined ? {} : { headers: { origin } };
    const client = new WebSocket(`ws://127.0.0.1:${port}${path}`, headers as never);
    client.binaryType = 'arraybuffer';
    const heard: unknown[] = [];
    const end = Promise.withResolvers<number>();
    const told = Promise.withResolvers<void>();
    client.addEventListener('message', ({ data }) => {
      heard.push(data instanceof ArrayBuffer ? new Uint8Array(data) : data);
      if (heard.length === 3) told.resolve();
    });
    client.addEventListener('close', ({ code }) => end.resolve(code));
    const opened = new Promise<boolean>((resolve) => {
      client.addEventListener('open', () => resolve(true));
      client.addEventListener('error', () => resolve(false));
    });
    return { client, heard, end: end.promise, told: told.promise, opened: await opened };
  };
  const one = await open('/posts/7/echo');
  one.client.send('text');
  one.client.send(new Uint8Array([1, 2]));
  await one.told;
  assert.deepEqual(one.heard, ['Hello 7', 'text', new Uint8Array([1, 2])]);
  one.client.send('throw');
  assert.equal(await one.end, 1011);
  assert.match(JSON.stringify(log), /GET \/posts\/7\/echo failed.*secret detail/);
  const large = await open('/posts/7/echo');
  large.client.send('x'.repeat(1024 ** 2 + 1));
  assert.equal(await large.end, 1009);
  assert.equal((await open('/posts/7/echo', 'http://evil.test')).opened, false);
  assert.equal((await open('/posts/7/nothing')).opened, false);
  assert.equal((await open('/posts/7/echo?stop')).opened, false);
  const wants = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13'];
  for (const [path, host, status] of [
    ['//', 'app.test', '404'],
    ['//evil.test/posts/7/nothing', 'app.test', '404'],
    ['http://evil.test/posts/7/echo', 'app.test', '400'],
    ['/posts/7/echo', 'a b', '400'],
    ['/posts/7/echo', 'user:secret@app.test', '400'],
  ])
    assert.equal(await statusOf(port, [`GET ${path} HTTP/1.1`, `Host: ${host}`, ...wants]), status);
  const http2 = ['Connection: Upgrade', 'Upgrade: h2c', 'Accept: text/html'];
  assert.equal(await statusOf(port, ['GET /posts HTTP/1.1', 'Host: app.test', ...http2]), '200');
  const last = await open('/posts/7/echo');
  app[Symbol.dispose]();
  assert.equal(await last.end, 1001);
});

test('files are put, shown for a time, and removed', async (t) => {
  const ask = await start();
  useFiles(undefined);
  await assert.rejects(files.put('x'), { code: 'WEB_NO_FILES' });
  const folder = mkdtempSync(join(tmpdir(), 'moln-web-files-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  useFiles(new FolderFiles(folder));
  const stream = new Blob(['<script>', 'alert(1)</script>'], { type: 'text/html' });
  const stored = await files.put(stream, { key: 'notes/å 1.html' });
  assert.deepEqual(stored, { key: 'notes/å 1.html', size: 25, type: 'text/html' });
  const shown = await ask(files.url(stored.key));
  assert.equal(await shown.text(), '<script>alert(1)</script>');
  assert.equal(shown.headers.get('content-type'), 'text/html');
  assert.match(shown.headers.get('content-security-policy') ?? '', /^sandbox/);
  assert.equal((await ask(files.url(stored.key, { seconds: -1 }))).status, 404);
  assert.equal((await ask(files.url('other').replace('other', 'notes'))).status, 404);
  assert.equal((await ask(`${files.url(stored.key)}x`)).status, 404);
  const again = await files.put('second', { key: stored.key });
  assert.equal(await (await files.get(again.key))?.text(), 'second');
  assert.notEqual((await files.put('new')).key, (await files.put('new')).key);
  const answered = await files.get(again.key);
  assert.match(answered?.headers.get('content-security-policy') ?? '', /^sandbox/);
  await answered?.body?.cancel();
  const head = await ask(files.url(again.key), { method: 'HEAD' });
  assert.deepEqual([await head.text(), head.headers.get('content-length')], ['', '6']);
  await files.delete(stored.key);
  assert.equal(await files.get(stored.key), undefined);
  for (const key of ['', 'a/../b', '..', './a', 'a\nb'])
    await assert.rejects(files.put('x', { key }), { code: 'WEB_FILE_KEY' });
  assert.equal((await files.put('x', { key: '.well/a..b' })).size, 1);
});
