/** `moln db dump`, `restore`, `import` and `export`: whole databases out and in. */
import { createWriteStream, existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { finished } from 'node:stream/promises';
import { renameDurable } from '../../base/disk.ts';
import { MolnError } from '../../base/errors.ts';
import { isoTime } from '../../base/time.ts';
import { parseDuration } from '../../base/units.ts';
import type { CommandSpec, Context, Input } from '../command.ts';
import { importFrom, restoreFrom } from '../db-copy-in.ts';
import { type Copied, dumpTo, exportTo } from '../db-copy-out.ts';
import { writeTo } from '../db-print.ts';
import { fileError, linesOf, linesOfFile } from '../db-script.ts';
import { EXIT, usageError } from '../errors.ts';
import { type Display, showSteps } from '../progress.ts';
import { count } from '../words.ts';

const NAME = { name: 'NAME', description: 'of the database', required: true };

export const DUMP: CommandSpec = {
  name: 'dump',
  summary: 'Write a database as SQL text, as it is at one moment.',
  arguments: [NAME, { name: 'FILE', description: 'a new one (default: stdout)' }],
  examples: [
    ['moln db dump shop shop.sql', ''],
    ['moln db dump shop | gzip > shop.sql.gz', ''],
  ],
  run: async (context, input) => {
    const name = nameOf(input);
    const file = input.argument('FILE');
    await using stream = context.client().sql(name);
    if (file === undefined) {
      const write = (text: string): Promise<void> => writeTo(context.io.stdout, text);
      const { doubt } = await dumpTo(stream, write, undefined);
      if (doubt !== undefined) context.words.note(doubt);
      return EXIT.ok;
    }
    const copied = await intoFile(context, file, `Dumping ${name}`, async (path, display) => {
      const out = createWriteStream(path, { flags: 'wx', mode: 0o600, flush: true });
      const done = finished(out);
      // Told by `done`, whoever waits for what when it happens.
      done.catch(() => undefined);
      const written = await dumpTo(
        stream,
        (text) => Promise.race([writeTo(out, text), done]),
        display,
      );
      out.end();
      await done;
      return written;
    });
    return printCopied(context, copied, { database: name, file }, `is dumped to "${file}"`);
  },
};

export const EXPORT: CommandSpec = {
  name: 'export',
  summary: 'Write a database as one SQLite file, as it is at one moment.',
  arguments: [NAME, { name: 'FILE', description: 'a new one', required: true }],
  examples: [['moln db export shop shop.sqlite', '']],
  run: async (context, input) => {
    const name = nameOf(input);
    const file = input.argument('FILE') ?? '';
    await using stream = context.client().sql(name);
    const copied = await intoFile(context, file, `Exporting ${name}`, (path, display) =>
      exportTo(stream, path, display),
    );
    return printCopied(context, copied, { database: name, file }, `is exported to "${file}"`);
  },
};

export const IMPORT: CommandSpec = {
  name: 'import',
  summary: 'Copy the tables of an SQLite file into a database.',
  arguments: [NAME, { name: 'FILE', description: 'an SQLite database', required: true }],
  examples: [['moln db import shop shop.sqlite', '']],
  run: async (context, input) => {
    const name = nameOf(input);
    const file = input.argument('FILE') ?? '';
    const path = resolve(context.io.cwd, file);
    if (!existsSync(path)) throw fileError(file, 'read', 'there is no such file');
    await using stream = context.client().sql(name);
    const copied = await shownAs(context, `Importing into ${name}`, (display) =>
      importFrom(stream, path, display),
    );
    return printCopied(context, copied, { database: name, file }, `has what is in "${file}"`);
  },
};

export const RESTORE: CommandSpec = {
  name: 'restore',
  summary:
    'Run the SQL text of a dump in a database; or make a new one as it was at a time, or of snapshots of a lost one.',
  arguments: [NAME, { name: 'FILE', description: 'of dump or sqlite3 (-: stdin)' }],
  options: [
    { flags: '--at <TIME>', description: 'as 2027-01-31T12:00:00Z, or 10m for ten minutes ago' },
    {
      flags: '--from-snapshots',
      description: 'of a lost cloud, which "moln recover" brought back: by name or id',
    },
    {
      flags: '--as <NEW>',
      description: 'with --at and --from-snapshots: the name of the new database',
    },
  ],
  examples: [
    ['moln db restore shop shop.sql', ''],
    ['gunzip -c shop.sql.gz | moln db restore shop -', ''],
    ['moln db restore shop --at 10m --as shop-before', 'shop itself stays as it is'],
    ['moln db restore shop --from-snapshots', 'see "moln db lost"'],
  ],
  run: async (context, input) => {
    const name = nameOf(input);
    const at = input.text('at');
    if (input.flag('from-snapshots')) return await restoreLost(context, input);
    if (at !== undefined) return await restoreAt(context, input, at);
    const file = input.argument('FILE');
    if (file === undefined)
      throw usageError(
        'Nothing says what to restore',
        'Give the file of a dump, --at TIME or --from-snapshots',
      );
    const lines =
      file === '-' ? linesOf(context.io.stdin) : linesOfFile(resolve(context.io.cwd, file));
    await using stream = context.client().sql(name);
    const statements = await shownAs(context, `Restoring ${name}`, (display) =>
      restoreFrom(stream, { lines, file: file === '-' ? 'stdin' : file }, display),
    );
    if (context.json) context.words.json({ database: name, file, statements });
    else context.words.line(`${name} is restored: ${count(statements, 'statement')}`);
    return EXIT.ok;
  },
};

/** Of a database that was lost with its cloud. */
async function restoreLost(context: Context, input: Input): Promise<number> {
  const name = nameOf(input);
  if (input.text('at') !== undefined || input.argument('FILE') !== undefined)
    throw usageError('--from-snapshots takes what the snapshots have', 'Give no file and no --at');
  const client = context.client();
  const asked = input.text('as');
  const known = asked === undefined ? await client.lostDatabases() : [];
  // By its id one gets back the name that it had.
  const as = asked ?? known.find(({ id }) => id === name)?.name ?? name;
  const restored = await client.restoreLostDatabase(name, { as });
  if (context.json) context.words.json(restored);
  else {
    const at = isoTime(restored.at);
    context.words.line(
      `${as} is as it was at ${at}: all stripes, schema and ids as of that moment`,
    );
    context.words.line(
      'What was written later is lost with the log of that cloud. Tokens of then open nothing: make new ones with "moln db token"',
    );
  }
  return EXIT.ok;
}

/** The database itself stays as it is. */
async function restoreAt(context: Context, input: Input, time: string): Promise<number> {
  const as = input.text('as');
  if (as === undefined || input.argument('FILE') !== undefined)
    throw usageError('--at makes a new database', 'Give its name with --as NEW, and no file');
  const at = readTime(time, context.clock.now());
  const restored = await context.client().restoreDatabase(nameOf(input), { at, as });
  if (context.json) context.words.json(restored);
  else context.words.line(`${as} has what ${nameOf(input)} had at ${isoTime(restored.at)}`);
  return EXIT.ok;
}

/** A moment, or how long ago it was. */
function readTime(text: string, now: number): number {
  if (/^\d+[a-z]+$/i.test(text)) return now - parseDuration(text, '--at');
  const at = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : NaN;
  if (Number.isSafeInteger(at)) return at;
  throw usageError(
    `"${text}" is no time`,
    'Write it as 2027-01-31T12:00:00Z, or 10m for ten minutes ago',
  );
}

function nameOf(input: Input): string {
  return input.argument('NAME') ?? '';
}

/** Under another name until it is whole; what is there already is never touched. */
async function intoFile<T>(
  context: Context,
  file: string,
  title: string,
  write: (path: string, display: Display | undefined) => Promise<T>,
): Promise<T> {
  const path = resolve(context.io.cwd, file);
  if (existsSync(path)) {
    throw new MolnError('CLI_FILE_EXISTS', `"${file}" is there already`, {
      hint: `Choose another name, or move "${basename(file)}" away`,
    });
  }
  const unfinished = `${path}.unfinished`;
  await rm(unfinished, { force: true });
  try {
    const result = await shownAs(context, title, (display) => write(unfinished, display));
    await renameDurable(unfinished, path);
    return result;
  } catch (error) {
    await rm(unfinished, { force: true });
    if (error instanceof Error && 'syscall' in error) throw fileError(file, 'written', error);
    throw error;
  }
}

/** The steps of `work` are seen while it lasts. */
async function shownAs<T>(
  context: Context,
  title: string,
  work: (display: Display | undefined) => Promise<T>,
): Promise<T> {
  using display = showSteps(context, title);
  return await work(display);
}

function printCopied(
  { json, words }: Context,
  { tables, rows, doubt }: Copied,
  what: { readonly database: string; readonly file: string },
  sentence: string,
): number {
  if (doubt !== undefined) words.note(doubt);
  if (json) words.json({ ...what, tables, rows });
  else words.line(`${what.database} ${sentence}: ${count(tables, 'table')}, ${count(rows, 'row')}`);
  return EXIT.ok;
}
