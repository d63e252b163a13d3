/**
 * What is kept of a log that is trimmed: the snapshot that was the newest, and a file with the entries from there to the next one. So a
 * stripe can be had as it was at any entry of the last day, as far as `PAST_BYTES_MAX` reaches.
 *
 * The file: entries as `node:v8` writes them, several at a time, each list behind its length (4 bytes, big-endian). Its checksum is in the
 * record of the newest snapshot.
 */
import { open, stat } from 'node:fs/promises';
import { deserialize, serialize } from 'node:v8';
import { removeTree, temporaryName } from '../base/disk.ts';
import type { CommitLog, KeptFile, PastPiece, SnapshotRecord } from './commit-log.ts';
import { corrupt, trimmed } from './errors.ts';
import type { Entry } from './entry.ts';
import { PAST_BYTES_MAX, PAST_MS, PAST_PIECES_MAX } from './limits.ts';
import { hashFile, type SnapshotStore } from './snapshot-store.ts';

const HEAD_BYTES = 4;

/** Keeps what leads from the snapshot `before` to entry `to`, which the next snapshot contains. */
export async function keepPiece(options: {
  readonly stripe: string;
  readonly log: CommitLog;
  readonly store: SnapshotStore;
  readonly before: SnapshotRecord | undefined;
  readonly to: number;
  /** Of the next snapshot. */
  readonly id: string;
  /** Where a file may be for a while. */
  readonly path: string;
  readonly now: number;
}): Promise<PastPiece> {
  const { stripe, log, store, before, to, id: next, path, now } = options;
  const from = before?.index ?? 0;
  const id = `${next}-log`;
  const temporary = temporaryName(path);
  try {
    await writeEntries(temporary, { stripe, log, from, to });
    const sha256 = await hashFile(temporary);
    const bytes = (await stat(temporary)).size;
    const nodes = await store.put(stripe, id, temporary);
    return {
      from,
      to,
      at: now,
      base: before && fileOf(before),
      entries: { id, sha256, bytes, nodes },
    };
  } finally {
    await removeTree(temporary);
  }
}

/** Those that stay, the newest as far as time, number and bytes allow. Pure. */
export function keptPieces(pieces: readonly PastPiece[], now: number): readonly PastPiece[] {
  let bytes = 0;
  const first = pieces.findLastIndex((piece, at) => {
    bytes += piece.entries.bytes + (piece.base?.bytes ?? 0);
    const isOld = now - piece.at > PAST_MS;
    return isOld || bytes > PAST_BYTES_MAX || pieces.length - at > PAST_PIECES_MAX;
  });
  return pieces.slice(first + 1);
}

/** All files that a snapshot's record names: its own first, then from the newest to the oldest. */
export function filesOf({ past = [], ...newest }: SnapshotRecord): readonly KeptFile[] {
  const before = past
    .toReversed()
    .flatMap(({ base, entries }) => (base ? [entries, base] : [entries]));
  return [fileOf(newest), ...before];
}

/** Lists of entries in order. Throws `DATABASE_CORRUPT`. */
export async function* readEntries(
  path: string,
): AsyncGenerator<readonly Entry[], void, undefined> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    for (let at = 0; at < size;) {
      const head = Buffer.alloc(HEAD_BYTES);
      await file.read(head, 0, HEAD_BYTES, at);
      const length = head.readUInt32BE(0);
      if (length === 0 || at + HEAD_BYTES + length > size)
        throw corrupt('A kept part of a log is cut off');
      const body = Buffer.alloc(length);
      await file.read(body, 0, length, at + HEAD_BYTES);
      yield deserialize(body) as readonly Entry[];
      at += HEAD_BYTES + length;
    }
  } finally {
    await file.close();
  }
}

async function writeEntries(
  path: string,
  {
    stripe,
    log,
    from,
    to,
  }: {
    readonly stripe: string;
    readonly log: CommitLog;
    readonly from: number;
    readonly to: number;
  },
): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    for (let index = from; index < to;) {
      const entries = (await log.read(stripe, index + 1)).filter((entry) => entry.index <= to);
      const last = entries.at(-1);
      if (last === undefined) throw trimmed(stripe, index + 1);
      const body = serialize(entries);
      const head = Buffer.alloc(HEAD_BYTES);
      head.writeUInt32BE(body.length);
      await file.write(Buffer.concat([head, body]));
      index = last.index;
    }
    await file.datasync();
  } finally {
    await file.close();
  }
}

function fileOf({ id, sha256, bytes, nodes }: KeptFile): KeptFile {
  return { id, sha256, bytes, nodes };
}
