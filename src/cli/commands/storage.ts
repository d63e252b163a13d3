/** `moln storage`: the folders in which this node keeps files, and how much of them it may use. */
import { resolve } from 'node:path';
import { formatBytes, parseSize } from '../../base/units.ts';
import type { CommandSpec, Context, Input } from '../command.ts';
import { EXIT } from '../errors.ts';
import type { Bucket, Storage } from '../files-client.ts';

const NAME = { name: 'NAME', description: 'as "moln storage list" shows it', required: true };
const LIMITS = [
  { flags: '--limit <SIZE>', description: 'use no more than this, as 200GB; none: no limit' },
  { flags: '--keep-free <SIZE>', description: 'leave so much of the disk free, as 20GB or 10%' },
];

const ADD: CommandSpec = {
  name: 'add',
  summary: 'Give files a folder more, of this machine or rented on another one.',
  arguments: [
    {
      name: 'DIR',
      description:
        'an empty or a new one, sftp://USER@HOST:PORT/FOLDER, or s3://PROFILE@HOST/BUCKET/PREFIX',
      required: true,
    },
  ],
  options: LIMITS,
  examples: [
    ['moln storage add /srv/spare --limit 200GB --keep-free 10%', ''],
    ['moln storage add sftp://moln@backup.example.com/moln --limit 1TB', ''],
    ['moln storage add s3://s3.eu-north-1.amazonaws.com/my-bucket/moln --limit 1TB', ''],
  ],
  run: async (context, input) => {
    const wish = input.argument('DIR') ?? '';
    const path = wish.includes('://') ? wish : resolve(context.io.cwd, wish);
    const made = await context
      .client()
      .files()
      .addStorage({ path, ...limitsOf(input) });
    if (context.json) context.words.json(made);
    else context.words.line(`${made.nodeName}/${made.name} is used for files now`);
    return EXIT.ok;
  },
};

const LIST: CommandSpec = {
  name: 'list',
  summary: 'List the storages of all nodes, and how full they are.',
  run: async (context) => {
    const files = context.client().files();
    const storages = await files.storages();
    if (context.json) context.words.json(storages);
    else printStorages(context, storages);
    if (storages.some(({ state }) => state === 'drain')) noteHeld(context, await files.buckets());
    return EXIT.ok;
  },
};

const LIMIT: CommandSpec = {
  name: 'limit',
  summary: 'Change how much of a disk files may use.',
  arguments: [NAME],
  options: LIMITS,
  examples: [['moln storage limit main --limit 50GB', '']],
  run: async (context, input) => {
    const name = input.argument('NAME') ?? '';
    const changed = await context.client().files().limitStorage(name, limitsOf(input));
    if (context.json) context.words.json(changed);
    else printStorages(context, [changed]);
    return EXIT.ok;
  },
};

const REMOVE: CommandSpec = {
  name: 'remove',
  summary: 'Empty a storage; it is gone when everything in it has a place elsewhere.',
  arguments: [NAME],
  run: async (context, input) => {
    const name = input.argument('NAME') ?? '';
    const answer = await context.client().files().removeStorage(name);
    if (context.json) context.words.json(answer);
    else context.words.line(`${name} is being emptied: "moln storage list" shows how far it is`);
    return EXIT.ok;
  },
};

/** The word of files for the same. */
export const DRAIN: CommandSpec = {
  ...REMOVE,
  name: 'drain',
  summary:
    'Empty a storage, as "moln storage remove" does; "moln node NODE drain" empties a whole node.',
  examples: [['moln files drain spare', 'gone when everything in it has a place elsewhere']],
};

export const STORAGE: CommandSpec = {
  name: 'storage',
  summary: 'Say which disks files may use, and how much of them.',
  commands: [ADD, LIST, LIMIT, REMOVE],
};

export function printStorages(context: Context, storages: readonly Storage[]): void {
  context.words.table(
    ['STORAGE', 'STATE', 'USED', 'MAY USE', 'FREE', 'PATH'],
    storages.map(({ nodeName, name, state, usage, path }) => [
      `${nodeName}/${name}`,
      usage?.reason === undefined ? state : `${state}: ${usage.reason}`,
      usage === undefined ? '-' : formatBytes(usage.usedBytes),
      usage === undefined ? '-' : formatBytes(usage.limitBytes),
      usage === undefined ? '-' : formatBytes(usage.freeBytes),
      path,
    ]),
  );
}

/** Why what is being emptied may never be empty. */
function noteHeld({ words }: Context, buckets: readonly Bucket[]): void {
  for (const { name, policy, policyLacks = [] } of buckets) {
    if (policyLacks.length === 0) continue;
    words.note(
      `What is being emptied keeps what bucket ${name} has no other storage for: its policy is "${policy}", and ${policyLacks.join(', ')} is lacking. Add such a storage, or change it with "moln files policy ${name}"`,
    );
  }
}

function limitsOf(input: Input): object {
  const limit = input.text('limit');
  const keepFree = input.text('keep-free');
  return {
    ...(limit === undefined
      ? {}
      : { limitBytes: limit === 'none' ? null : parseSize(limit, '--limit') }),
    ...(keepFree === undefined
      ? {}
      : { keepFree: keepFree.endsWith('%') ? keepFree : `${parseSize(keepFree, '--keep-free')}B` }),
  };
}
