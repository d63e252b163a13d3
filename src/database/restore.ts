/** A stripe as it was at one entry, as a file of its own. */
import { dirname } from 'node:path';
import { ensureFolder, removeTree, temporaryName } from '../base/disk.ts';
import type { Applied } from './applied.ts';
import type { CommitLog, SnapshotRecord } from './commit-log.ts';
import type { Entry } from './entry.ts';
import { trimmed } from './errors.ts';
import { readEntries } from './past.ts';
import { restoreSnapshot } from './snapshot.ts';
import type { SnapshotStore } from './snapshot-store.ts';
import { StripeThread } from './stripe-thread.ts';

export interface CopyAtOptions {
  readonly stripe: string;
  readonly log: CommitLog;
  readonly snapshots: SnapshotStore;
  /** A new file. */
  readonly path: string;
  /** The last entry in it. */
  readonly index: number;
}

/** Throws `DATABASE_TRIMMED` when neither snapshot, log nor what was kept of it reach back so far. */
export async function buildCopyAt(options: CopyAtOptions): Promise<void> {
  const { stripe, log, snapshots, path, index } = options;
  await ensureFolder(dirname(path));
  const newest = await log.snapshot(stripe);
  const piece = newest?.past?.find(({ from, to }) => from <= index && index < to);
  const base = newest !== undefined && newest.index <= index ? newest : piece?.base;
  if (base !== undefined) await restoreSnapshot(snapshots, stripe, base, path);
  const kept = base === newest ? undefined : piece?.entries;
  const thread = new StripeThread({ path });
  try {
    const applied = await thread.call('open', 'mirror');
    const entries = kept === undefined ? fromLog(options, applied) : fromFile(options, kept);
    let last = applied.index;
    for await (const some of entries) {
      const wanted = some.filter((entry) => entry.index > last && entry.index <= index);
      if (wanted.length > 0) last = (await thread.call('apply', wanted)).index;
      if (last >= index) break;
    }
    if (last < index) throw trimmed(stripe, last + 1);
  } finally {
    await thread.close();
  }
}

async function* fromLog(
  { stripe, log, index }: CopyAtOptions,
  applied: Applied,
): AsyncGenerator<readonly Entry[], void, undefined> {
  for (let last = applied.index; last < index;) {
    const entries = await log.read(stripe, last + 1);
    const newest = entries.at(-1);
    if (newest === undefined) return;
    yield entries;
    last = newest.index;
  }
}

async function* fromFile(
  { stripe, snapshots, path }: CopyAtOptions,
  file: Pick<SnapshotRecord, 'id' | 'nodes' | 'sha256'>,
): AsyncGenerator<readonly Entry[], void, undefined> {
  const temporary = temporaryName(path);
  try {
    await restoreSnapshot(snapshots, stripe, file, temporary);
    yield* readEntries(temporary);
  } finally {
    await removeTree(temporary);
  }
}
