/** The generators: write files that belong to the app from then on, then the migration that the models want. */
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MolnError, systemCode } from '../base/errors.ts';
import { systemClock } from '../base/time.ts';
import { requireApp } from './app-folder.ts';
import { type FieldWord, readFields } from './field-words.ts';
import { linkFramework } from './link.ts';
import { loadParts } from './load.ts';
import { migrationText, pendingChange, refuseLoss, writeMigration } from './migrations.ts';
import { withLink, withUserNav } from './navigation.ts';
import { newApp } from './new-app.ts';
import { writeNew } from './new-files.ts';
import { policyFiles } from './policy-files.ts';
import {
  capital,
  controllerFile,
  islandFile,
  jobFile,
  labelField,
  mailFile,
  modelFile,
  namesOf,
  scaffoldFiles,
} from './scaffold.ts';
import { noModel } from './schema.ts';
import { fillAll } from './templates.ts';

const LAYOUT = 'app/views/layout.tsx';

/** Makes the folder `name` below `parent`; gives the paths in it. */
export async function createApp(parent: string, name: string): Promise<readonly string[]> {
  const files = newApp(name);
  const root = join(parent, name);
  const paths = await writeNew(root, files);
  await linkFramework(root);
  return paths;
}

export async function generateScaffold(
  root: string,
  name: string,
  words: readonly string[],
): Promise<readonly string[]> {
  const fields = readFields(words);
  const labels = await labelsFor(root, name, fields);
  const paths = await generate(root, scaffoldFiles(name, fields, labels));
  const { path, many } = namesOf(name);
  const label = capital(many.replaceAll('_', ' '));
  return [...paths, ...(await changeLayout(root, (layout) => withLink(layout, path, label)))];
}

export async function generateModel(
  root: string,
  name: string,
  words: readonly string[],
): Promise<readonly string[]> {
  const fields = readFields(words);
  await labelsFor(root, name, fields);
  return await generate(root, modelFile(name, fields));
}

export async function generateController(
  root: string,
  name: string,
  actions: readonly string[],
): Promise<readonly string[]> {
  requireApp(root);
  return await writeNew(root, controllerFile(name, actions));
}

export async function generateJob(root: string, name: string): Promise<readonly string[]> {
  requireApp(root);
  return await writeNew(root, jobFile(name));
}

/** The policy, and its test where a scaffold can be asked. Throws `WORKBENCH_NO_FILE` without the model, or without users to tell apart. */
export async function generatePolicy(root: string, name: string): Promise<readonly string[]> {
  requireApp(root);
  for (const path of ['app/auth.ts', `app/models/${namesOf(name).one}.ts`]) {
    if (textIfAny(join(root, path)) !== undefined) continue;
    const how = path === 'app/auth.ts' ? 'auth' : `scaffold ${name}`;
    throw new MolnError(
      'WORKBENCH_NO_FILE',
      `A policy of ${name} wants ${path}, which is not there`,
      {
        hint: `Make it with "moln generate ${how}"`,
      },
    );
  }
  const { models } = await loadParts(root, 'models');
  const fields = models.find((one) => one.name === name)?.fields ?? {};
  const controller = join(root, `app/controllers/${namesOf(name).many}.ts`);
  const isScaffold = textIfAny(controller)?.includes(`.tryUpdate(`) === true;
  return await writeNew(root, policyFiles(name, fields, isScaffold));
}

export async function generateIsland(root: string, name: string): Promise<readonly string[]> {
  requireApp(root);
  return await writeNew(root, islandFile(name));
}

export async function generateMail(root: string, name: string): Promise<readonly string[]> {
  requireApp(root);
  return await writeNew(root, mailFile(name));
}

/** Users who sign up, in and out, and set a forgotten password anew. */
export async function generateAuth(root: string): Promise<readonly string[]> {
  const paths = await generate(root, fillAll('auth', {}), 'create_users');
  return [...paths, ...(await changeLayout(root, withUserNav))];
}

/**
 * Writes what the models want as a migration. `name`: without one it follows from what changes. Throws `WORKBENCH_NOTHING_TO_DO` or
 * `WORKBENCH_LOSES_DATA`.
 */
export async function generateMigration(
  root: string,
  how: {
    readonly name: string | undefined;
    readonly isEmpty: boolean;
    readonly allowsLoss: boolean;
  },
): Promise<readonly string[]> {
  requireApp(root);
  if (how.isEmpty) {
    const text = '-- What changes, as SQL.\n\n-- down\n-- What takes it back.\n';
    return [await writeMigration(root, how.name ?? 'change', text, systemClock.now())];
  }
  const path = await writePending(root, how.name, how.allowsLoss);
  if (path !== undefined) return [path];
  throw new MolnError(
    'WORKBENCH_NOTHING_TO_DO',
    'The migrations make what the models want: there is nothing to write',
    {
      hint: 'Change a model first, or write one by hand: "moln generate migration NAME --empty"',
    },
  );
}

/**
 * By which field people know the rows that a new model belongs to, by model. Throws `WORKBENCH_NO_MODEL` when one of those is not there, before
 * anything is written.
 */
async function labelsFor(
  root: string,
  name: string,
  fields: readonly FieldWord[],
): Promise<Readonly<Record<string, string | undefined>>> {
  const targets = new Set(fields.flatMap(({ target }) => target ?? []));
  if (targets.size === 0) return {};
  const { models } = await loadParts(root, 'models');
  const labels: Record<string, string | undefined> = {
    [name]: fields.find(({ kind, flags }) => kind === 'string' && !flags.includes('optional'))
      ?.name,
  };
  for (const one of models) labels[one.name] = labelField(one.fields);
  const missing = [...targets].find((target) => !Object.hasOwn(labels, target));
  if (missing !== undefined) throw noModel(name, missing);
  return labels;
}

async function generate(
  root: string,
  files: Readonly<Record<string, string>>,
  migrationName?: string,
): Promise<readonly string[]> {
  requireApp(root);
  const paths = await writeNew(root, files);
  const migration = await writePending(root, migrationName, false);
  return migration === undefined ? paths : [...paths, migration];
}

/** Gives the path when there was something to change. */
async function changeLayout(
  root: string,
  change: (layout: string) => string | undefined,
): Promise<readonly string[]> {
  const layout = textIfAny(join(root, LAYOUT));
  const changed = layout === undefined ? undefined : change(layout);
  if (changed === undefined) return [];
  await writeFile(join(root, LAYOUT), changed);
  return [LAYOUT];
}

async function writePending(
  root: string,
  name: string | undefined,
  allowsLoss: boolean,
): Promise<string | undefined> {
  const change = pendingChange(await loadParts(root, 'models'));
  if (change === undefined) return undefined;
  refuseLoss(change, allowsLoss);
  return await writeMigration(root, name ?? change.name, migrationText(change), systemClock.now());
}

function textIfAny(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
