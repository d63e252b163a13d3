/** A stripe as it was at one entry, as a file of its own. */
import { dirname } from 'node:path';
import { ensureFolder, removeTree, temporaryName } from '../base/disk.ts';
import type { CommitLog, KeptFile, PastPiece, SnapshotRecord } from './commit-log.ts';
import type { Entry } from './entry.ts';
import { trimmed } from './errors.ts';
import { readEntries } from './past.ts';
import { restoreSnapshot } from './snapshot.ts';
import type { SnapshotStore } from './snapshot-store.ts';
import { StripeThread } from './stripe-thread.ts';

/** What a copy can be built of. */
export interface CopySource {
  readonly log: Pick<CommitLog, 'snapshot' | 'read'>;
  readonly snapshots: Pick<SnapshotStore, 'get' | 'further'>;
}

export interface CopyAtOptions extends CopySource {
  readonly stripe: string;
  /** A new file. */
  readonly path: string;
  /** The last entry in it. */
  readonly index: number;
  /** From the oldest snapshot that is kept, and the log of all the time since: what a file got wrong meanwhile is in none of it. */
  readonly fromOldest?: boolean;
}

/** Throws `DATABASE_TRIMMED` when neither snapshot, log nor what was kept of it reach back so far. */
export async function buildCopyAt(options: CopyAtOptions): Promise<void> {
  const { stripe, log, snapshots, path, index, fromOldest = false } = options;
  await ensureFolder(dirname(path));
  const newest = await log.snapshot(stripe);
  const { base, pieces } = wayTo(index, newest, fromOldest);
  if (base !== undefined) await restoreSnapshot(snapshots, stripe, base, path);
  const thread = new StripeThread({ path });
  try {
    let last = (await thread.call('open', 'mirror')).index;
    for await (const some of entriesOf(options, pieces, () => last)) {
      const wanted = some.filter((entry) => entry.index > last && entry.index <= index);
      if (wanted.length > 0) last = (await thread.call('apply', wanted)).index;
      if (last >= index) break;
    }
    if (last < index) throw trimmed(stripe, last + 1);
  } finally {
    await thread.close();
  }
}

/** The file to begin with, undefined for an empty one, and the pieces of the past that lead on from there; then comes the log. Pure. */
function wayTo(
  index: number,
  newest: SnapshotRecord | undefined,
  fromOldest: boolean,
): { readonly base: KeptFile | undefined; readonly pieces: readonly PastPiece[] } {
  const past = (newest?.past ?? []).filter(({ from }) => from <= index);
  const first = past[fromOldest ? 0 : past.length - 1];
  const has = newest !== undefined && newest.index <= index ? newest : undefined;
  if (first === undefined || (has !== undefined && !fromOldest)) return { base: has, pieces: [] };
  return { base: first.base, pieces: fromOldest ? past : [first] };
}

async function* entriesOf(
  options: CopyAtOptions,
  pieces: readonly PastPiece[],
  last: () => number,
): AsyncGenerator<readonly Entry[], void, undefined> {
  for (const { entries } of pieces) yield* fromFile(options, entries);
  yield* fromLog(options, last());
}

async function* fromLog(
  { stripe, log, index }: CopyAtOptions,
  first: number,
): AsyncGenerator<readonly Entry[], void, undefined> {
  for (let last = first; last < index;) {
    const entries = await log.read(stripe, last + 1);
    const newest = entries.at(-1);
    if (newest === undefined) return;
    yield entries;
    last = newest.index;
  }
}

async function* fromFile(
  { stripe, snapshots, path }: CopyAtOptions,
  file: KeptFile,
): AsyncGenerator<readonly Entry[], void, undefined> {
  const temporary = temporaryName(path);
  try {
    await restoreSnapshot(snapshots, stripe, file, temporary);
    yield* readEntries(temporary);
  } finally {
    await removeTree(temporary);
  }
}
