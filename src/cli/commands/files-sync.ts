/** `moln files sync`: a folder here and a part of a bucket made alike, one way or the other, by checksum. */
import type { Dirent } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join, relative, resolve, sep } from 'node:path';
import { systemCode } from '../../base/errors.ts';
import type { CommandSpec, Context } from '../command.ts';
import { usageError } from '../errors.ts';
import type { FileInfo } from '../files-client.ts';
import { type FilePlace, isSame, putFile } from '../files-transfer.ts';
import { count } from '../words.ts';
import { endWith, getUnlessTaken, ifAny, objectsBelow, readPlace } from './files-words.ts';

/** What is to be done, by the path below both ends. */
interface Plan {
  readonly copy: readonly string[];
  readonly remove: readonly string[];
  readonly same: number;
}

const TOGETHER = 4;
/** How a folder here is told from a bucket. */
const HERE = /^(?:\.{0,2}\/|\.{1,2}$|~)/;

export const SYNC: CommandSpec = {
  name: 'sync',
  summary: 'Make a bucket, or a folder of it, as a folder here, or the other way round.',
  arguments: [
    {
      name: 'FROM',
      description: 'a folder here (./site, /srv/site) or BUCKET/FOLDER',
      required: true,
    },
    { name: 'TO', description: 'the other one of the two', required: true },
  ],
  options: [
    { flags: '--delete', description: 'remove there what is not in FROM' },
    { flags: '--dry-run', description: 'only say what would be done' },
  ],
  examples: [
    ['moln files sync ./site www', 'sends what differs; files that are alike are not sent'],
    ['moln files sync photos/2026 ./2026 --delete', ''],
  ],
  run: async (context, input) => {
    const [from, to] = [input.argument('FROM') ?? '', input.argument('TO') ?? ''];
    const isUp = HERE.test(from);
    if (isUp === HERE.test(to))
      throw usageError(
        isUp ? 'Both ends are folders here' : 'Neither end is a folder here',
        'Write the one here with a slash, as ./site, and the other as BUCKET/FOLDER',
      );
    const folder = resolve(context.io.cwd, isUp ? from : to);
    const place = folderOf(isUp ? to : from);
    const leftOut: string[] = [];
    const remote = await remoteFiles(context, place, isUp ? [] : leftOut);
    const local = await localFiles(folder, !isUp);
    const plan = await planOf({ folder, local, remote }, isUp);
    const removed = input.flag('delete') ? plan.remove : [];
    // A name that is mistyped looks like a folder with nothing in it.
    if (removed.length > 0 && (isUp ? local.size : remote.size) === 0)
      throw usageError(
        `Nothing is in "${from}": with --delete all of "${to}" would go`,
        'Look at the name; what is to be emptied is emptied with "moln files rm" or "rm"',
      );
    const copied: string[] = [];
    const isDry = input.flag('dry-run');
    const tell = (path: string, what: string): void => {
      if (!context.json) context.words.note(`  ${path}${what}`);
    };
    if (isDry) {
      for (const path of plan.copy.toSorted()) tell(path, '');
      for (const path of removed.toSorted()) tell(path, ', to remove');
    } else {
      await inParallel(plan.copy, async (path) => {
        const there = { bucket: place.bucket, key: `${place.key}${path}` };
        const here = join(folder, path);
        if (isUp) await putFile(context, here, there);
        else if (!(await getUnlessTaken(context, there, { path: here, leftOut }))) return;
        copied.push(path);
        tell(path, '');
      });
      await inParallel(removed, async (path) => {
        if (isUp) await context.client().files().remove(place.bucket, `${place.key}${path}`);
        else await rm(join(folder, path), { force: true });
        tell(path, ', removed');
      });
    }
    const { same } = plan;
    const done = isDry ? plan.copy : copied;
    if (context.json)
      context.words.json({ copied: done.toSorted(), removed, same, ...ifAny(leftOut) });
    else
      context.words.line(
        `${count(done.length, 'file')} ${isDry ? 'to copy' : 'copied'}, ${removed.length} ${isDry ? 'to remove' : 'removed'}, ${same} alike`,
      );
    return endWith(context, leftOut);
  },
};

function folderOf(text: string): FilePlace {
  const { bucket, key } = readPlace(text);
  return { bucket, key: key === '' || key.endsWith('/') ? key : `${key}/` };
}

async function remoteFiles(
  context: Context,
  { bucket, key }: FilePlace,
  leftOut: string[],
): Promise<ReadonlyMap<string, FileInfo>> {
  const found = new Map<string, FileInfo>();
  for await (const one of objectsBelow(context, bucket, key)) {
    const path = one.key.slice(key.length);
    // A key may hold anything: what is no plain path has no place in a folder.
    const isPlain = path !== '' && path.split('/').every((part) => !['', '.', '..'].includes(part));
    if (isPlain) found.set(path, one);
    // WebDAV and others keep folders as empty objects.
    else if (one.size > 0 || !one.key.endsWith('/')) leftOut.push(one.key);
  }
  return found;
}

async function localFiles(folder: string, mayLack: boolean): Promise<ReadonlySet<string>> {
  let entries: Dirent[];
  try {
    if (mayLack) await mkdir(folder, { recursive: true });
    entries = await readdir(folder, { recursive: true, withFileTypes: true });
  } catch (error) {
    throw usageError(`"${folder}" is no folder that can be read`, systemCode(error) ?? '');
  }
  const files = entries.filter((entry) => entry.isFile());
  return new Set(
    files.map(({ parentPath, name }) =>
      relative(folder, join(parentPath, name)).split(sep).join('/'),
    ),
  );
}

async function planOf(
  ends: {
    readonly folder: string;
    readonly local: ReadonlySet<string>;
    readonly remote: ReadonlyMap<string, FileInfo>;
  },
  isUp: boolean,
): Promise<Plan> {
  const { folder, local, remote } = ends;
  const [from, to] = isUp ? [local, new Set(remote.keys())] : [new Set(remote.keys()), local];
  const copy = [...from].filter((path) => !to.has(path));
  let same = 0;
  await inParallel(
    [...from].filter((path) => to.has(path)),
    async (path) => {
      const info = remote.get(path);
      if (info !== undefined && (await isSame(join(folder, path), info))) same += 1;
      else copy.push(path);
    },
  );
  return { copy: copy.toSorted(), remove: [...to].filter((path) => !from.has(path)), same };
}

async function inParallel(
  paths: readonly string[],
  work: (path: string) => Promise<void>,
): Promise<void> {
  const waiting = [...paths];
  const worker = async (): Promise<void> => {
    for (let path = waiting.shift(); path !== undefined; path = waiting.shift()) await work(path);
  };
  await Promise.all(Array.from({ length: TOGETHER }, worker));
}
