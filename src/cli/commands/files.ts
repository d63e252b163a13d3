/** `moln files`: buckets, and what is in them. A place is `BUCKET` or `BUCKET/KEY`. */
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { messageOf } from '../../base/errors.ts';
import { isoTime } from '../../base/time.ts';
import { formatBytes } from '../../base/units.ts';
import type { CommandSpec, Context } from '../command.ts';
import { EXIT, usageError } from '../errors.ts';
import type { FileInfo } from '../files-client.ts';
import { getFile, putFile, readable } from '../files-transfer.ts';
import { count } from '../words.ts';
import { CHECKPOINT, DF, KEYS, POLICY, QUOTA, WHY_FILE } from './files-admin.ts';
import { RECOVERY_KEY, SALVAGE } from './recover.ts';
import { REPAIR, SCRUB } from './files-work.ts';
import { DRAIN } from './storage.ts';
import { SYNC } from './files-sync.ts';
import { WEBSITE } from './files-website.ts';
import {
  endWith,
  getUnlessTaken,
  ifAny,
  noteLacks,
  pages,
  readFilePlace,
  readPlace,
} from './files-words.ts';

const PLACE = { name: 'BUCKET/KEY', description: 'where it is', required: true };

const BUCKETS: CommandSpec = {
  name: 'buckets',
  summary: 'List the buckets.',
  run: async (context) => {
    const buckets = await context.client().files().buckets();
    if (context.json) context.words.json(buckets);
    else if (buckets.length === 0)
      context.words.line('No buckets: make one with "moln files create NAME"');
    else
      context.words.table(
        ['BUCKET', 'OBJECTS', 'BYTES', 'QUOTA', 'POLICY', 'VERSIONS'],
        buckets.map(({ name, objects, bytes, quotaBytes, policy, versioning }) => [
          name,
          String(objects),
          formatBytes(bytes),
          quotaBytes === null ? '-' : formatBytes(quotaBytes),
          policy,
          versioning,
        ]),
      );
    return EXIT.ok;
  },
};

const CREATE: CommandSpec = {
  name: 'create',
  summary: 'Make a bucket.',
  arguments: [{ name: 'BUCKET', description: 'its name', required: true }],
  options: [{ flags: '--policy <POLICY>', description: 'where copies belong (default: 2 copies)' }],
  examples: [['moln files create photos', '']],
  run: async (context, input) => {
    const name = input.argument('BUCKET') ?? '';
    const files = context.client().files();
    const policy = input.text('policy');
    let made = await files.createBucket(name);
    if (policy !== undefined) made = await files.changeBucket(name, { policy });
    if (context.json) context.words.json(made);
    else {
      context.words.line(`Bucket ${made.name} is made: ${made.policy}`);
      noteLacks(context, made);
    }
    return EXIT.ok;
  },
};

const LS: CommandSpec = {
  name: 'ls',
  summary: 'List what is in a bucket, or in a folder of it.',
  arguments: [{ name: 'BUCKET/FOLDER', description: 'where', required: true }],
  options: [{ flags: '-r, --recursive', description: 'with everything below' }],
  examples: [
    ['moln files ls photos', ''],
    ['moln files ls photos/2026/ -r', ''],
  ],
  run: async (context, input) => {
    const { bucket, key } = readPlace(input.argument('BUCKET/FOLDER') ?? '');
    const isDeep = input.flag('recursive');
    const found: FileInfo[] = [];
    const folders: string[] = [];
    for await (const page of pages(context, bucket, { prefix: key, isDeep })) {
      found.push(...page.objects);
      folders.push(...page.prefixes);
    }
    if (context.json) {
      context.words.json({ bucket, prefix: key, objects: found, prefixes: folders });
      return EXIT.ok;
    }
    for (const folder of folders) context.words.line(folder);
    context.words.table(
      ['KEY', 'BYTES', 'CHANGED'],
      found.map((one) => [one.key, formatBytes(one.size), isoTime(one.modifiedAt)]),
    );
    return EXIT.ok;
  },
};

