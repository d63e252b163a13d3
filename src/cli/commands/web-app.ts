/** Commands for developers of Moln apps, in the app's folder: `new`, `generate`, `dev`, `test`, `migrate`, `routes`. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import type { CommandSpec, Context, Input, OptionSpec } from '../command.ts';
import { EXIT, usageError } from '../errors.ts';
import { printable } from '../words.ts';

// Loaded where it is needed: the compiler of apps is nothing that other commands should wait for.
const workbench = () => import('../../workbench/workbench.ts');

const DEV_PORT = 3000;
const FOLDER: OptionSpec = {
  flags: '--in <DIR>',
  description: "the app's folder (default: this one)",
};
const FIELDS = {
  name: 'FIELD',
  description:
    'NAME:TYPE with string, text, integer, number, boolean, datetime, json, file or belongs_to; then :optional, :unique, :index',
  variadic: true,
};
const NAME = { name: 'NAME', description: 'in the singular, such as post', required: true };

export const NEW: CommandSpec = {
  name: 'new',
  summary: 'Make the folder of a new app in the web framework.',
  local: true,
  arguments: [{ name: 'NAME', description: 'of the app and its folder', required: true }],
  examples: [['moln new blog && cd blog && moln dev', 'a page at http://localhost:3000']],
  run: async (context, input) => {
    const name = input.argument('NAME') ?? '';
    const files = await (await workbench()).createApp(folderOf(context, input), name);
    return told(
      context,
      { app: name, files },
      files.map((path) => `  ${name}/${path}`),
      [`${name} is there. Go on with "cd ${name}" and "moln dev"`],
    );
  },
  options: [FOLDER],
};

type Workbench = Awaited<ReturnType<typeof workbench>>;
type Write = (bench: Workbench, folder: string, input: Input) => Promise<readonly string[]>;

/** A command that writes files and tells which. */
function generator(spec: Omit<CommandSpec, 'local' | 'run'>, write: Write): CommandSpec {
  return {
    ...spec,
    local: true,
    options: [FOLDER, ...(spec.options ?? [])],
    run: async (context, input) => {
      const files = await write(await workbench(), folderOf(context, input), input);
      return told(
        context,
        { files },
        files.map((path) => `  ${path}`),
        [],
      );
    },
  };
}

const nameOf = (input: Input): string => input.argument('NAME') ?? '';

export const GENERATE: CommandSpec = {
  name: 'generate',
  summary: 'Write files of an app: models, controllers, views, migrations.',
  local: true,
  commands: [
    generator(
      {
        name: 'scaffold',
        summary: 'Model, migration, controller, views and test of one noun.',
        arguments: [NAME, FIELDS],
        examples: [
          [
            'moln generate scaffold post title:string body:text published:boolean',
            'pages at /posts',
          ],
        ],
      },
      (bench, folder, input) => bench.generateScaffold(folder, nameOf(input), input.rest('FIELD')),
    ),
    generator(
      {
        name: 'model',
        summary: 'A model and its migration.',
        arguments: [NAME, FIELDS],
        examples: [['moln generate model comment body:text post:belongs_to', 'a table comments']],
      },
      (bench, folder, input) => bench.generateModel(folder, nameOf(input), input.rest('FIELD')),
    ),
    generator(
      {
        name: 'controller',
        summary: 'A controller with these actions.',
        arguments: [
          { ...NAME, description: 'such as reports or posts/comments' },
          { name: 'ACTION', description: 'such as index', variadic: true },
        ],
      },
      (bench, folder, input) =>
        bench.generateController(folder, nameOf(input), input.rest('ACTION')),
    ),
    generator(
      {
        name: 'job',
        summary: 'Work for later, done by any instance.',
        arguments: [{ ...NAME, description: 'such as send_digest' }],
      },
      (bench, folder, input) => bench.generateJob(folder, nameOf(input)),
    ),
    generator(
      {
        name: 'mail',
        summary: 'A mail that the app sends.',
        arguments: [{ ...NAME, description: 'such as welcome' }],
      },
      (bench, folder, input) => bench.generateMail(folder, nameOf(input)),
    ),
    generator(
      {
        name: 'island',
        summary: 'A component that goes on in the browser.',
        arguments: [{ ...NAME, description: 'such as counter' }],
      },
      (bench, folder, input) => bench.generateIsland(folder, nameOf(input)),
    ),
    generator(
      {
        name: 'policy',
        summary: 'Who may do what with the rows of a model: those of a user, only that user.',
        arguments: [NAME],
        examples: [['moln generate policy post', 'app/policies/post.ts']],
      },
      (bench, folder, input) => bench.generatePolicy(folder, nameOf(input)),
    ),
    generator(
      {
        name: 'auth',
        summary: 'Users who sign up, in and out, and set a forgotten password anew by mail.',
      },
      (bench, folder) => bench.generateAuth(folder),
    ),
    generator(
      {
        name: 'migration',
        summary: 'What the models want beyond the migrations, as SQL to read.',
        arguments: [{ name: 'NAME', description: 'default: it follows from what changes' }],
        options: [
          { flags: '--empty', description: 'an empty one, to write by hand' },
          { flags: '--allow-loss', description: 'also when columns or values would be gone' },
        ],
      },
      (bench, folder, input) =>
        bench.generateMigration(folder, {
          name: input.argument('NAME'),
          isEmpty: input.flag('empty'),
          allowsLoss: input.flag('allow-loss'),
        }),
    ),
  ],
};

