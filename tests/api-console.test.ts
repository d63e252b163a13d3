/** The console's side of the API: login links, sessions, requests of other sites, pages and files. */
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Console } from '../src/console/console.ts';
import { ApiUnderTest, type Answer } from './api-client.ts';

const INDEX = `<!doctype html>
<html lang="en"><head><title>Moln</title>
<script type="module" crossorigin src="/assets/main-abc.js"></script>
<link rel="stylesheet" crossorigin href="/assets/main-abc.css">
</head><body><div id="app"></div></body></html>`;

/** Logs in as a browser does, and returns its Cookie header. */
async function logIn(api: ApiUnderTest, over?: 'tls'): Promise<{ answer: Answer; cookie: string }> {
  const where = over === undefined ? {} : { over };
  const answer = await api.ask({ path: '/login?code=good-code', ...where });
  const [set = ''] = answer.headers['set-cookie'] ?? [];
  return { answer, cookie: set.split(';', 1)[0] ?? '' };
}

test('a login link works once; used up, it says to run moln console', async () => {
  await using api = await ApiUnderTest.start();
  const head = await api.ask({ method: 'HEAD', path: '/login?code=good-code' });
  assert.equal(head.status, 405);
  const { answer, cookie } = await logIn(api);
  assert.equal(answer.status, 303);
  assert.equal(answer.headers.location, '/');
  assert.deepEqual(answer.headers['set-cookie'], [
    'moln_session=session-1; Path=/; Max-Age=3600; HttpOnly; SameSite=Strict',
  ]);
  assert.equal((await api.ask({ path: '/api/status', headers: { cookie } })).status, 200);
  const again = await api.ask({ path: '/login?code=good-code' });
  assert.equal(again.status, 401);
  assert.equal(again.headers['set-cookie'], undefined);
  assert.match(again.text, /was used already or has expired/);
  assert.match(again.text, /<code>moln console<\/code>/);
});

test('over TLS the cookie is Secure', async () => {
  await using api = await ApiUnderTest.start({ tls: true });
  const { answer } = await logIn(api, 'tls');
  assert.match(String(answer.headers['set-cookie']), /; Secure$/);
});

test('with a cookie only this very origin may change anything', async () => {
  await using api = await ApiUnderTest.start();
  const { cookie } = await logIn(api);
  const host = `127.0.0.1:${api.port}`;
  const stop = async (headers: Readonly<Record<string, string>>): Promise<number> => {
    const path = '/api/apps/site/stop';
    return (await api.ask({ method: 'POST', path, headers: { cookie, ...headers } })).status;
  };
  const refused: Readonly<Record<string, string>>[] = [
    {},
    { origin: 'http://evil.example' },
    { origin: 'null' },
    { origin: 'http://127.0.0.1:8080' },
    { origin: `https://${host}` },
    { 'sec-fetch-site': 'cross-site', origin: `http://${host}` },
    { 'sec-fetch-site': 'same-site', origin: 'http://127.0.0.1:8080' },
    { 'sec-fetch-site': 'same-origin', origin: 'http://evil.example' },
    { 'sec-fetch-site': 'none' },
  ];
  for (const headers of refused) assert.equal(await stop(headers), 403, JSON.stringify(headers));
  assert.deepEqual(api.cloud.calls, []);
  assert.equal(await stop({ origin: `http://${host}` }), 204);
  assert.equal(await stop({ 'sec-fetch-site': 'same-origin' }), 204);
  // A token is not sent by a browser of its own accord: it needs no origin.
  const token = await api.ask({
    method: 'POST',
    path: '/api/apps/site/stop',
    token: 'deploy-token',
  });
  assert.equal(token.status, 204);
});

test('an ended session opens nothing, and logging out needs the same origin', async () => {
  await using api = await ApiUnderTest.start();
  const { cookie } = await logIn(api);
  const out = (headers: Readonly<Record<string, string>>): Promise<Answer> =>
    api.ask({ method: 'POST', path: '/logout', headers: { cookie, ...headers } });
  assert.equal((await out({ origin: 'http://evil.example' })).status, 403);
  assert.equal((await api.ask({ path: '/api/status', headers: { cookie } })).status, 200);
  const form = await out({ 'sec-fetch-site': 'same-origin', accept: 'text/html' });
  assert.deepEqual([form.status, form.headers.location], [303, '/']);
  assert.match(String(form.headers['set-cookie']), /^moln_session=; Path=\/; Max-Age=0/);
  const script = await out({ 'sec-fetch-site': 'same-origin' });
  assert.equal(script.status, 204);
  assert.equal((await api.ask({ path: '/api/status', headers: { cookie } })).status, 401);
  assert.equal((await api.ask({ path: '/', headers: { cookie } })).status, 401);
  assert.equal((await api.ask({ path: '/logout' })).status, 405);
});

