/** `moln recover` and `moln files salvage`: files back from the disks of a cluster that is lost. */
import { readFile, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { LostDatabaseSummary } from '../../api/api.ts';
import { messageOf } from '../../base/errors.ts';
import { formatBytes } from '../../base/units.ts';
import type { RecoveryState } from '../../files/files.ts';
import type { CommandSpec, Context, Input } from '../command.ts';
import { EXIT, usageError } from '../errors.ts';
import { showSteps } from '../progress.ts';
import { count } from '../words.ts';
import { printLost } from './db-lost.ts';

const LOOK_EVERY_MS = 500;
const FOLDERS = {
  name: 'FOLDER',
  description: 'on this machine: a data folder, a storage, or what such lie in',
  required: true,
  variadic: true,
};

const KEY = {
  flags: '--key <FILE>',
  description: 'with the recovery key of the lost cloud: reads what it has encrypted',
};

export const RECOVERY_KEY: CommandSpec = {
  name: 'recovery-key',
  summary:
    'Give out the key that reads encrypted files after this cloud is lost; keep it elsewhere.',
  arguments: [
    { name: 'FILE', description: 'where it is written, for its owner only (default: shown)' },
  ],
  examples: [['moln files recovery-key /media/stick/files.key', 'then "moln recover DISKS --key"']],
  run: async (context, input) => {
    const key = await context.client().files().recoveryKey();
    const file = input.argument('FILE');
    if (file === undefined) {
      if (context.json) context.words.json({ key });
      else context.words.line(key);
      return EXIT.ok;
    }
    const path = resolve(context.io.cwd, file);
    await writeFile(path, `${key}\n`, { mode: 0o600, flag: 'wx' }).catch((error: unknown) => {
      throw usageError(`"${file}" cannot be written`, messageOf(error));
    });
    if (context.json) context.words.json({ file: path });
    else context.words.line(`${path} has the key: keep it where this cloud's disks are not`);
    return EXIT.ok;
  },
};

export const RECOVER: CommandSpec = {
  name: 'recover',
  summary: 'Bring all files of a lost cluster back into this one, from its disks.',
  arguments: [FOLDERS],
  options: [KEY],
  examples: [
    ['moln recover /mnt/old-data', 'the data folder of a node that is gone'],
    ['moln recover /mnt/disk1 /mnt/disk2', 'give all disks that there are; they are only read'],
    ['moln recover s3://HOST/BUCKET --key files.key', 'and what is rented, as it was added'],
  ],
  run: (context, input) => bringBack(context, input, true),
};

export const SALVAGE: CommandSpec = {
  name: 'salvage',
  summary: 'Bring files back from bare blocks, when no catalogue is left.',
  arguments: [FOLDERS],
  options: [KEY],
  examples: [['moln files salvage /mnt/disk1', 'names are those that files had when written']],
  run: (context, input) => bringBack(context, input, false),
};

async function bringBack(context: Context, input: Input, withCatalogue: boolean): Promise<number> {
  const folders = input
    .rest('FOLDER')
    .map((folder) => (folder.includes('://') ? folder : resolve(context.io.cwd, folder)));
  if (folders.length === 0)
    throw usageError('Nothing says where the disks are', 'Give their folders');
  const files = context.client().files();
  const key = await keyIn(context, input.text('key'));
  let state = await files.recover({ folders, withCatalogue, key });
  {
    using display = showSteps(context, 'Bringing files back');
    for (let told = ''; state.isRunning;) {
      const words = `${state.doing}: ${count(state.blocks, 'block')}, ${formatBytes(state.bytes)}`;
      if (words !== told) display?.step(words);
      told = words;
      await context.clock.sleep(LOOK_EVERY_MS, context.signal);
      state = await files.recovery();
    }
  }
  const lacks = state.missingBlocks + state.incomplete.length + state.sealed;
  const isWhole = state.why === undefined && lacks === 0;
  if (!context.json) print(context, state);
  const { lost, why } = state.why === undefined ? await lostOf(context) : { lost: [] };
  if (context.json) context.words.json({ ...state, databases: lost, databasesWhy: why });
  else if (lost.length > 0) printLost(context, lost);
  if (why !== undefined)
    context.words.note(
      `Which databases it brought snapshots of is not known: ${why}. "moln db lost" asks again`,
    );
  return isWhole && why === undefined ? EXIT.ok : EXIT.failed;
}

/** What was recovered is told in any case. */
async function lostOf(context: Context): Promise<{
  readonly lost: readonly LostDatabaseSummary[];
  readonly why?: string;
}> {
  try {
    return { lost: await context.client().lostDatabases() };
  } catch (error) {
    return { lost: [], why: messageOf(error) };
  }
}

async function keyIn(context: Context, file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined;
  return await readFile(resolve(context.io.cwd, file), 'utf8').catch((error: unknown) => {
    throw usageError(`"${file}" cannot be read`, messageOf(error));
  });
}

function print(context: Context, state: RecoveryState): void {
  const { words } = context;
  for (const name of state.catalogues) words.line(`Catalogue: ${name}`);
  if (state.catalogues.length === 0) words.line('Catalogue: none, names are from the blocks');
  words.line(
    `${count(state.buckets.length, 'bucket')} with all rows, ${count(state.blocks, 'block')} (${formatBytes(state.bytes)}) from ${count(state.disks, 'disk')}`,
  );
  for (const name of state.kept)
    words.line(`Bucket ${name} was here: it got only blocks that it lacked`);
  if (state.salvaged > 0)
    words.line(
      `${count(state.salvaged, 'file')} from blocks alone, under the names they were written with`,
    );
  if (state.ofParts > 0)
    words.line(
      `${count(state.ofParts, 'file')} of them came in parts: blocks do not tell whether that upload was completed`,
    );
  if (state.sealed > 0)
    words.line(
      `${count(state.sealed, 'file')} encrypted by the lost cloud: do it again with its recovery key, --key FILE`,
    );
  if (state.missingBlocks > 0) {
    words.line(
      `${count(state.missingBlocks, 'block')} on none of these disks; these files are not whole:`,
    );
    for (const name of state.missing) words.line(`  ${name}`);
  }
  if (state.incomplete.length > 0) words.line('Not brought back:');
  for (const what of state.incomplete) words.line(`  ${what}`);
  if (state.why !== undefined) words.line(`It broke off: ${state.why}`);
}