type Words = (bench: Workbench, folder: string, input: Input) => Promise<readonly string[]>;

/** A command that is a process of its own: Node in the app's folder, with this terminal. */
function ownProcess(spec: Omit<CommandSpec, 'local' | 'run'>, words: Words): CommandSpec {
  return {
    ...spec,
    local: true,
    options: [FOLDER, ...(spec.options ?? [])],
    run: async (context, input) => {
      const folder = folderOf(context, input);
      return await runNode(context, folder, await words(await workbench(), folder, input));
    },
  };
}

export const DEV: CommandSpec = ownProcess(
  {
    name: 'dev',
    summary: 'Run an app here while it is written: changes show at once, mistakes with their line.',
    options: [
      { flags: '--port <PORT>', description: `default ${DEV_PORT}` },
      { flags: '--host <ADDRESS>', description: 'default localhost: only this machine' },
    ],
  },
  (bench, folder, input) => {
    const port = Number(input.text('port') ?? DEV_PORT);
    if (!Number.isInteger(port) || port < 0 || port > 65_535) {
      throw usageError(`"${input.text('port')}" is not a port`, 'Write it as --port 3000');
    }
    return bench.devWords(folder, { host: input.text('host') ?? 'localhost', port });
  },
);

export const TEST: CommandSpec = ownProcess(
  {
    name: 'test',
    summary: "Run an app's tests.",
    arguments: [{ name: 'FILE', description: 'default: all of tests/', variadic: true }],
  },
  (bench, folder, input) => bench.testWords(folder, input.rest('FILE')),
);

export const REPL: CommandSpec = ownProcess(
  {
    name: 'repl',
    summary: "Talk to an app's models and database, in JavaScript.",
    examples: [
      ['moln repl', 'at its prompt: await Post.where({ published: true }).count()'],
      ['moln console', 'another thing: a link to the console in the browser'],
    ],
  },
  (bench, folder) => bench.runWords(folder, 'repl'),
);

/** Of `moln db`. */
export const SEED: CommandSpec = ownProcess(
  {
    name: 'seed',
    summary: "Fill an app's database here (or that of DATABASE_URL): runs seed() of app/seed.ts.",
  },
  (bench, folder) => bench.runWords(folder, 'seed'),
);