const PUT: CommandSpec = {
  name: 'put',
  summary: 'Put a file into a bucket, or a folder with all that is in it.',
  arguments: [
    { name: 'FILE', description: 'here; - for standard input', required: true },
    {
      name: 'BUCKET/KEY',
      description: 'there; a KEY that ends with / gets the name',
      required: true,
    },
  ],
  options: [{ flags: '-r, --recursive', description: 'FILE is a folder' }],
  examples: [
    ['moln files put cat.jpg photos/', ''],
    ['moln files put -r ./site www/', ''],
    [
      'moln files put disk.img backups/',
      'when it breaks off, do it again: it goes on where it was',
    ],
  ],
  run: async (context, input) => {
    const path = input.argument('FILE') ?? '';
    const { bucket, key } = readPlace(input.argument('BUCKET/KEY') ?? '');
    if (input.flag('recursive')) return await putFolder(context, path, { bucket, key });
    const isFolder = key === '' || key.endsWith('/');
    if (path === '-' && isFolder)
      throw usageError('Standard input has no name', 'Give the whole BUCKET/KEY');
    const to = isFolder ? `${key}${basename(path)}` : key;
    const info = await putFile(context, path, { bucket, key: to });
    if (context.json) context.words.json(info);
    else context.words.line(`${bucket}/${info.key}: ${formatBytes(info.size)}`);
    return EXIT.ok;
  },
};

const GET: CommandSpec = {
  name: 'get',
  summary: 'Get a file out of a bucket, or everything below a folder.',
  arguments: [PLACE, { name: 'FILE', description: 'here (default: its name, in this folder)' }],
  options: [
    { flags: '-r, --recursive', description: 'all below BUCKET/KEY, into the folder FILE' },
  ],
  run: async (context, input) => {
    const from = input.argument('BUCKET/KEY') ?? '';
    const wanted = input.argument('FILE');
    if (input.flag('recursive')) return await getFolder(context, readPlace(from), wanted ?? '.');
    const place = readFilePlace(from);
    const path = resolve(context.io.cwd, wanted ?? basename(place.key));
    await getFile(context, place, path);
    if (context.json) context.words.json({ ...place, path });
    else context.words.line(path);
    return EXIT.ok;
  },
};

const CAT: CommandSpec = {
  name: 'cat',
  summary: 'Write a file to standard output.',
  arguments: [PLACE],
  run: async (context, input) => {
    const { bucket, key } = readFilePlace(input.argument('BUCKET/KEY') ?? '');
    const body = await context.client().files().get(bucket, key);
    await pipeline(body, context.io.stdout, { end: false });
    return EXIT.ok;
  },
};

const RM: CommandSpec = {
  name: 'rm',
  summary: 'Remove a file, everything below a folder, or an empty bucket.',
  arguments: [{ ...PLACE, name: 'BUCKET/KEY' }],
  options: [{ flags: '-r, --recursive', description: 'all that begins with KEY' }],
  examples: [
    ['moln files rm photos/cat.jpg', 'can be had back for a day: "moln files undelete"'],
    ['moln files rm photos', 'the bucket itself, when it is empty'],
  ],
  run: async (context, input) => {
    const { bucket, key } = readPlace(input.argument('BUCKET/KEY') ?? '');
    const files = context.client().files();
    const removed: string[] = [];
    if (input.flag('recursive')) {
      for await (const page of pages(context, bucket, { prefix: key, isDeep: true })) {
        for (const one of page.objects) {
          await files.remove(bucket, one.key);
          removed.push(one.key);
        }
      }
    } else if (key === '') await files.deleteBucket(bucket);
    else {
      await files.remove(bucket, key);
      removed.push(key);
    }
    if (context.json) context.words.json({ bucket, removed });
    else if (key === '' && removed.length === 0) context.words.line(`${bucket} is removed`);
    else context.words.line(`${count(removed.length, 'file')} removed`);
    return EXIT.ok;
  },
};

const UNDELETE: CommandSpec = {
  name: 'undelete',
  summary: 'Have back what was removed or replaced last, within a day.',
  arguments: [PLACE],
  run: async (context, input) => {
    const { bucket, key } = readFilePlace(input.argument('BUCKET/KEY') ?? '');
    const info = await context.client().files().undelete(bucket, key);
    if (context.json) context.words.json(info);
    else context.words.line(`${bucket}/${key} is back: ${formatBytes(info.size)}`);
    return EXIT.ok;
  },
};

const MV: CommandSpec = {
  name: 'mv',
  summary: 'Rename a file; within a bucket no bytes move.',
  arguments: [PLACE, { name: 'TO', description: 'BUCKET/KEY', required: true }],
  run: async (context, input) => {
    const { bucket, key } = readFilePlace(input.argument('BUCKET/KEY') ?? '');
    const to = readPlace(input.argument('TO') ?? '');
    const files = context.client().files();
    const target = to.key === '' || to.key.endsWith('/') ? `${to.key}${basename(key)}` : to.key;
    let info: FileInfo;
    if (to.bucket === bucket) info = await files.move(bucket, key, target);
    else {
      info = await files.copy(bucket, key, `${to.bucket}/${target}`);
      await files.remove(bucket, key);
    }
    if (context.json) context.words.json(info);
    else context.words.line(`${info.bucket}/${info.key}`);
    return EXIT.ok;
  },
};

