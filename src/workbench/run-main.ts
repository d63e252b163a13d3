/** The process of `moln db seed` and `moln repl`: `run-main.ts seed|repl` in the app's folder, with its database and models. */
import { start } from 'node:repl';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../base/errors.ts';
import {
  makeOwnTables,
  migrate,
  query,
  transaction,
  useDatabase,
  useFiles,
  useModels,
} from '../web/web.ts';
import { appFiles } from './app-files.ts';
import { openAppDatabase } from './app-database.ts';
import { installHooks } from './hooks.ts';
import { loadApp } from './app-folder.ts';

const SEED = 'app/seed.ts';
const root = process.cwd();
const hooks = installHooks(root);
const database = await openAppDatabase(root, process.env['DATABASE_URL']);
try {
  const parts = await loadApp(root, (path) => hooks.load(path));
  await migrate(database, parts.migrations);
  await makeOwnTables(database);
  useDatabase(database);
  useModels(parts.models);
  useFiles(appFiles(root, process.env));
  if (process.argv[2] === 'seed') await seed();
  else await converse(parts.models);
} catch (error) {
  process.stderr.write(`Error: ${messageOf(error)}\n`);
  process.exitCode = 1;
} finally {
  await database[Symbol.asyncDispose]();
}

/** All of it or nothing. */
async function seed(): Promise<void> {
  const module = existsSync(join(root, SEED)) ? await hooks.load(join(root, SEED)) : {};
  const { seed: work } = module as { readonly seed?: () => Promise<void> };
  if (work === undefined) {
    throw new Error(
      `${SEED} has no function "seed": write it as "export async function seed() { await Post.create({ … }); }"`,
    );
  }
  await transaction(work);
  process.stdout.write('Seeded\n');
}

/** Models by the names that they have in code, and `query` and `transaction`. */
async function converse(models: readonly { readonly name: string }[]): Promise<void> {
  const named = new Map<string, unknown>(
    models.map((one) => [
      one.name.replace(/(?:^|_)([a-z0-9])/g, (_all, letter: string) => letter.toUpperCase()),
      one,
    ]),
  );
  process.stdout.write(`${[...named.keys(), 'query', 'transaction'].join(', ')}; .exit ends\n`);
  const repl = start({ prompt: 'moln> ' });
  Object.assign(repl.context, Object.fromEntries(named), { query, transaction });
  await new Promise((resolve) => repl.once('exit', resolve));
}
