/** An app in the web framework, from nothing to three instances, by what a person types. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';

import { get } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { WebSocket } from 'ws';
import { freePorts } from '../testing/free-ports.ts';
import { type Answer, ask } from '../testing/http.ts';
import { MOLN, runMoln } from '../testing/moln.ts';
import { TestBrowser } from '../testing/browser.ts';
import { copyExample } from '../testing/examples.ts';
import { startMailServer } from '../testing/mail-server.ts';
import { failuresOf, PacedLoad } from '../testing/paced-load.ts';
import { step } from '../testing/step.ts';
import { TestNode } from '../testing/test-node.ts';
import { until } from '../testing/until.ts';
import { Visitor } from '../testing/visitor.ts';
import { loginLink, pagesAreForEverybody } from './console-kit.ts';

const TSC = fileURLToPath(new URL('../node_modules/.bin/tsc', import.meta.url));
/** What a person writes into files of the app. */
const WRITTEN = fileURLToPath(new URL('../testing/web-app', import.meta.url));

/** What a live page hears, up to the first change. */
function firstChange(node: TestNode, path: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const host = `blog.localhost:${node.ports.http}`;
  const where = { host: node.address, port: node.ports.http, path, headers: { host } };
  const asked = get(where, (answer) => {
    let heard = '';
    answer.setEncoding('utf8').on('data', (text: string) => {
      heard += text;
      if (!heard.includes('data: ')) return;
      resolve(heard);
      asked.destroy();
    });
    answer.once('end', () => reject(new Error(`It ended after ${JSON.stringify(heard)}`)));
  });
  asked.once('error', reject);
  return promise;
}

/** A page of which the slow part is let come when all before it is there. */
function cameInParts(
  where: { readonly host: string; readonly port: number },
  host: string,
): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const common = { ...where, headers: { host }, agent: false };
  get({ ...common, path: '/later' }, (answer) => {
    let heard = '';
    answer.setEncoding('utf8').on('data', (text: string) => {
      const wasHere = heard.includes('It comes');
      heard += text;
      if (wasHere || !heard.includes('It comes')) return;
      get({ ...common, path: '/later/now' }, (done) => void done.resume());
    });
    answer.once('end', () => resolve(heard));
  }).once('error', reject);
  return promise;
}

/** What comes back by a WebSocket of the deployed app. */
async function echoed(node: TestNode, path: string, text: string): Promise<string> {
  const host = `blog.localhost:${node.ports.http}`;
  const client = new WebSocket(`ws://${node.address}:${node.ports.http}${path}`, {
    headers: { host, origin: `http://${host}` },
  });
  await once(client, 'open');
  client.send(text);
  const [data] = (await once(client, 'message')) as [Buffer];
  client.close();
  return data.toString();
}