const APPEND: CommandSpec = {
  name: 'append',
  summary: 'Add standard input, or a file, at the end of a file.',
  arguments: [PLACE, { name: 'FILE', description: 'here (default: standard input)' }],
  run: async (context, input) => {
    const { bucket, key } = readFilePlace(input.argument('BUCKET/KEY') ?? '');
    const path = input.argument('FILE') ?? '-';
    const from = resolve(context.io.cwd, path);
    if (path !== '-') await readable(path, from);
    const stream = path === '-' ? Readable.from(context.io.stdin) : createReadStream(from);
    const info = await context.client().files().append(bucket, key, stream);
    if (context.json) context.words.json(info);
    else context.words.line(`${bucket}/${key}: ${formatBytes(info.size)}`);
    return EXIT.ok;
  },
};

const VERSIONS: CommandSpec = {
  name: 'versions',
  summary: 'Have a bucket keep all versions of its files, or stop that.',
  arguments: [
    { name: 'BUCKET', description: 'its name', required: true },
    { name: 'on|off', description: 'off: what is there stays', required: true },
  ],
  run: async (context, input) => {
    const bucket = input.argument('BUCKET') ?? '';
    const word = input.argument('on|off');
    if (word !== 'on' && word !== 'off')
      throw usageError('Versions are on or off', 'moln files versions BUCKET on');
    const versioning = word === 'on' ? 'enabled' : 'suspended';
    const changed = await context.client().files().changeBucket(bucket, { versioning });
    if (context.json) context.words.json(changed);
    else context.words.line(`Versions of ${bucket} are ${changed.versioning}`);
    return EXIT.ok;
  },
};

export const FILES: CommandSpec = {
  name: 'files',
  summary: 'Keep files in buckets, over the disks of all machines.',
  examples: [
    ['moln files create photos', ''],
    ['moln files put cat.jpg photos/', ''],
    ['moln files keys create', 'an access key for S3'],
  ],
  commands: [
    BUCKETS,
    CREATE,
    LS,
    PUT,
    GET,
    CAT,
    RM,
    UNDELETE,
    MV,
    APPEND,
    SYNC,
    VERSIONS,
    WEBSITE,
    WHY_FILE,
    DF,
    QUOTA,
    POLICY,
    KEYS,
    REPAIR,
    SCRUB,
    DRAIN,
    CHECKPOINT,
    RECOVERY_KEY,
    SALVAGE,
  ],
};

async function putFolder(
  context: Context,
  path: string,
  { bucket, key }: { readonly bucket: string; readonly key: string },
): Promise<number> {
  const from = resolve(context.io.cwd, path);
  const entries = await readdir(from, { recursive: true, withFileTypes: true }).catch(
    (error: unknown) => {
      throw usageError(`"${path}" is no folder that can be read`, messageOf(error));
    },
  );
  const put: string[] = [];
  for (const entry of entries.filter((one) => one.isFile())) {
    const full = join(entry.parentPath, entry.name);
    const to = `${key}${full.slice(from.length + 1)}`;
    await putFile(context, full, { bucket, key: to });
    put.push(to);
    if (!context.json) context.words.note(`  ${to}`);
  }
  if (context.json) context.words.json({ bucket, put });
  else context.words.line(`${count(put.length, 'file')} put into ${bucket}`);
  return EXIT.ok;
}

async function getFolder(
  context: Context,
  { bucket, key }: { readonly bucket: string; readonly key: string },
  folder: string,
): Promise<number> {
  const to = resolve(context.io.cwd, folder);
  const got: string[] = [];
  const leftOut: string[] = [];
  for await (const page of pages(context, bucket, { prefix: key, isDeep: true })) {
    for (const one of page.objects) {
      const path = resolve(to, one.key.slice(key.length));
      // A key may hold anything: nothing is written outside of the folder.
      // WebDAV and others keep folders so.
      if (one.key.endsWith('/') && one.size === 0) continue;
      if (!path.startsWith(`${to}/`) || one.key.endsWith('/')) leftOut.push(one.key);
      else if (await getUnlessTaken(context, { bucket, key: one.key }, { path, leftOut }))
        got.push(path);
    }
  }
  if (context.json) context.words.json({ bucket, got, ...ifAny(leftOut) });
  else context.words.line(`${count(got.length, 'file')} in ${to}`);
  return endWith(context, leftOut);
}
