/** `moln files why`, `df`, `quota`, `policy` and `keys`: what is about files rather than in them. */
import { isoTime } from '../../base/time.ts';
import { formatBytes, parseSize } from '../../base/units.ts';
import type { CommandSpec } from '../command.ts';
import { EXIT, usageError } from '../errors.ts';
import { count } from '../words.ts';
import { noteLacks, readPlace } from './files-words.ts';
import { printStorages } from './storage.ts';

const BUCKET = { name: 'BUCKET', description: 'its name', required: true };
const BLOCKS_SHOWN = 20;

export const WHY_FILE: CommandSpec = {
  name: 'why',
  summary: 'Show where the copies of a file are, and what its policy says about that.',
  arguments: [{ name: 'BUCKET/KEY', description: 'the file', required: true }],
  run: async (context, input) => {
    const { bucket, key } = readPlace(input.argument('BUCKET/KEY') ?? '');
    const why = await context.client().files().why(bucket, key);
    if (context.json) {
      context.words.json(why);
      return EXIT.ok;
    }
    context.words.line(`${bucket}/${key}: ${formatBytes(why.size)}, policy "${why.policy}"`);
    context.words.line(why.sentence);
    if (why.isInline) return EXIT.ok;
    context.words.table(
      ['BLOCK', 'COPIES', 'SHARES', 'MISSING'],
      why.blocks
        .slice(0, BLOCKS_SHOWN)
        .map(({ cid, copies, code, shares, missing }) => [
          cid,
          copies.map(placeWords).join(', '),
          code === undefined ? '-' : `${code}: ${shares.map(placeWords).join(', ')}`,
          missing.join(', '),
        ]),
    );
    return EXIT.ok;
  },
};

function placeWords({ place, state }: { readonly place: string; readonly state: string }): string {
  return state === 'good' ? place : `${place} (${state})`;
}

export const DF: CommandSpec = {
  name: 'df',
  summary: 'Show how much there is, how much is used, and by which buckets.',
  run: async (context) => {
    const df = await context.client().files().df();
    if (context.json) {
      context.words.json(df);
      return EXIT.ok;
    }
    printStorages(context, df.storages);
    context.words.line();
    context.words.table(
      ['BUCKET', 'OBJECTS', 'BYTES', 'QUOTA', 'POLICY'],
      df.buckets.map(({ name, objects, bytes, quotaBytes, policy }) => [
        name,
        String(objects),
        formatBytes(bytes),
        quotaBytes === null ? '-' : formatBytes(quotaBytes),
        policy,
      ]),
    );
    const { copies, repair } = df;
    if (copies === undefined || copies.counts.length === 0) return EXIT.ok;
    context.words.line();
    context.words.table(
      ['COPIES WANTED', 'VALID', 'BLOCKS', 'BYTES'],
      copies.counts.map(({ code, wanted, valid, blocks, bytes }) => [
        code === undefined ? String(wanted) : `${wanted} shares (${code})`,
        String(valid),
        String(blocks),
        formatBytes(bytes),
      ]),
    );
    const { blocks, bytes } = copies.lacking;
    if (blocks === 0) return EXIT.ok;
    const why = repair.why === undefined ? '' : `: ${repair.why}`;
    context.words.line(`${count(blocks, 'block')} (${formatBytes(bytes)}) wait for copies${why}`);
    return EXIT.ok;
  },
};

export const QUOTA: CommandSpec = {
  name: 'quota',
  summary: 'Show or set how much a bucket may hold, each byte counted once.',
  arguments: [BUCKET, { name: 'SIZE', description: 'as 10GB; none: no limit' }],
  run: async (context, input) => {
    const size = input.argument('SIZE');
    const bucket = input.argument('BUCKET') ?? '';
    const files = context.client().files();
    const info =
      size === undefined
        ? (await files.list(bucket, { limit: '1' })).bucket
        : await files.changeBucket(bucket, {
            quotaBytes: size === 'none' ? null : parseSize(size, 'SIZE'),
          });
    const { bytes, quotaBytes } = info;
    const may = quotaBytes === null ? 'anything' : formatBytes(quotaBytes);
    if (context.json) context.words.json(info);
    else context.words.line(`${bucket} may hold ${may}; it holds ${formatBytes(bytes)}`);
    return EXIT.ok;
  },
};

