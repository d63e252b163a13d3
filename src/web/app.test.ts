import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createLogger, type LogRecord } from '../base/log.ts';
import { App } from './app.ts';
import { files, useFiles } from './files.ts';
import { FolderFiles } from './files-folder.ts';
import type { Controller } from './routes.ts';
import { Live } from './live.ts';
import { onRowsChanged, rowsChanged, transaction } from './sql.ts';
import { SqliteDatabase } from './sqlite-database.ts';

const posts: Controller = {
  before: [(c) => (c.query('stop') === undefined ? undefined : c.json({ stopped: true }, 403))],
  index: (c) => c.respond([{ id: 1 }], () => '<html><p>one</p></html>'),
  show: (c) => (c.params['id'] === '1' ? { id: 1 } : undefined),
  async create(c) {
    const form = await c.form();
    c.flash(`Made ${String(form['title'])}`);
    return c.done('/posts/1', { id: 1 });
  },
  destroy: () => {
    throw new Error('secret detail');
  },
  'GET /live': () => Live({ of: [{ table: 'posts' }], children: 'Hello' }),
  'GET /token': (c) => c.json({ token: c.session.token, flashes: c.takeFlashes() }),
};

async function start(
  log: LogRecord[] = [],
): Promise<(path: string, init?: RequestInit) => Promise<Response>> {
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
    jobs: [],
    publicFolder: '/nowhere',
  };
  const app = await App.start(parts, { database, log: logger });
  return (path, init) => app.fetch(new Request(`http://app.test${path}`, init));
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
  assert.equal((await ask('/posts?stop')).status, 403);
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
  await files.delete(stored.key);
  assert.equal(await files.get(stored.key), undefined);
  await assert.rejects(files.put('x', { key: '' }), { code: 'WEB_FILE_KEY' });
});