test('two session cookies are none: one of them was planted', async () => {
  await using api = await ApiUnderTest.start();
  const { cookie } = await logIn(api);
  const both = { cookie: `${cookie}; moln_session=other` };
  assert.equal((await api.ask({ path: '/api/status', headers: both })).status, 401);
});

test('pages are readable without scripts and carry the same data for the application', async () => {
  await using api = await ApiUnderTest.start();
  const { cookie } = await logIn(api);
  const page = (path: string): Promise<Answer> => api.ask({ path, headers: { cookie } });
  const overview = await page('/');
  assert.equal(overview.status, 200);
  assert.match(overview.text, /<h1>All good: 1 app on 1 node<\/h1>/);
  assert.match(overview.text, /<a href="\/apps\/site">site<\/a>/);
  const data = /<script type="application\/json" id="moln-data">(.*?)<\/script>/s.exec(
    overview.text,
  );
  const { status, caller } = JSON.parse(data?.[1] ?? '') as Record<string, Record<string, unknown>>;
  assert.equal(status?.['sentence'], 'All good: 1 app on 1 node');
  assert.deepEqual(caller, { name: 'console', scope: 'admin' });
  const app = await page('/apps/site');
  assert.match(app.text, /<td>&lt;red&gt;<\/td>/);
  assert.doesNotMatch(app.text, /<red>/);
  assert.match((await page('/nodes')).text, /<h1>Nodes<\/h1>\s*<p>One node\.<\/p>/);
  assert.match((await page('/events')).text, /<td>two joined &lt;quietly&gt;<\/td>/);
  assert.equal((await page('/nodes/nope')).status, 404);
  assert.equal((await page('/gateway')).status, 200);
  assert.equal((await page('/settings')).status, 200);
  assert.equal((await page('/apps/nope')).status, 404);
  assert.match((await page('/apps/%3Cscript%3E')).text, /No such app/);
  const nowhere = await page('/nowhere');
  assert.deepEqual([nowhere.status, nowhere.code()], [404, 'API_NOT_FOUND']);
  assert.equal((await api.ask({ method: 'POST', path: '/' })).status, 405);
});

test('without a session a page is the login page, without a build it says how to make one', async () => {
  await using api = await ApiUnderTest.start();
  const login = await api.ask({ path: '/' });
  assert.equal(login.status, 401);
  assert.match(login.text, /You are not logged in here/);
  assert.equal((await api.ask({ path: '/plain.css' })).status, 200);
  const { cookie } = await logIn(api);
  assert.match((await api.ask({ path: '/', headers: { cookie } })).text, /npm run prepare/);
});

test('files of the build are kept for ever, pages are not, and nothing else is handed out', async () => {
  await using api = await ApiUnderTest.start();
  const folder = join(api.folder, 'built');
  await mkdir(join(folder, 'assets'), { recursive: true });
  await writeFile(join(folder, 'index.html'), INDEX);
  await writeFile(join(folder, 'assets', 'main-abc.js'), 'export {};');
  await writeFile(join(api.folder, 'secret.js'), 'secret');
  const console = new Console({ folder });
  await console.load();
  await using built = await ApiUnderTest.start({ console });
  const file = await built.ask({ path: '/assets/main-abc.js' });
  assert.equal(file.text, 'export {};');
  assert.equal(file.headers['content-type'], 'text/javascript; charset=utf-8');
  assert.equal(file.headers['cache-control'], 'public, max-age=31536000, immutable');
  const headers = { 'if-none-match': String(file.headers.etag) };
  assert.equal((await built.ask({ path: '/assets/main-abc.js', headers })).status, 304);
  for (const path of ['/assets/../../secret.js', '/assets/%2e%2e/secret.js', '/index.html']) {
    assert.notEqual((await built.ask({ path })).status, 200, path);
  }
  const { cookie } = await logIn(built);
  const page = await built.ask({ path: '/', headers: { cookie } });
  assert.match(page.text, /src="\/assets\/main-abc\.js"/);
  assert.match(page.text, /<div id="app"><header/);
  assert.equal(page.headers['cache-control'], 'no-store');
  const login = await built.ask({ path: '/' });
  assert.match(login.text, /href="\/assets\/main-abc\.css"/);
  assert.doesNotMatch(login.text, /<script/);
});
