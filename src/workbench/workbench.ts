/** The door of the workbench: what the commands for developers do. */
import { globSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MolnError } from '../base/errors.ts';
import { type Route, routesOf } from '../web/web.ts';
import { BUILD_FILE, entrySource, ISLANDS_FILE, listApp, requireApp } from './app-folder.ts';
import { bundle, bundleIslands } from './compile.ts';
import { linkFramework } from './link.ts';
import { loadParts } from './load.ts';
import { refusePending } from './migrations.ts';

export {
  applyMigrations,
  type MigrationPlan,
  planMigrations,
  rollbackMigration,
} from './app-database.ts';
export { isAppFolder } from './app-folder.ts';
export {
  createApp,
  generateAuth,
  generateController,
  generateIsland,
  generateJob,
  generateMail,
  generateMigration,
  generateModel,
  generatePolicy,
  generateScaffold,
} from './generate.ts';

/** Of what `moln deploy` packs: the bundle, but neither the database of `moln dev` nor the tests. */
export const PACK_PATTERNS: readonly string[] = ['.moln/*', '!.moln/build', '/tests/'];

const HOOKS = join(import.meta.dirname, 'hooks-main.ts');
const RUN = join(import.meta.dirname, 'run-main.ts');
const DEV = join(import.meta.dirname, 'dev-main.ts');

/** Makes one file of the app and all of the framework that it uses, after seeing that it could run. */
export async function buildApp(root: string): Promise<void> {
  const parts = await loadParts(root);
  routesOf(parts.controllers);
  refusePending(parts);
  await bundle(root, entrySource(root), join(root, BUILD_FILE));
  await writeFile(join(root, ISLANDS_FILE), await bundleIslands(root, listApp(root).islands));
}

export async function appRoutes(root: string): Promise<readonly Route[]> {
  return routesOf((await loadParts(root)).controllers);
}

/** Words for Node, in the app's folder, that run `moln dev`. */
export async function devWords(
  root: string,
  where: { readonly host: string; readonly port: number },
): Promise<readonly string[]> {
  requireApp(root);
  await linkFramework(root);
  return [DEV, where.host, String(where.port)];
}

/** Words for Node that fill the app's database, or talk to its models. */
export async function runWords(root: string, what: 'seed' | 'repl'): Promise<readonly string[]> {
  requireApp(root);
  return [RUN, what];
}

/** Words for Node that run the app's tests: all, or the files that are named. Throws `WORKBENCH_NO_TESTS`. */
export async function testWords(
  root: string,
  files: readonly string[],
): Promise<readonly string[]> {
  requireApp(root);
  await linkFramework(root);
  const found =
    files.length > 0 ? files : globSync('tests/**/*.test.{ts,tsx,js}', { cwd: root }).sort();
  if (found.length === 0) {
    throw new MolnError('WORKBENCH_NO_TESTS', 'There are no tests: no file tests/*.test.ts', {
      hint: 'Generators write some, as "moln generate scaffold" does',
    });
  }
  return ['--import', HOOKS, '--test', ...found];
}
