/**
 * A snapshot is a whole copy of a stripe's file, made by a reader while the writer goes on. It is stored on two nodes, then entered
 * into the log's record by compare-and-swap, and only then the log behind it may be trimmed.
 */
import { stat } from 'node:fs/promises';
import { removeTree, temporaryName } from '../base/disk.ts';
import { isMolnError } from '../base/errors.ts';
import { randomId } from '../base/ids.ts';
import type { Applied } from './applied.ts';
import type { CommitLog, PastPiece, SnapshotRecord } from './commit-log.ts';
import { crashPoint } from './crash-points.ts';
import { hex } from './entry.ts';
import { corrupt } from './errors.ts';
import { filesOf, keepPiece, keptPieces } from './past.ts';
import { hashFile, type SnapshotStore } from './snapshot-store.ts';

export interface SnapshotOptions {
  readonly stripe: string;
  readonly path: string;
  readonly log: CommitLog;
  readonly store: SnapshotStore;
  /** Writes a packed copy of `path` to a new file and tells what it contains. */
  readonly copy: (path: string, to: string) => Promise<Applied>;
  readonly epoch: number;
  /** Entries behind the snapshot that stay, so that a mirror which is a little late needs no snapshot. */
  readonly keepEntries: number;
  /** The log begins with entry `start` now. */
  readonly onTrimmed: (start: number) => void;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** What was before this snapshot could not be kept. */
  readonly onPastLost: (error: unknown) => void;
}

/** Undefined when another snapshot was recorded meanwhile, or the term is over. */
export async function takeSnapshot(options: SnapshotOptions): Promise<SnapshotRecord | undefined> {
  const { stripe, path, log, store, epoch, copy } = options;
  const before = await log.snapshot(stripe);
  const temporary = temporaryName(path);
  try {
    const applied = await copy(path, temporary);
    crashPoint('snapshot:made');
    const record: Omit<SnapshotRecord, 'nodes'> = {
      id: `${applied.index.toString(16).padStart(16, '0')}-${randomId()}`,
      index: applied.index,
      hash: hex(applied.hash),
      schemaVersion: applied.schemaVersion,
      sha256: await hashFile(temporary),
      bytes: (await stat(temporary)).size,
      at: options.now,
    };
    const nodes = await store.put(stripe, record.id, temporary);
    crashPoint('snapshot:stored');
    const past = await pastOf(options, before, record);
    const whole: SnapshotRecord = { ...record, nodes, past };
    if (!(await log.recordSnapshot(stripe, whole, before, epoch))) return undefined;
    crashPoint('snapshot:recorded');
    await store.keepOnly(
      stripe,
      filesOf(whole).map((file) => file.id),
    );
    crashPoint('trim:before');
    options.onTrimmed(await log.trim(stripe, applied.index - options.keepEntries, epoch));
    crashPoint('trim:after');
    return whole;
  } finally {
    await removeTree(temporary);
  }
}

/** With what the log loses now. What cannot be kept makes what one can go back to shorter, and no log longer. */
async function pastOf(
  { stripe, path, log, store, now, onPastLost }: SnapshotOptions,
  before: SnapshotRecord | undefined,
  { id, index }: Pick<SnapshotRecord, 'id' | 'index'>,
): Promise<readonly PastPiece[]> {
  if (index <= (before?.index ?? 0)) return before?.past ?? [];
  try {
    const piece = await keepPiece({ stripe, log, store, before, to: index, id, path, now });
    return keptPieces([...(before?.past ?? []), piece], now);
  } catch (error) {
    onPastLost(error);
    return [];
  }
}

/** Puts a snapshot where a copy's file belongs. When nobody has what was recorded, throws a reason that may pass, else `DATABASE_CORRUPT`. */
export async function restoreSnapshot(
  store: Pick<SnapshotStore, 'get' | 'further'>,
  stripe: string,
  record: Pick<SnapshotRecord, 'id' | 'nodes' | 'sha256'>,
  path: string,
): Promise<void> {
  const problems: unknown[] = [];
  for (const place of [...record.nodes, ...store.further]) {
    try {
      await store.get(stripe, record.id, place, path);
      if ((await hashFile(path)) === record.sha256) return;
      await removeTree(path);
      problems.push(
        corrupt(
          `Snapshot "${record.id}" of stripe "${stripe}" on "${place}" does not match its checksum`,
        ),
      );
    } catch (error) {
      problems.push(error);
    }
  }
  throw problems.find((one) => isMolnError(one) && one.retryable) ?? problems[0];
}
