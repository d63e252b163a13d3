/** `moln recover` and `moln files salvage`: files back from the disks of a cluster that is lost. */
import { resolve } from 'node:path';
import { formatBytes } from '../../base/units.ts';
import type { RecoveryState } from '../../files/files.ts';
import type { CommandSpec, Context, Input } from '../command.ts';
import { EXIT, usageError } from '../errors.ts';
import { showSteps } from '../progress.ts';
import { count } from '../words.ts';

const LOOK_EVERY_MS = 500;
const FOLDERS = {
  name: 'FOLDER',
  description: 'on this machine: a data folder, a storage, or what such lie in',
  required: true,
  variadic: true,
};

export const RECOVER: CommandSpec = {
  name: 'recover',
  summary: 'Bring all files of a lost cluster back into this one, from its disks.',
  arguments: [FOLDERS],
  examples: [
    ['moln recover /mnt/old-data', 'the data folder of a node that is gone'],
    ['moln recover /mnt/disk1 /mnt/disk2', 'give all disks that there are; they are only read'],
  ],
  run: (context, input) => bringBack(context, input, true),
};

export const SALVAGE: CommandSpec = {
  name: 'salvage',
  summary: 'Bring files back from bare blocks, when no catalogue is left.',
  arguments: [FOLDERS],
  examples: [['moln files salvage /mnt/disk1', 'names are those that files had when written']],
  run: (context, input) => bringBack(context, input, false),
};

async function bringBack(context: Context, input: Input, withCatalogue: boolean): Promise<number> {
  const folders = input.rest('FOLDER').map((folder) => resolve(context.io.cwd, folder));
  if (folders.length === 0)
    throw usageError('Nothing says where the disks are', 'Give their folders');
  const files = context.client().files();
  let state = await files.recover(folders, withCatalogue);
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
  const isWhole =
    state.why === undefined && state.missingBlocks === 0 && state.incomplete.length === 0;
  if (context.json) context.words.json(state);
  else print(context, state);
  return isWhole ? EXIT.ok : EXIT.failed;
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
