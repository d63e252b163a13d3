/** `moln deploy`: packs a folder, sends it, and returns when it is live. */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { MolnError, systemCode } from '../../base/errors.ts';
import type { CommandSpec, Context } from '../command.ts';
import { EXIT, usageError } from '../errors.ts';
import { followProgress } from '../progress.ts';
import { appNameOf } from '../up.ts';
import { printable } from '../words.ts';

export const DEPLOY: CommandSpec = {
  name: 'deploy',
  summary: 'Put a folder online, or a new version of it; returns when it is live.',
  arguments: [
    {
      name: 'DIR',
      description: 'the folder: a site, or an app in Node, Python or PHP (default: this one)',
    },
  ],
  options: [
    { flags: '--name <NAME>', description: "the app's name (default: the folder's name)" },
    {
      flags: '--domain <HOST>',
      description: 'a further host name that it answers to',
      repeat: true,
    },
  ],
  examples: [
    ['moln deploy ./blog --name blog', 'http://blog.localhost:8080/'],
    ['moln deploy . --name shop --domain shop.example.org', 'with a domain of its own'],
    ['moln deploy . --name shop --json', 'prints { "app", "release", "url" }'],
  ],
  run: async (context, input) => {
    const folder = resolve(context.io.cwd, input.argument('DIR') ?? '.');
    const given = input.text('name');
    if (given === '') throw usageError('Option --name is empty', 'Write it as --name blog');
    const app = given ?? appNameOf(folder);
    const startedMs = context.clock.monotonicMs();
    // Loaded here alone: no other command needs it, and each should start fast.
    const { APP_NAME, APP_NAME_MEANS, packFolder } = await import('../../apps/apps.ts');
    if (!APP_NAME.test(app)) {
      throw usageError(
        `App name "${printable(app)}" is not allowed, want ${APP_NAME_MEANS}`,
        'Choose another name with --name NAME',
      );
    }
    await refuseEmpty(folder);
    const ignore = await prepareApp(context, folder, app);
    const tar = packFolder(folder, {
      ignore,
      onSkipped: (path, why) => {
        if (!context.json) context.words.note(`Left out ${printable(path)}: ${why}`);
      },
    });
    const stream = context.client().deploy(app, tar, input.texts('domain'));
    const done = await followProgress(context, `Sending ${folder}`, stream);
    if (context.json) {
      context.words.json({ app: done.app, release: done.release, url: done.url });
      return EXIT.ok;
    }
    const seconds = ((context.clock.monotonicMs() - startedMs) / 1000).toFixed(1);
    const { words } = context;
    words.line(
      `${words.style('green', '●')} ${words.style('bold', done.app)} is live: ` +
        `${words.style('cyan', done.url)}  ${words.style('dim', `release ${done.release}, ${seconds} s`)}`,
    );
    return EXIT.ok;
  },
};

/**
 * An app in the web framework is built here, and has a database of its name. Gives what is not to be sent; of other folders
 * everything is.
 */
async function prepareApp(
  context: Context,
  folder: string,
  app: string,
): Promise<readonly string[]> {
  if (!existsSync(join(folder, 'app', 'controllers'))) return [];
  const { buildApp, PACK_PATTERNS } = await import('../../workbench/workbench.ts');
  await buildApp(folder);
  const client = context.client();
  const known = (await client.apps()).some(({ name }) => name === app);
  const detail = known ? await client.app(app) : undefined;
  const hasOwn =
    detail?.env['DATABASE_URL'] !== undefined || detail?.secretNames.includes('DATABASE_URL');
  const database = detail?.env['DATABASE_NAME'] ?? app;
  if (hasOwn !== true && !(await client.databases()).some(({ name }) => name === database)) {
    await client.createDatabase(database, {});
    if (!context.json) context.words.note(`Made database ${database}`);
  }
  return PACK_PATTERNS;
}

/** What is obvious is said before anything is asked of the node. */
async function refuseEmpty(folder: string): Promise<void> {
  let names: readonly string[];
  try {
    names = await readdir(folder);
  } catch (error) {
    const code = systemCode(error);
    if (code !== 'ENOENT' && code !== 'ENOTDIR') throw error;
    const what = code === 'ENOENT' ? `There is no folder "${folder}"` : `"${folder}" is no folder`;
    throw usageError(what, 'Give the folder of the app, such as "moln deploy ."');
  }
  if (names.length > 0) return;
  throw new MolnError('CLI_NOTHING_TO_DEPLOY', `Folder "${folder}" is empty: nothing to deploy`, {
    hint: 'Put an index.html, a package.json, an app.py or an index.php into it',
  });
}
