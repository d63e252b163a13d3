/** The examples by themselves, run directly by Node: they have to be good apps also without Moln. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { request } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { Entries } from '../examples/guestbook/entries.ts';
import { isForged } from '../examples/guestbook/guestbook.ts';
import { escape } from '../examples/guestbook/page.ts';
import { until } from '../testing/until.ts';

const EXAMPLES = join(import.meta.dirname, '../examples');

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

interface Guestbook {
  ask(path: string, options?: AskOptions): Promise<Answer>;
  sign(name: string, message: string, headers?: Readonly<Record<string, string>>): Promise<Answer>;
  stop(): Promise<number | null>;
}

interface AskOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'moln-example-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** Starts a guestbook on a socket; two on one data folder are two instances. */
async function start(t: TestContext, data: string, name = 'one'): Promise<Guestbook> {
  const socket = join(data, `${name}.sock`);
  const child = spawn(process.execPath, [join(EXAMPLES, 'guestbook/server.ts')], {
    env: { MOLN_DATA_DIR: data, LISTEN_SOCKET: socket, MOLN_INSTANCE: `guestbook-web-${name}` },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit').then(([code]) => code as number | null);
  t.after(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  const guestbook: Guestbook = {
    ask: (path, options) => ask(socket, path, options),
    sign(who, message, headers = {}) {
      const body = new URLSearchParams({ name: who, message }).toString();
      return ask(socket, '/entries', { method: 'POST', headers: { ...FORM, ...headers }, body });
    },
    stop() {
      child.kill('SIGTERM');
      return exited;
    },
  };
  await until('the guestbook to be up', () =>
    guestbook.ask('/up').then(({ status, body }) => status === 200 && body === 'ok\n'),
  );
  return guestbook;
}

function ask(socket: string, path: string, options: AskOptions = {}): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const sent = request(
    {
      socketPath: socket,
      path,
      agent: false,
      method: options.method ?? 'GET',
      headers: { host: 'guestbook.localhost:8080', ...options.headers },
    },
    (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.once('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
      );
    },
  );
  sent.once('error', reject);
  sent.end(options.body);
  return promise;
}

test('an entry appears, escaped, and outlives a restart', async (t) => {
  const data = await folder(t);
  const first = await start(t, data);
  assert.match((await first.ask('/')).body, /Nobody has written anything yet/);
  const written = await first.sign('Åsa <b>', '<script>alert("1")</script>\r\nsecond line');
  assert.deepEqual([written.status, written.headers.location], [303, '/']);
  const shown = (await first.ask('/')).body;
  assert.match(shown, /Åsa &lt;b&gt;/);
  assert.match(shown, /&lt;script&gt;alert\(&quot;1&quot;\)&lt;\/script&gt;\nsecond line/);
  assert.match(shown, /1 entry/);
  assert.doesNotMatch(shown, /<script/);
  assert.equal(await first.stop(), 0);

  const second = await start(t, data);
  assert.match((await second.ask('/')).body, /Åsa &lt;b&gt;/);
});

test('two instances share the entries', async (t) => {
  const data = await folder(t);
  const [one, two] = [await start(t, data, 'one'), await start(t, data, 'two')];
  await Promise.all(
    Array.from({ length: 30 }, (_, index) => (index % 2 ? one : two).sign(`Guest ${index}`, 'hej')),
  );
  for (const each of [one, two]) assert.match((await each.ask('/')).body, /30 entries/);
  assert.match((await two.ask('/')).body, /guestbook-web-two/);
  const older = /href="(\/\?before=\d+)"/.exec((await one.ask('/')).body)?.[1] ?? '';
  assert.equal((await one.ask(older)).body.match(/<li id=/g)?.length, 10);
});

test('what is no proper entry is refused with a reason', async (t) => {
  const guestbook = await start(t, await folder(t));
  const empty = await guestbook.sign('', 'kept text');
  assert.equal(empty.status, 422);
  assert.match(empty.body, /role="alert">Please give a name/);
  assert.match(empty.body, />kept text<\/textarea>/);
  assert.equal((await guestbook.sign('x', ' \r\n ')).status, 422);
  assert.equal((await guestbook.sign('x'.repeat(61), 'm')).status, 422);
  assert.equal((await guestbook.sign('x', 'm'.repeat(1001))).status, 422);
  assert.equal((await guestbook.sign('x', 'm'.repeat(20_000))).status, 413);
  const json = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' };
  assert.equal((await guestbook.ask('/entries', json)).status, 415);
  assert.equal((await guestbook.ask('/entries')).status, 405);
  assert.equal((await guestbook.ask('/', { method: 'DELETE' })).headers.allow, 'GET, HEAD');
  assert.equal((await guestbook.ask('/nowhere')).status, 404);
  assert.equal((await guestbook.ask('/?before=nonsense')).status, 200);
  assert.match((await guestbook.ask('/')).body, /0 entries/);
});

test('a form from another site is refused', async (t) => {
  const guestbook = await start(t, await folder(t));
  const cross = await guestbook.sign('x', 'forged', { 'sec-fetch-site': 'cross-site' });
  assert.equal(cross.status, 403);
  const origin = 'http://guestbook.localhost:8080';
  assert.equal((await guestbook.sign('x', 'real', { origin })).status, 303);
  const table: readonly (readonly [Readonly<Record<string, string>>, boolean])[] = [
    [{ 'sec-fetch-site': 'same-origin', origin: 'http://a.example' }, false],
    [{ 'sec-fetch-site': 'none' }, false],
    [{ 'sec-fetch-site': 'same-site' }, true],
    [{ origin: 'http://a.example' }, false],
    [{ origin: 'http://b.example' }, true],
    [{ origin: 'null' }, true],
    [{ origin: 'https://b.example', 'x-forwarded-host': 'b.example' }, false],
    [{}, false],
  ];
  for (const [headers, forged] of table) {
    assert.equal(
      isForged({ headers: { host: 'a.example', ...headers } }),
      forged,
      JSON.stringify(headers),
    );
  }
});

test('entries come newest first, by pages', () => {
  const entries = new Entries(':memory:');
  for (let n = 1; n <= 5; n++) entries.add({ name: `n${n}`, message: 'm', writtenAt: n });
  assert.deepEqual(
    entries.list(2).map(({ id }) => id),
    [5, 4],
  );
  assert.deepEqual(
    entries.list(9, 3).map(({ name }) => name),
    ['n2', 'n1'],
  );
  assert.equal(entries.count(), 5);
  entries.close();
  assert.equal(escape(`<a href='x'>"&"`), '&lt;a href=&#39;x&#39;&gt;&quot;&amp;&quot;');
});

test('the site links only to what it has, and to nobody else', async () => {
  const site = join(EXAMPLES, 'site');
  const files = new Set(await readdir(site));
  for (const name of ['index.html', '404.html']) {
    const html = await readFile(join(site, name), 'utf8');
    assert.doesNotMatch(html, /(?:src|href)="(?:https?:)?\/\//, 'nothing comes from elsewhere');
    assert.match(html, /<html lang="en">/);
    assert.match(html, /<title>[^<]+<\/title>/);
    for (const [, link = ''] of html.matchAll(/(?:src|href)="([^"]+)"/g)) {
      const path = link.replace(/^\.?\//, '');
      assert.ok(path === '' || files.has(path), `${name} links to ${link}`);
    }
  }
});
