/** The folder of an app: what is where, loaded as it is, or as the source text of a bundle. */
import { type Dirent, existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { MolnError, systemCode } from '../base/errors.ts';
import { type AppParts, collectParts } from '../web/web.ts';
import { fill } from './templates.ts';

export const BUILD_FILE = '.moln/build/server.js';
/** Beside it. */
export const ISLANDS_FILE = '.moln/build/islands.js';
const SOURCE = /(?<!\.test)\.(?:ts|tsx|js|jsx)$/;

export interface AppFiles {
  /** Paths from the app's folder, by names without extension. */
  readonly controllers: Readonly<Record<string, string>>;
  readonly models: Readonly<Record<string, string>>;
  readonly policies: Readonly<Record<string, string>>;
  readonly jobs: Readonly<Record<string, string>>;
  readonly islands: Readonly<Record<string, string>>;
  readonly migrations: Readonly<Record<string, string>>;
}

/** True for a folder that `moln new` made, or that looks like it. */
export function isAppFolder(root: string): boolean {
  return existsSync(join(root, 'app', 'controllers')) && existsSync(join(root, 'package.json'));
}

/** Throws `WORKBENCH_NO_APP`. */
export function requireApp(root: string): void {
  if (isAppFolder(root)) return;
  throw new MolnError(
    'WORKBENCH_NO_APP',
    `"${root}" is no app of Moln: it has no app/controllers`,
    {
      hint: 'Go into the folder of an app, or make one with "moln new NAME"',
    },
  );
}

export function listApp(root: string): AppFiles {
  return {
    controllers: filesBelow(root, 'app/controllers', SOURCE),
    models: filesBelow(root, 'app/models', SOURCE),
    policies: filesBelow(root, 'app/policies', SOURCE),
    jobs: filesBelow(root, 'app/jobs', SOURCE),
    islands: filesBelow(root, 'app/islands', SOURCE),
    migrations: filesBelow(root, 'migrations', /\.sql$/),
  };
}

type Module = Readonly<Record<string, unknown>>;

/** Loads everything, or the models alone; `load` imports one file. */
export async function loadApp(
  root: string,
  load: (path: string) => Promise<Module>,
  what: 'all' | 'models' = 'all',
): Promise<AppParts> {
  const files = listApp(root);
  const modules = async (
    paths: Readonly<Record<string, string>>,
  ): Promise<Record<string, Module>> => {
    const loaded: Record<string, Module> = {};
    for (const [name, path] of Object.entries(paths)) loaded[name] = await load(join(root, path));
    return loaded;
  };
  return collectParts({
    models: await modules(files.models),
    controllers: what === 'all' ? await modules(files.controllers) : {},
    policies: what === 'all' ? await modules(files.policies) : {},
    jobs: what === 'all' ? await modules(files.jobs) : {},
    islands: what === 'all' ? await modules(files.islands) : {},
    // Made by who serves them to browsers.
    islandScript: '',
    migrations: migrationTexts(root, files),
    publicFolder: join(root, 'app', 'public'),
  });
}

export function migrationTexts(root: string, files: AppFiles): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(files.migrations).map(([name, path]) => [
      name,
      readFileSync(join(root, path), 'utf8'),
    ]),
  );
}

/** The source text that starts a deployed app: all files, imported by name. */
export function entrySource(root: string): string {
  const files = listApp(root);
  const imports: string[] = [];
  const listed = (kind: 'controllers' | 'islands' | 'models' | 'policies' | 'jobs'): string => {
    const pairs = Object.entries(files[kind]).map(([name, path], at) => {
      imports.push(`import * as ${kind}${at} from ${JSON.stringify(`./${path}`)};`);
      return `${JSON.stringify(name)}: ${kind}${at}`;
    });
    return `{ ${pairs.join(', ')} }`;
  };
  const models = listed('models');
  const policies = listed('policies');
  const jobs = listed('jobs');
  const controllers = listed('controllers');
  const islands = listed('islands');
  const migrations = JSON.stringify(migrationTexts(root, files));
  const lists = { controllers, islands, models, policies, jobs, migrations };
  return fill('entry.ts', { imports: imports.join('\n'), ...lists });
}

function filesBelow(
  root: string,
  folder: string,
  wanted: RegExp,
): Readonly<Record<string, string>> {
  const found: [string, string][] = [];
  for (const entry of entriesBelow(join(root, folder))) {
    if (!entry.isFile() || !wanted.test(entry.name) || entry.name.startsWith('.')) continue;
    const path = relative(root, join(entry.parentPath, entry.name)).replaceAll('\\', '/');
    found.push([path.slice(folder.length + 1).replace(/\.[^.]+$/, ''), path]);
  }
  return Object.fromEntries(found.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function entriesBelow(folder: string): readonly Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true, recursive: true });
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}
