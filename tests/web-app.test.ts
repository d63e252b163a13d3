/** An app in the web framework, from nothing to three instances, by what a person types. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { copyFileSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { formsOf, formWith } from '../src/workbench/page-forms.ts';
import { freePorts } from '../testing/free-ports.ts';
import { type Answer, ask } from '../testing/http.ts';
import { MOLN, runMoln } from '../testing/moln.ts';
import { failuresOf, PacedLoad } from '../testing/paced-load.ts';
import { step } from '../testing/step.ts';
import { type AskOptions, TestNode } from '../testing/test-node.ts';
import { until } from '../testing/until.ts';

/** What a person writes into files of the app. */
const WRITTEN = fileURLToPath(new URL('../testing/web-app', import.meta.url));

type Send = (path: string, options: AskOptions) => Promise<Answer>;

/** As a person who looks at a page: its cookies are kept, its forms are filled in. */
class Visitor {
  readonly #send: Send;
  #cookie = '';

  constructor(send: Send) {
    this.#send = send;
  }

  async get(path: string): Promise<string> {
    return (await this.#ask(path, {})).body;
  }

  async submit(path: string, fields: Readonly<Record<string, string>>): Promise<string> {
    const form = formWith(formsOf(await this.get(path)), Object.keys(fields));
    assert.ok(form, `${path} has a form with ${Object.keys(fields).join(', ')}`);
    const body = new URLSearchParams({ ...form.fields, ...fields }).toString();
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const answer = await this.#ask(form.action, { method: form.method, headers, body });
    const next = answer.headers.location;
    return next === undefined ? answer.body : await this.get(next);
  }

  async #ask(path: string, options: AskOptions): Promise<Answer> {
    const headers = { ...options.headers, accept: 'text/html', cookie: this.#cookie };
    const answer = await this.#send(path, { ...options, headers });
    for (const line of answer.headers['set-cookie'] ?? []) this.#cookie = line.split(';')[0] ?? '';
    return answer;
  }
}

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

test('an app from nothing to three instances', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'moln-web-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  await using node = await TestNode.start(t);
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
    await typed('moln generate auth');
    assert.match(await typed('moln test'), /pass 6\n.*fail 0/);
    assert.match(await typed('moln routes'), /DELETE +\/posts\/:id +posts#destroy/);
  });

  await step(t, 'moln dev shows changes at once, and mistakes with their line', async () => {
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

    const changes = (await fetch(`${base}/_moln/changes`)).body?.getReader();
    await changes?.read();
    edit('app/views/home.tsx', 'Welcome to Blog', 'Good morning');
    assert.match(Buffer.from((await changes?.read())?.value ?? []).toString(), /^data: \d+\n\n$/);
    await changes?.cancel();
    assert.match(await page('/'), /Good morning/);
    edit('app/views/home.tsx', '<h1>', '<h1>{nobody.name}');
    await until('the mistake', async () => /app\/views\/home\.tsx:6/.test(await page('/')));
    edit('app/views/home.tsx', '{nobody.name}', '');
    await until('the page again', async () => (await page('/')).includes('Good morning'));
    const ended = new Promise((resolve) => dev.once('exit', resolve));
    dev.kill('SIGINT');
    await ended;
  });

  const visitor = new Visitor((path, options) => node.get('blog', path, options));
  await step(t, 'it is deployed with a database, and three instances share it', async () => {
    copyFileSync(join(WRITTEN, 'seed.ts.txt'), join(cwd, 'app/seed.ts'));
    assert.match(await typed('moln db seed'), /Seeded/);
    await typed('moln generate job publish');
    copyFileSync(join(WRITTEN, 'publish.ts.txt'), join(cwd, 'app/jobs/publish.ts'));
    copyFileSync(join(WRITTEN, 'admin.ts.txt'), join(cwd, 'app/controllers/admin.ts'));
    copyFileSync(join(WRITTEN, 'drawer.ts.txt'), join(cwd, 'app/controllers/drawer.ts'));
    edit(
      'app/controllers/posts.ts',
      "c.flash('The post was created');",
      'await publish.enqueue({ id: made.row.id });\n    $&',
    );
    edit(
      'app/controllers/posts.ts',
      'import',
      "import { publish } from '../jobs/publish.ts';\nimport",
    );
    edit('app/views/posts.tsx', '<table>', '<Live of={[Post]}><table>');
    edit('app/views/posts.tsx', '</table>', '</table></Live>');
    edit('app/views/posts.tsx', 'Inputs,', 'Inputs, Live,');
    assert.match(await typed('moln deploy'), /blog is live: http:\/\/blog\.localhost/);
    await typed('moln app blog env S3_BUCKET=blog-files');
    await visitor.submit('/users/new', { email: 'ada@example.org', password: 'correct horse' });
    assert.match(await typed('moln scale blog 3'), /blog runs web=3/);
    const version = /data-version="([^"]*)"/.exec(await visitor.get('/posts'))?.[1] ?? '';
    const told = firstChange(node, `/_moln/live?tables=posts&version=${version}`);
    const shown = await visitor.submit('/posts/new', { title: 'Online', body: 'Hello' });
    assert.match(shown, /The post was created[\s\S]*Online/);
    await until('the job', async () => (await visitor.get('/posts')).includes('<td>yes</td>'));
    assert.match(await visitor.get('/admin/users'), /ada@example\.org/);
    assert.equal((await node.get('blog', '/admin/users')).status, 303);
    assert.match(await told, /^retry: \d+\n\ndata: \d+\n/);
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
    const range = { headers: { range: 'bytes=5-14' } };
    const piece = await node.get('blog', url, range);
    assert.deepEqual([piece.status, piece.body], [206, 'the drawer']);
    assert.equal((await node.get('blog', `${url}0`)).status, 404);
    const listed = await typed('moln files ls blog-files');
    assert.ok(listed.includes(/files\/(\w+)/.exec(url)?.[1] ?? '?'), listed);
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