export const POLICY: CommandSpec = {
  name: 'policy',
  summary: 'Show or set where the copies of a bucket belong.',
  arguments: [BUCKET, { name: 'POLICY', description: 'such as "2 copies: east, west"' }],
  examples: [
    ['moln files policy photos "3 copies across zone"', ''],
    ['moln files policy photos "2 copies: east, west; must"', 'refuse what cannot have both now'],
  ],
  run: async (context, input) => {
    const bucket = input.argument('BUCKET') ?? '';
    const policy = input.argument('POLICY');
    const files = context.client().files();
    const info =
      policy === undefined
        ? (await files.list(bucket, { limit: '1' })).bucket
        : await files.changeBucket(bucket, { policy });
    if (context.json)
      context.words.json({ bucket, policy: info.policy, lacks: info.policyLacks ?? [] });
    else {
      context.words.line(info.policy);
      noteLacks(context, info);
    }
    return EXIT.ok;
  },
};

export const CHECKPOINT: CommandSpec = {
  name: 'checkpoint',
  summary:
    'Put what the catalogue knows on the storages now; that happens every ten minutes anyway.',
  run: async (context) => {
    const made = await context.client().files().checkpoint();
    if (context.json) context.words.json(made);
    else
      context.words.line(
        `${count(made.rows, 'row')} in ${formatBytes(made.bytes)}: "moln recover" begins with them`,
      );
    return EXIT.ok;
  },
};

const KEYS_CREATE: CommandSpec = {
  name: 'create',
  summary: 'Make an access key for S3; its secret is shown this once.',
  options: [
    {
      flags: '--read <BUCKET>',
      description: 'it reads this bucket (default: all, all buckets)',
      repeat: true,
    },
    { flags: '--write <BUCKET>', description: 'it reads and writes this bucket', repeat: true },
    { flags: '--owner <NAME>', description: 'whose it is (default: who makes it)' },
  ],
  run: async (context, input) => {
    const may = [
      ...input.texts('read').map((bucket) => ({ bucket, write: false })),
      ...input.texts('write').map((bucket) => ({ bucket, write: true })),
    ];
    const owner = input.text('owner');
    const made = await context
      .client()
      .files()
      .createKey({
        ...(may.length === 0 ? {} : { may }),
        ...(owner === undefined ? {} : { owner }),
      });
    const { accessKeyId, secretAccessKey } = made;
    if (context.json) {
      context.words.json({ accessKeyId, secretAccessKey });
      return EXIT.ok;
    }
    context.words.line(`accessKeyId      ${accessKeyId}`);
    context.words.line(`secretAccessKey  ${secretAccessKey}`);
    context.words.note('The secret is not shown again: keep it now');
    return EXIT.ok;
  },
};

const KEYS_LIST: CommandSpec = {
  name: 'list',
  summary: 'List the access keys, without their secrets.',
  run: async (context) => {
    const keys = await context.client().files().keys();
    if (context.json) context.words.json(keys);
    else
      context.words.table(
        ['KEY', 'OWNER', 'MAY', 'MADE'],
        keys.map(({ accessKeyId, owner, may, createdAt }) => [
          accessKeyId,
          owner,
          may === 'all'
            ? 'all'
            : may.map(({ bucket, write }) => `${write ? 'write' : 'read'} ${bucket}`).join(', '),
          isoTime(createdAt),
        ]),
      );
    return EXIT.ok;
  },
};

const KEYS_REMOVE: CommandSpec = {
  name: 'remove',
  summary: 'End an access key.',
  arguments: [{ name: 'KEY', description: 'its id', required: true }],
  run: async (context, input) => {
    const id = input.argument('KEY') ?? '';
    if (id === '') throw usageError('Nothing says which key', 'See "moln files keys list"');
    const answer = await context.client().files().removeKey(id);
    if (context.json) context.words.json(answer);
    else context.words.line(`${id} opens nothing any more`);
    return EXIT.ok;
  },
};

export const KEYS: CommandSpec = {
  name: 'keys',
  summary: 'Make, list and end access keys of S3.',
  commands: [KEYS_CREATE, KEYS_LIST, KEYS_REMOVE],
};