test('an app from nothing to three instances', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'moln-web-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  // Its own ports: the usual ones may be another node's.
  const [s3 = 0, webdav = 0] = await freePorts('127.0.0.1', 2);
  let callers = 0;
  const stranger = createServer((socket) => {
    callers += 1;
    socket.destroy();
  });
  await once(stranger.listen(s3, '127.0.0.1'), 'listening');
  t.after(() => stranger.close());
  await using node = await TestNode.start(t, {
    args: ['--s3-port', String(s3), '--webdav-port', String(webdav)],
  });
  const env = { PATH: process.env['PATH'] ?? '', HOME: folder, MOLN_DATA: node.dataFolder };
  let cwd = folder;
  const typed = async (line: string): Promise<string> => {
    const { code, stdout, stderr } = await runMoln(line.split(' ').slice(1), { env, cwd });
    assert.equal(code, 0, `${line}\n${stdout}${stderr}`);
    return stdout;
  };
  const edit = (path: string, from: string, to: string): void => {
    const text = readFileSync(join(cwd, path), 'utf8');
    assert.ok(text.includes(from), `${path} has ${from}`);
    writeFileSync(join(cwd, path), text.replace(from, to));
  };

  await step(t, 'generators write an app whose own tests pass', async () => {
    await typed('moln new blog');
    cwd = join(folder, 'blog');
    const files = await typed(
      'moln generate scaffold post title:string body:text published:boolean',
    );
    assert.match(files, /app\/models\/post\.ts[\s\S]*migrations\/\d{14}_create_posts\.sql/);
    await typed('moln generate scaffold photo title:string image:file');
    await typed('moln generate auth');
    assert.match(await typed('moln test'), /pass 8\n.*fail 0/);
    assert.match(await typed('moln routes'), /DELETE +\/posts\/:id +posts#destroy/);
  });

  await step(t, 'moln dev shows changes at once, and mistakes with their line', async () => {
    copyFileSync(join(WRITTEN, 'later.tsx.txt'), join(cwd, 'app/controllers/later.tsx'));
    const [port = 0] = await freePorts('127.0.0.1', 1);
    const dev = spawn(MOLN, ['dev', '--port', String(port), '--host', '127.0.0.1'], { cwd, env });
    t.after(() => dev.kill('SIGKILL'));
    const base = `http://127.0.0.1:${port}`;
    const page = async (path: string): Promise<string> => await (await fetch(base + path)).text();
    await until('the first page', async () => (await page('/')).includes('Welcome to Blog'));
    const place = { address: '127.0.0.1', port, host: `127.0.0.1:${port}` };
    const visitor = new Visitor((path, options) => ask({ ...place, path, ...options }));
    const shown = await visitor.submit('/posts/new', { title: 'From here', body: '<b>Hi</b>' });
    assert.match(shown, /The post was created[\s\S]*&lt;b&gt;Hi/);
    assert.match(await visitor.submit('/posts/new', { title: '' }), /Title is missing/);

    await visitor.submit('/users/new', { email: 'ada@example.org', password: 'correct horse' });
    await visitor.submit('/password/new', { email: 'Ada@example.org' });
    const kept = /_moln\/mails\/\w+-\w+/;
    await until('the mail', async () => kept.test(await page('/_moln/mails')));
    const mail = await page(`/${kept.exec(await page('/_moln/mails'))?.[0]}`);
    assert.match(mail, new RegExp(`href="${base}/password/edit\\?token=[\\w-]{43}"`));
    assert.match(await page('/_moln/jobs'), /None/);
    // A name that somebody else lets lead here.
    assert.equal((await ask({ ...place, host: 'evil.example', path: '/_moln/mails' })).status, 403);
    const asked = /_moln\/requests\/\w+(?=">POST \/users<)/.exec(await page('/_moln'))?.[0];
    assert.match(await page(`/${asked}`), /INSERT INTO &quot;users&quot;[\s\S]*ada@example\.org/);

    const changes = (await fetch(`${base}/_moln/changes`)).body?.getReader();
    await changes?.read();
    edit('app/views/home.tsx', 'Welcome to Blog', 'Good morning');
    assert.match(Buffer.from((await changes?.read())?.value ?? []).toString(), /^data: \d+\n\n$/);
    await changes?.cancel();
    assert.match(await page('/'), /Good morning/);
    await typed('moln generate island counter');
    edit('app/views/home.tsx', '<p>', '<Island of={Counter} with={{ start: 1 }} />\n      <p>');
    edit(
      'app/views/home.tsx',
      'import',
      "import { Island } from 'moln';\nimport { Counter } from '../islands/counter.tsx';\nimport",
    );
    await until('the island', async () => (await page('/')).includes('>Counter 1</button>'));
    await using browser = await TestBrowser.start();
    const shownPage = await browser.page();
    await shownPage.goto(base);
    await shownPage.click('moln-island button');
    await shownPage.waitForSelector('text=Counter 2');
    const plainPage = await browser.page({ javaScript: false });
    await plainPage.goto(`${base}/later`, { waitUntil: 'commit' });
    await plainPage.waitForSelector('text=It comes');
    await page('/later/now');
    await plainPage.waitForSelector('text=It came');
    assert.equal(await plainPage.isVisible('text=It comes'), false);
    assert.deepEqual(browser.problems, []);
    edit('app/views/home.tsx', '<h1>', '<h1>{nobody.name}');
    await until('the mistake', async () =>
      /app\/views\/home\.tsx:8[\s\S]*<mark>.*&lt;h1&gt;\{nobody/.test(await page('/')),
    );
    edit('app/views/home.tsx', '{nobody.name}', '');
    // The open page shows what was mended by itself.
    await shownPage.waitForSelector('text=Good morning');
    const ended = new Promise((resolve) => dev.once('exit', resolve));
    dev.kill('SIGINT');
    await ended;
  });

  const visitor = new Visitor((path, options) => node.get('blog', path, options));
  await step(t, 'it is deployed with a database, and three instances share it', async () => {
    copyFileSync(join(WRITTEN, 'seed.ts.txt'), join(cwd, 'app/seed.ts'));
    assert.match(await typed('moln db seed'), /Seeded/);
    await typed('moln generate job publish');
    await typed('moln generate job never');
    copyFileSync(join(WRITTEN, 'publish.ts.txt'), join(cwd, 'app/jobs/publish.ts'));
    copyFileSync(join(WRITTEN, 'admin.ts.txt'), join(cwd, 'app/controllers/admin.ts'));
    copyFileSync(join(WRITTEN, 'drawer.ts.txt'), join(cwd, 'app/controllers/drawer.ts'));
    edit(
      'app/controllers/posts.ts',
      "c.flash('The post was created');",
      'await publish.enqueue({ id: made.row.id });\n    await never.enqueue({ id: 7 });\n    $&',
    );
    edit(
      'app/controllers/posts.ts',
      'import',
      "import { never } from '../jobs/never.ts';\nimport { publish } from '../jobs/publish.ts';\nimport",
    );
    edit(
      'app/controllers/home.ts',
      'index:',
      "'WS /echo': () => ({ message: (text, socket) => socket.send(text) }),\n  index:",
    );
    edit('app/views/posts.tsx', '<table>', '<Live of={[Post]}><table>');
    edit('app/views/posts.tsx', '</table>', '</table></Live>');
    edit('app/views/posts.tsx', 'Inputs,', 'Inputs, Live,');
    assert.match(await typed('moln deploy'), /blog is live: http:\/\/blog\.localhost/);
    const gateway = { host: node.address, port: node.ports.http };
    const inParts = await cameInParts(gateway, `blog.localhost:${node.ports.http}`);
    assert.match(inParts, /It comes[\s\S]*It came[\s\S]*<\/html>$/);
    await using mails = await startMailServer();
    await typed(
      `moln app blog env MAIL_URL=${mails.url} MAIL_FROM=blog@example.org S3_BUCKET=blog-files`,
    );
    await visitor.submit('/users/new', { email: 'ada@example.org', password: 'correct horse' });
    await visitor.submit('/password/new', { email: 'nobody@example.org' });
    await visitor.submit('/password/new', { email: 'ada@example.org' });
    await until('the mail', () => mails.received.length > 0);
    assert.match(
      mails.received[0] ?? '',
      /^MAIL FROM:<blog@example\.org>.*\nRCPT TO:<ada@example\.org>/,
    );
    const warnings = async (): Promise<string> =>
      (await node.json<{ warnings: readonly string[] }>('status')).warnings.join();
    assert.match(await warnings(), /not served over S3 here: Port \d+ .*is taken/);
    const plain = { 'content-type': 'application/octet-stream' };
    const drawer = { method: 'POST', headers: plain, body: 'mine' };
    const kept = await node.get('blog', '/drawer', drawer);
    assert.deepEqual([kept.status, callers], [500, 0], 'no file goes to another program');
    stranger.close();
    await until('S3 listens', async () => !(await warnings()).includes('S3'));
    await typed('moln app blog restart');
    const link = /http:\/\/blog\.localhost[^\s)]*token=[\w-]+/.exec(mails.received[0] ?? '')?.[0];
    const set = { password: 'battery staple' };
    assert.match(
      await visitor.submit((link ?? '').replace(/^.*?(?=\/password)/, ''), set),
      /is changed/,
    );
    await visitor.submit('/session/new', { email: 'ada@example.org', ...set });
    assert.match(await typed('moln scale blog 3'), /blog runs web=3/);
    const version = /data-version="([^"]*)"/.exec(await visitor.get('/posts'))?.[1] ?? '';
    const told = firstChange(node, `/_moln/live?tables=posts&version=${version}`);
    const shown = await visitor.submit('/posts/new', { title: 'Online', body: 'Hello' });
    assert.match(shown, /The post was created[\s\S]*Online/);
    await until('the job', async () => (await visitor.get('/posts')).includes('<td>yes</td>'));
    assert.match(await visitor.get('/admin/users'), /ada@example\.org/);
    assert.equal((await node.get('blog', '/admin/users')).status, 303);
    assert.match(await told, /^retry: \d+\n\ndata: \d+\n/);
    assert.match(await visitor.get('/'), /Counter 1.*src="\/_moln\/islands\.js\?v=\w+"/);
    assert.match((await node.get('blog', '/_moln/islands.js')).body, /moln-island/);
    assert.equal(await echoed(node, '/echo', 'Hello'), 'Hello');
    for (let times = 0; times < 6; times++) {
      assert.match(await visitor.get('/posts'), /ada@example\.org[\s\S]*Online/);
    }
    const foreign = await node.get('blog', '/posts', {
      method: 'POST',
      headers: { origin: 'http://evil.example', 'content-type': 'application/json' },
      body: '{"title":"x","body":"x"}',
    });
    assert.equal(foreign.status, 403);
  });

  await step(t, 'a job that fails is in the console with its reason', async () => {
    await using browser = await TestBrowser.start();
    const console = await browser.page();
    await console.goto(await loginLink(node));
    await console.waitForSelector('.sentence');
    await console.goto(new URL('/apps/blog', console.url()).href);
    const why = /never.*\{"id":7\}.*Not written yet: 7 \(app\/jobs\/never\.ts:5\)/;
    await console.getByRole('row', { name: why }).waitFor();
    await pagesAreForEverybody(browser, console, ['/apps/blog']);
    assert.deepEqual(browser.problems, []);
  });

  await step(t, 'what it puts into files is in the store of the cluster', async () => {
    const body = 'from the drawer '.repeat(10_000);
    const headers = { 'content-type': 'application/octet-stream' };
    let made: Answer | undefined;
    await until('the store takes it', async () => {
      made = await node.get('blog', '/drawer', { method: 'POST', headers, body });
      return made.status === 201;
    });
    const { url, size } = JSON.parse(made?.body ?? '') as { url: string; size: number };
    assert.equal(size, body.length);
    const photo = new File(['bytes of it'], 'a.png', { type: 'image/png' });
    const photoPage = await visitor.submit('/photos/new', { title: 'One', image: photo });
    const shown = /href="(\/_moln\/files\/[^"]+)">a\.png/.exec(photoPage)?.[1] ?? '';
    assert.equal(await visitor.get(shown.replaceAll('&amp;', '&')), 'bytes of it');
    const range = { headers: { range: 'bytes=5-14' } };
    const piece = await node.get('blog', url, range);
    assert.deepEqual([piece.status, piece.body], [206, 'the drawer']);
    assert.equal((await node.get('blog', `${url}0`)).status, 404);
    const listed = await typed('moln files ls blog-files');
    assert.ok(listed.includes(/files\/(\w+)/.exec(url)?.[1] ?? '?'), listed);
  });

  await step(t, 'the tracker of the examples is deployed beside it, and used', async () => {
    const blog = cwd;
    cwd = join(folder, 'tracker');
    copyExample('tracker', cwd);
    assert.match(await typed('moln test'), /pass 9\n.*fail 0/);
    // By now it leads to the framework's types.
    execFileSync(TSC, ['-p', '.'], { cwd });
    await typed('moln deploy');
    await typed('moln app tracker env S3_BUCKET=tracker-files');
    const ada = new Visitor((path, options) => node.get('tracker', path, options));
    const user = { name: 'Ada', email: 'ada@example.org', password: 'correct horse' };
    await ada.submit('/users/new', user);
    const board = await ada.submit('/teams/new', { name: 'Engine' });
    const team = /href="(\/teams\/\d+)"/.exec(board)?.[1] ?? '';
    await ada.submit(`${team}/issues/new`, { title: 'The pump leaks' });
    assert.match(await ada.press(team, 'Move "The pump leaks" to Done'), /Done[\s\S]*The pump/);
    const issue = /href="(\/issues\/\d+)"/.exec(await ada.get(team))?.[1] ?? '';
    await ada.press(issue, 'Say it', { body: 'The seal is old' });
    const file = new File(['lines'], 'drawing.txt');
    const page = await ada.press(issue, 'Attach', { file });
    assert.match(page, /drawing\.txt was attached[\s\S]*The seal is old/);
    assert.match(await ada.get(`${team}/issues?q=SEAL`), /Comments[\s\S]*The seal is old/);
    assert.equal((await node.get('tracker', issue)).status, 303);
    cwd = blog;
  });

  await step(t, 'a new field: its migration runs once, and no request fails', async () => {
    edit(
      'app/models/post.ts',
      'published: boolean(),',
      'published: boolean(),\n  likes: integer({ default: 0 }),',
    );
    edit('app/models/post.ts', 'boolean,', 'boolean, integer,');
    const refused = await runMoln(['deploy'], { env, cwd });
    assert.match(refused.stderr, /moln generate migration/);
    await typed('moln generate migration');
    assert.match(
      await typed('moln migrate --plan'),
      /ADD COLUMN "likes" INTEGER NOT NULL DEFAULT 0/,
    );
    // Slow enough for the log lines of the start to be among the last ones.
    await using load = new PacedLoad(50, () => node.get('blog', '/posts'));
    await typed('moln deploy');
    assert.ok(load.answered > 20);
    assert.deepEqual(failuresOf(await load.stop()), []);
    const { body } = await node.get('blog', '/posts.json');
    assert.equal((JSON.parse(body) as { rows: { likes: number }[] }).rows[0]?.likes, 0);
    const logs = await node.cli('app', 'blog', 'logs', '--tail', '10000');
    assert.equal(logs.stdout.match(/Migrated: \d+_add_likes_to_posts/g)?.length, 1);
  });

  await step(t, 'a migration that fails fails the deploy, and nothing has changed', async () => {
    await typed('moln scale blog 1');
    await typed('moln generate migration broken --empty');
    const newest = globSync('*.sql', { cwd: join(cwd, 'migrations') })
      .sort()
      .at(-1);
    const path = `migrations/${newest}`;
    // It runs on empty tables, so only the real database can tell.
    edit(path, '-- What changes, as SQL.', 'CREATE UNIQUE INDEX one_flag ON posts (published);');
    await visitor.submit('/posts/new', { title: 'Second', body: 'Hello' });
    const { code, stderr } = await runMoln(['deploy'], { env, cwd });
    assert.equal(code, 1);
    assert.match(stderr, /failed: UNIQUE constraint failed: posts\.published/);
    assert.match(await visitor.get('/posts'), /Second[\s\S]*Online/);
  });
});
