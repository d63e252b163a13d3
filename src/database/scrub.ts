/**
 * A mirror is compared with the copy that leads, row by row, as of one entry. When they differ, a third one decides which of them is wrong:
 * it is made from the oldest snapshot that is kept, which has a checksum, and the log of all the time since, so nothing in it was read from
 * the files of the two as they are now. Whoever differs from that goes on with such a file.
 */
import { join } from 'node:path';
import { removeTree, temporaryName } from '../base/disk.ts';
import { isMolnError } from '../base/errors.ts';
import { removeCopy } from './copy-file.ts';
import { differing } from './digest.ts';
import { notAtOneEntry } from './errors.ts';
import { buildCopyAt, type CopyAtOptions } from './restore.ts';
import type { BegunDigest, StripeDigest } from './statement.ts';
import type { Stripe } from './stripe.ts';
import type { SlowReads } from './stripe-options.ts';

/** The other copy, wherever it is. */
export interface ScrubbedMirror {
  /** See `Stripe.digestAt`. */
  digestAt(pin: (least: number) => Promise<number>): Promise<StripeDigest>;
  /** See `replaceCopy`. */
  replace(why: string, index: number): Promise<void>;
}

export interface ScrubbedPrimary {
  readonly name: string;
  /** See `Stripe.beginDigest`. */
  beginDigest(least: number): Promise<BegunDigest>;
  /** See `replaceCopy`; it does not lead any more then. */
  replace(why: string, index: number): Promise<void>;
}

/** Which of the two were wrong, and are right now. Throws when they could not be compared, or not be built anew. */
export async function scrubMirror(options: {
  readonly primary: ScrubbedPrimary;
  readonly mirror: ScrubbedMirror;
  /** What the stripe should be at that entry; see `rightDigest`. */
  readonly right: (index: number) => Promise<StripeDigest>;
}): Promise<readonly ('mirror' | 'primary')[]> {
  const { primary, mirror, right } = options;
  let begun: BegunDigest | undefined;
  const theirs = await mirror.digestAt(async (least) => {
    begun = await primary.beginDigest(least);
    // Nobody waits for it when the mirror cannot be read.
    begun.reading.catch(() => {});
    return begun.index;
  });
  const own = await begun?.reading;
  if (own?.index !== theirs.index) throw notAtOneEntry(primary.name);
  if (differing(own, theirs).length === 0) return [];
  const reference = await right(own.index);
  const wrong: ('mirror' | 'primary')[] = [];
  // One after the other: the second while the first is right again.
  for (const [which, digest, copy] of [
    ['mirror', theirs, mirror],
    ['primary', own, primary],
  ] as const) {
    const tables = differing(digest, reference);
    if (tables.length === 0) continue;
    await copy.replace(wrongWords(tables, own.index), own.index);
    wrong.push(which);
  }
  return wrong;
}

function wrongWords(tables: readonly string[], index: number): string {
  const names = tables.map((name) => `"${name}"`).join(', ');
  return `rows of ${names} are not what the log says they are at entry ${index}`;
}

export interface RightOptions extends Omit<CopyAtOptions, 'fromOldest'> {
  /** Of the stripe, beside which the file is made. */
  readonly path: string;
}

/** Of the stripe as it should be. Throws when neither the snapshots nor the log can be had. */
export async function rightDigest(
  options: RightOptions,
  slowReads: Pick<SlowReads, 'digest'>,
): Promise<StripeDigest> {
  return await withRight(options, async (made) => (await slowReads.digest(made)).reading);
}

/** Puts a copy aside that is wrong, when the file of a right one is there. */
export async function replaceCopy(
  stripe: Pick<Stripe, 'mend'>,
  why: string,
  options: RightOptions,
): Promise<void> {
  await withRight(options, async (made) => stripe.mend(why, made));
}

async function withRight<T>(options: RightOptions, work: (made: string) => Promise<T>): Promise<T> {
  // What is left of it, after a crash too, goes with the folder.
  const folder = temporaryName(options.path);
  const path = join(folder, 'right.sqlite');
  try {
    try {
      await buildCopyAt({ ...options, path, fromOldest: true });
    } catch (error) {
      // Something of the past is not to be had, which may be none of what it takes.
      if (!isMolnError(error)) throw error;
      await removeCopy(path);
      await buildCopyAt({ ...options, path });
    }
    return await work(path);
  } finally {
    await removeTree(folder);
  }
}