export const MIGRATE: CommandSpec = {
  name: 'migrate',
  summary: 'Apply the migrations of an app to its database here (or the one of DATABASE_URL).',
  local: true,
  options: [FOLDER, { flags: '--plan', description: 'show what would be done, and do nothing' }],
  commands: [
    {
      name: 'rollback',
      summary: 'Take the newest migration back.',
      local: true,
      options: [FOLDER],
      run: async (context, input) => {
        const name = await (
          await workbench()
        ).rollbackMigration(folderOf(context, input), context.io.env['DATABASE_URL']);
        return told(
          context,
          { rolledBack: name ?? null },
          [],
          [name === undefined ? 'There is no migration to take back' : `Taken back: ${name}`],
        );
      },
    },
  ],
  run: async (context, input) => {
    const folder = folderOf(context, input);
    const url = context.io.env['DATABASE_URL'];
    if (input.flag('plan')) return await showPlan(context, folder, url);
    const names = await (await workbench()).applyMigrations(folder, url);
    const lines = names.map((name) => `Migrated: ${name}`);
    return told(context, { applied: names }, lines, names.length === 0 ? ['Nothing to do'] : []);
  },
};

export const ROUTES: CommandSpec = {
  name: 'routes',
  summary: 'List the routes of an app: method, path, controller and action.',
  local: true,
  options: [FOLDER],
  run: async (context, input) => {
    const routes = await (await workbench()).appRoutes(folderOf(context, input));
    const rows = routes.map(({ method, pattern, name }) => ({
      method,
      path: pattern,
      action: name,
    }));
    if (context.json) context.words.json(rows);
    else
      context.words.table(
        ['METHOD', 'PATH', 'ACTION'],
        rows.map(({ method, path, action }) => [method, path, action]),
      );
    return EXIT.ok;
  },
};

async function showPlan(
  context: Context,
  folder: string,
  url: string | undefined,
): Promise<number> {
  const { waiting, unwritten } = await (await workbench()).planMigrations(folder, url);
  const sql = unwritten?.up.join('\n');
  if (context.json) {
    context.words.json({ waiting, unwritten: sql ?? null, loses: unwritten?.loses ?? [] });
    return EXIT.ok;
  }
  for (const each of waiting) context.words.line(`-- ${each.name}\n${each.sql}\n`);
  if (sql !== undefined)
    context.words.line(
      `-- Wanted by the models, in no file yet: "moln generate migration"\n${sql}`,
    );
  if (waiting.length === 0 && sql === undefined) context.words.line('Nothing to do');
  return EXIT.ok;
}

/** Runs Node in the app's folder with this terminal, and ends as it does. */
async function runNode(
  context: Context,
  folder: string,
  words: readonly string[],
): Promise<number> {
  const isTerminal = context.io.stdout === process.stdout && process.stdout.isTTY;
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ...words], {
    cwd: folder,
    // What the compiler made of the framework is kept, so that it starts twice as fast.
    env: { NODE_COMPILE_CACHE: join(folder, '.moln', 'cache'), ...context.io.env },
    // Its terminal is its own: the REPL edits lines and knows those before.
    stdio: isTerminal ? 'inherit' : ['inherit', 'pipe', 'pipe'],
  });
  child.stdout?.pipe(context.io.stdout, { end: false });
  child.stderr?.pipe(context.io.stderr, { end: false });
  const end = (): void => void child.kill('SIGTERM');
  context.signal.addEventListener('abort', end, { once: true });
  const [code] = (await once(child, 'close')) as [number | null];
  context.signal.removeEventListener('abort', end);
  return context.signal.aborted ? EXIT.ok : (code ?? EXIT.failed);
}

function told(
  context: Context,
  result: unknown,
  lines: readonly string[],
  notes: readonly string[],
): number {
  if (context.json) context.words.json(result);
  else for (const line of [...lines, ...notes]) context.words.line(printable(line));
  return EXIT.ok;
}

function folderOf(context: Context, input: Input): string {
  return resolve(context.io.cwd, input.text('in') ?? '.');
}
