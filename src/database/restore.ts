/** A stripe as it was at one entry, as a file of its own, and the log that another database goes on with from there. */
import { dirname } from 'node:path';
import { ensureFolder } from '../base/disk.ts';
import type { CommitLog } from './commit-log.ts';
import { trimmed } from './errors.ts';
import { restoreSnapshot } from './snapshot.ts';
import type { SnapshotStore } from './snapshot-store.ts';
import { StripeThread } from './stripe-thread.ts';

/** Writes the new file `path`. Throws `DATABASE_TRIMMED` when neither snapshot nor log reach back so far. */
export async function buildCopyAt(options: {
  readonly stripe: string;
  readonly log: CommitLog;
  readonly snapshots: SnapshotStore;
  readonly path: string;
  /** The last entry in it. */
  readonly index: number;
}): Promise<void> {
  const { stripe, log, snapshots, path, index } = options;
  await ensureFolder(dirname(path));
  const snapshot = await log.snapshot(stripe);
  if (snapshot !== undefined && snapshot.index <= index)
    await restoreSnapshot(snapshots, stripe, snapshot, path);
  const thread = new StripeThread({ path });
  try {
    let applied = await thread.call('open', 'mirror');
    while (applied.index < index) {
      const entries = await log.read(stripe, applied.index + 1);
      const wanted = entries.filter((entry) => entry.index <= index);
      if (wanted.length === 0) throw trimmed(stripe, applied.index + 1);
      applied = await thread.call('apply', wanted);
    }
  } finally {
    await thread.close();
  }
}
