/**
 * A database of a lost cluster: its snapshots came back with the files, its log did not. What there is of it is read from the file store, and made the
 * beginning of a new database: all stripes as of one moment.
 */
import type { SnapshotRecord, TimeMark } from '../database/database.ts';
import { isoTime } from '../base/time.ts';
import { beginDatabase, type BeginningPlace } from './beginning.ts';
import type { Restored } from './control.ts';
import {
  DATABASE_DESCRIPTION,
  type DatabaseDescription,
  leadTo,
  readDatabaseDescription,
  readStripeDescription,
} from './description.ts';
import { lostIncomplete, lostNotFound } from './errors.ts';
import { stripeName } from './records.ts';
import { FILE_STORE, type SnapshotVault } from './snapshot-vault.ts';

export interface LostDatabase {
  readonly description: DatabaseDescription;
  /** By stripe. */
  readonly snapshots: readonly (SnapshotRecord | undefined)[];
  /** The newest moment that all stripes can be had as of. */
  readonly moment: TimeMark | undefined;
  /** Why there is none, in words. */
  readonly why: string | undefined;
}

/** `read`: what the file store tells of the database or a stripe. Undefined when it tells nothing of the database. */
export async function readLost(
  read: (what: string) => Promise<string | undefined>,
): Promise<LostDatabase | undefined> {
  const told = await read(DATABASE_DESCRIPTION);
  if (told === undefined) return undefined;
  const description = readDatabaseDescription(told);
  const snapshots = await Promise.all(
    Array.from({ length: description.stripes }, async (_, number) => {
      const stripe = await read(stripeName(number));
      return stripe === undefined ? undefined : readStripeDescription(stripe).snapshot;
    }),
  );
  const moment = description.moments.findLast((mark) => leadTo(snapshots, mark));
  return { description, snapshots, moment, why: moment ? undefined : whyNone(snapshots) };
}

/** Throws `DATABASES_LOST_INCOMPLETE`, and leaves nothing then. */
export async function restoreLost(vault: SnapshotVault, place: BeginningPlace): Promise<Restored> {
  const found = await readLost((what) => vault.description(what));
  if (found === undefined) throw lostNotFound(vault.database, []);
  const { description, snapshots, moment, why } = found;
  if (moment === undefined) throw lostIncomplete(description.name, `${why}`);
  const records = new Map(snapshots.map((one, number) => [stripeName(number), one]));
  await beginDatabase(
    {
      // What came after the snapshots is lost.
      log: {
        snapshot: (stripe) => Promise.resolve(records.get(stripe)),
        read: () => Promise.resolve([]),
      },
      snapshots: {
        further: [FILE_STORE],
        get: (stripe, id, _node, to) => vault.get(stripe, id, to),
      },
      indexes: moment.indexes,
      ids: description.ids,
    },
    place,
  );
  return { at: moment.at, stripes: moment.indexes.length };
}

function whyNone(snapshots: readonly (SnapshotRecord | undefined)[]): string {
  const without = snapshots.flatMap((one, number) =>
    one === undefined ? [stripeName(number)] : [],
  );
  if (without.length > 0) return `there is no snapshot of ${without.join(', ')}`;
  const of = snapshots.map(
    (one, number) =>
      `${stripeName(number)} of ${one?.at === undefined ? 'an unknown time' : isoTime(one.at)}`,
  );
  return `their snapshots are too far apart, ${of.join(', ')}`;
}
