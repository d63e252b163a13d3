/** The purges of a disk tier, kept beside it: what was purged must not come back with a restart. */
import { join } from 'node:path';
import { readTextIfAny, writeFileAtomic } from '../base/disk.ts';
import { Purges, type Purge } from './purges.ts';

const FORMAT = 1;
const NAME = 'purges.json';

interface PurgeFile {
  readonly format: number;
  readonly floorStamp: number;
  readonly purges: readonly Purge[];
}

/** Throws what the disk says. */
export async function writePurges(folder: string, purges: Purges): Promise<void> {
  await writeFileAtomic(join(folder, NAME), purgesText(purges));
}

export function purgesText(purges: Purges): string {
  const { floorStamp } = purges;
  return JSON.stringify({ format: FORMAT, floorStamp, purges: purges.list() } satisfies PurgeFile);
}

/** Without a file nothing was purged. With one that nobody can read, everything up to `lastStamp` was. */
export async function readPurges(folder: string, lastStamp: number): Promise<Purges> {
  const text = await readTextIfAny(join(folder, NAME));
  return text === undefined ? new Purges() : purgesOf(text, lastStamp);
}

/** When nobody can read it, everything up to `lastStamp` was purged. */
export function purgesOf(text: string, lastStamp: number): Purges {
  const purges = new Purges();
  const file = parse(text);
  if (file === undefined) purges.purgeOlder(lastStamp + 1);
  else {
    purges.purgeOlder(file.floorStamp);
    for (const purge of file.purges) purges.add(purge);
  }
  return purges;
}

function parse(text: string): PurgeFile | undefined {
  let file: Partial<PurgeFile> | null;
  try {
    file = JSON.parse(text) as Partial<PurgeFile> | null;
  } catch {
    // The same as a file of a later format: nobody knows what it says.
    return undefined;
  }
  const { format, floorStamp, purges } = file ?? {};
  const known = format === FORMAT && typeof floorStamp === 'number' && Array.isArray(purges);
  return known && purges.every(isPurge) ? { format, floorStamp, purges } : undefined;
}

function isPurge(value: unknown): value is Purge {
  if (typeof value !== 'object' || value === null) return false;
  const { kind, value: text, soft, stamp } = value as Partial<Record<keyof Purge, unknown>>;
  return (
    (kind === 'tag' || kind === 'prefix' || kind === 'key') &&
    typeof text === 'string' &&
    typeof soft === 'boolean' &&
    typeof stamp === 'number'
  );
}
