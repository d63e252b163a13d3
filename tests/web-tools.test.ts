/** What somebody who writes an app has at hand, by what they type: generators by themselves, the REPL, and what `moln dev` says of mistakes. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { freePorts } from '../testing/free-ports.ts';
import { type Answer, ask } from '../testing/http.ts';
import { type CliResult, MOLN, runMoln } from '../testing/moln.ts';
import { step } from '../testing/step.ts';
import { until } from '../testing/until.ts';
import { Visitor } from '../testing/visitor.ts';

interface Written {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  run(line: string): Promise<CliResult>;
  /** The same; it must succeed. Gives what it printed. */
  typed(line: string): Promise<string>;
  write(path: string, text: string): void;
  edit(path: string, from: string, to: string): void;
}

async function newApp(t: TestContext): Promise<Written> {
  const folder = mkdtempSync(join(tmpdir(), 'moln-web-tools-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const env = { PATH: process.env['PATH'] ?? '', HOME: folder };
  await runMoln(['new', 'shop'], { env, cwd: folder });
  const cwd = join(folder, 'shop');
  const run = (line: string): Promise<CliResult> => runMoln(line.split(' ').slice(1), { env, cwd });
  const write = (path: string, text: string): void => writeFileSync(join(cwd, path), text);
  return {
    cwd,
    env,
    run,
    write,
    async typed(line) {
      const { code, stdout, stderr } = await run(line);
      assert.equal(code, 0, `${line}\n${stdout}${stderr}`);
      return stdout;
    },
    edit(path, from, to) {
      const text = readFileSync(join(cwd, path), 'utf8');
      assert.ok(text.includes(from), `${path} has ${from}`);
      write(path, text.replace(from, to));
    },
  };
}

/** `moln dev`, its pages and what it printed. */
async function dev(t: TestContext, { cwd, env }: Written): Promise<Dev> {
  const [port = 0] = await freePorts('127.0.0.1', 1);
  const child = spawn(MOLN, ['dev', '--port', String(port), '--host', '127.0.0.1'], { cwd, env });
  t.after(() => child.kill('SIGKILL'));
  const log = heard(child);
  const place = { address: '127.0.0.1', port, host: `127.0.0.1:${port}` };
  const page = (path: string, accept = 'text/html'): Promise<Answer> =>
    ask({ ...place, path, headers: { accept } });
  await until('moln dev', async () => (await page('/').catch(() => undefined))?.status === 200);
  const visitor = new Visitor((path, options) => ask({ ...place, path, ...options }));
  return { page, visitor, log };
}

interface Dev {
  readonly page: (path: string, accept?: string) => Promise<Answer>;
  readonly visitor: Visitor;
  readonly log: () => string;
}

function heard(child: ChildProcess): () => string {
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (piece: string) => (text += piece));
  return () => text;
}

/** Words of a page, without its tags. */
function words({ body }: Answer): string {
  return body
    .replace(/<[^>]+>/g, '')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'");
}

const TSC = fileURLToPath(new URL('../node_modules/.bin/tsc', import.meta.url));
const CHOICES = fileURLToPath(new URL('../testing/web-app/choices.test.ts.txt', import.meta.url));
const REPORTS = 'app/controllers/reports.ts';
const controllerOf = (imported: string, actions: string): string =>
  `import { controller } from 'moln';\n${imported}\nexport const reports = controller({\n${actions}\n});\n`;

test('each generator by itself writes code that runs', async (t) => {
  const app = await newApp(t);
  assert.match(
    await app.typed('moln generate model note title:string stars:integer'),
    /app\/models\/note\.ts\n.*migrations\/\d{14}_create_notes\.sql/,
  );
  assert.match(
    await app.typed('moln generate controller reports index monthly_sales'),
    /app\/controllers\/reports\.ts/,
  );
  await app.typed('moln generate mail welcome');
  await app.typed('moln generate job tidy');
  const again = await app.run('moln generate model note title:string');
  assert.match(again.stderr, /app\/models\/note\.ts/);
  assert.equal(again.code, 1, 'no file is written over');
  const many = await app.run('moln generate scaffold notes title:string');
  assert.match(many.stderr, /"notes" is many[\s\S]*Did you mean "note"\?/);
  const reply = 'moln generate scaffold reply body:text';
  const nobody = await app.run(`${reply} letter:belongs_to`);
  assert.match(nobody.stderr, /"reply" belongs to "letter", which is no model/);
  await app.typed(`${reply} note:belongs_to`);
  // A form lets one choose what the new row belongs to, also when it is shown again.
  copyFileSync(CHOICES, join(app.cwd, 'tests/choices.test.ts'));
  const routes = await app.typed('moln routes');
  assert.match(routes, /GET +\/reports +reports#index/);
  assert.match(routes, /GET +\/reports\/monthly-sales/);
  await app.typed('moln generate auth');
  await app.typed('moln generate policy note');
  await app.typed('moln generate policy user');
  execFileSync(TSC, ['-p', '.'], { cwd: app.cwd });
  assert.match(await app.typed('moln test'), /fail 0/);

  // The other thing of that name elsewhere is told from the web console, whether a node runs or not.
  const asked = await app.run('moln console');
  assert.match(asked.stderr, /web console.*"moln repl"/);
  assert.doesNotMatch((await app.run('moln console --json')).stderr, /repl/);
  assert.match(await app.typed('moln console --help'), /moln repl/);
  assert.match(await app.typed('moln repl --help'), /moln console/);

  await step(t, 'the REPL has the models and the database', async () => {
    const { cwd, env } = app;
    // A terminal of its own, as somebody has who types.
    const repl = spawn('script', ['-qfec', `${MOLN} repl`, '/dev/null'], { cwd, env });
    t.after(() => repl.kill('SIGKILL'));
    const said = heard(repl);
    const answered = async (line: string, answer: string): Promise<void> => {
      repl.stdin.write(`${line}\r`);
      await until(answer, () => said().includes(answer));
    };
    await until('its prompt', () => said().includes('moln> '));
    assert.match(said(), /Note, PasswordReset, Reply, User, query, transaction/);
    await answered("(await Note.create({ title: 'Kept', stars: 41 })).title + '!'", 'Kept!');
    await answered('(await Note.where({}).first()).stars + 1', '42');
    await answered('(await query`SELECT title FROM notes`)[0].title.length * 100', '400');
    repl.stdin.write('.exit\r');
    const [code] = (await once(repl, 'exit')) as [number];
    assert.equal(code, 0);
  });
});

test('moln dev says in which file and line a mistake is, and what to do', async (t) => {
  const app = await newApp(t);
  await app.typed('moln generate scaffold item name:string price:integer');
  await app.typed('moln generate controller reports index');
  const { page, visitor, log } = await dev(t, app);
  const shown = async (what: string, wanted: RegExp): Promise<string> => {
    let text = '';
    await until(what, async () => wanted.test((text = words(await page('/reports')))));
    return text;
  };

  await step(t, 'a view that is not there', async () => {
    const action = '  index: () => HomePage({}),';
    app.write(REPORTS, controllerOf("import { HomePage } from '../views/hone.tsx';", action));
    const text = await shown(
      'the missing file',
      /app\/controllers\/reports\.ts:2 imports "\.\.\/views\/hone\.tsx", which is not there/,
    );
    assert.match(text, /did you mean "\.\.\/views\/home\.tsx"\?/);
    assert.match(text, /2 {2}import \{ HomePage \}/, 'the line itself');
    const { code, stderr } = await app.run('moln routes');
    assert.equal(code, 1);
    assert.match(stderr, /reports\.ts:2 imports "\.\.\/views\/hone\.tsx"[\s\S]*did you mean/);
    app.write(
      REPORTS,
      controllerOf("import { Sales } from '../views/home.tsx';", '  index: Sales,'),
    );
    await shown('the missing name', /export named 'Sales'[\s\S]*app\/controllers\/reports\.ts:2/);
    app.write(REPORTS, controllerOf("import { chart } from 'chart-of';", '  index: chart,'));
    await shown('the missing package', /Install it with "npm install chart-of"/);
    // What the app has an answer to is Node's own error.
    const tried = "const at = 'chart-of', why = await import(at).catch(({ code }) => code);";
    app.write(REPORTS, controllerOf(tried, '  index: () => `without: ${why}`,'));
    await shown('what the app does without it', /without: ERR_MODULE_NOT_FOUND/);
  });

  await step(t, 'two actions at one address', async () => {
    app.write(REPORTS, controllerOf('', "  index: () => 'a',\n  'GET /': () => 'b',"));
    const wanted =
      /"GET \/" of app\/controllers\/reports and "index" of app\/controllers\/reports both answer GET \/reports/;
    assert.match(await shown('the clash', wanted), /Give one of them another path/);
    const { code, stderr } = await app.run('moln routes');
    assert.equal(code, 1);
    assert.match(stderr, wanted);
  });

  await step(t, 'an action that throws', async () => {
    const action = "  index: () => {\n    throw new Error('No sales today');\n  },";
    app.write(REPORTS, controllerOf('', action));
    await shown('the error', /No sales today[\s\S]*app\/controllers\/reports\.ts:5/);
    const problem = await page('/reports', 'application/json');
    const { status, id } = JSON.parse(problem.body) as { status: number; id: string };
    assert.equal(status, 500);
    assert.doesNotMatch(problem.body, /No sales/);
    await until('the id in the log', () => log().includes(id));
  });

  await step(t, 'a statement that fails deep below an action', async () => {
    const imported =
      "import { query, transaction } from 'moln';\nimport { Item } from '../models/item.ts';";
    const action = `  index: () =>
    transaction(async () => {
      await query\`CREATE UNIQUE INDEX one_name ON items (name)\`;
      await Item.create({ name: 'Twin', price: 1 });
      const other = await Item.create({ name: 'Other', price: 1 });
      await Item.update(other, { name: 'Twin' });
    }),`;
    app.write(REPORTS, controllerOf(imported, action));
    await shown(
      'the line',
      /UNIQUE constraint failed: items.name[\s\S]*app\/controllers\/reports\.ts:10/,
    );
  });

  await step(t, 'a job that throws is on the dashboard with its reason', async () => {
    await app.typed('moln generate job tidy');
    const imported = "import { tidy } from '../jobs/tidy.ts';";
    const action = "  index: async () => ((await tidy.enqueue({ id: 7 })) ? 'put in' : 'there'),";
    app.write(REPORTS, controllerOf(imported, action));
    // The page of an error has the lines of the file as it is by now.
    await shown('the action', /^put in/);
    await until('the job to fail', async () =>
      /tidy[\s\S]*waiting[\s\S]*\{"id":7\}[\s\S]*Not written yet: 7/.test(
        words(await page('/_moln/jobs')),
      ),
    );
    const line = /Job tidy failed[\s\S]*app\/jobs\/tidy\.ts:5/;
    await until('the line of the job in the log', () => line.test(log()));
  });

  await step(t, 'a form with wrong types is shown again with sentences at its fields', async () => {
    const again = await visitor.submit('/items/new', { name: 'Nut', price: 'dear' });
    assert.match(again, /Price must be a whole number/);
    assert.match(again, /value="dear"/, 'what was typed is kept');
    assert.match(await visitor.submit('/items/new', { name: 'Nut', price: '5' }), /was created/);
  });

  await step(t, 'the dashboard has requests with statements, their plans and times', async () => {
    const list = await page('/_moln');
    const [, id = ''] = /\/_moln\/requests\/(\w+)">POST \/items</.exec(list.body) ?? [];
    const one = words(await page(`/_moln/requests/${id}`));
    assert.match(one, /Status 303, [\d.]+ ms, of which [\d.]+ ms in\s+\d+ statements/);
    assert.match(one, /INSERT INTO "items"[\s\S]*"Nut"[\s\S]*Plan: /);
    assert.match(words(await page('/_moln/routes')), /\/items\/:id\/edit/);
  });

  await step(t, 'a model that no migration makes, or that would lose data', async () => {
    app.edit('app/models/item.ts', '  price: integer(),\n', '');
    app.edit('app/models/item.ts', 'integer, ', '');
    await shown('the difference', /no migration makes: .*items[\s\S]*moln generate migration/);
    const { code, stderr } = await app.run('moln generate migration');
    assert.equal(code, 1);
    assert.match(stderr, /would lose data: .*price of items[\s\S]*--allow-loss/);
    const kept = words(await page('/items'));
    assert.match(kept, /no migration makes/, 'nothing has changed');
    app.edit(
      'app/models/item.ts',
      '  name: string(),\n',
      '  name: string(),\n  price: integer(),\n',
    );
    app.edit('app/models/item.ts', 'model, ', 'integer, model, ');
    await until('the rows', async () => /Nut/.test(words(await page('/items'))));
  });
});
