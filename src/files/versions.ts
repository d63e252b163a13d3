/**
 * What a new version, or the removal of one, does to a key: which rows change, and what the bucket then holds. Pure; `Changes` runs it in
 * the transaction that read the rows.
 */
import { randomId } from '../base/ids.ts';
import type { Row, Statement, Value } from './catalogue-link.ts';
import type { Effect, Insert } from './changes.ts';
import { TRASH_MS } from './limits.ts';
import type { Deleted } from './model.ts';
import { checkHeld } from './retention.ts';
import {
  type BucketState,
  VERSION_COLUMNS,
  type VersionRow,
  versionOf,
  versionValues,
} from './rows.ts';
import { isSystemBucket } from './system-bucket.ts';

export const NULL_VERSION = 'null';

type Pieces = Omit<Effect<unknown>, 'result'>;

/** The newest version of a key. */
export function readCurrent(bucket: string, key: string): Statement {
  return {
    sql: `SELECT ${VERSION_COLUMNS} FROM object WHERE bucket = ? AND key = ?`,
    args: [bucket, key],
  };
}

/** An older one by its name. */
export function readOlder(bucket: string, key: string, version: string): Statement {
  return {
    sql: `SELECT ${VERSION_COLUMNS} FROM older WHERE bucket = ? AND key = ? AND version = ?`,
    args: [bucket, key, version],
  };
}

/** The one that follows when the newest goes. */
export function readNext(bucket: string, key: string): Statement {
  return {
    sql: `SELECT ${VERSION_COLUMNS} FROM older WHERE bucket = ? AND key = ? ORDER BY ord DESC LIMIT 1`,
    args: [bucket, key],
  };
}

export function firstVersion(rows: readonly Row[] | undefined): VersionRow | undefined {
  const [row] = rows ?? [];
  return row === undefined ? undefined : versionOf(row);
}

/** The name of the next version, and its number. */
export function nextVersion(state: BucketState): {
  readonly ord: number;
  readonly version: string;
} {
  const version = state.versioning === 'enabled' ? randomId(24) : NULL_VERSION;
  return { ord: state.ord + 1, version };
}

export interface KeyRows {
  readonly bucket: string;
  readonly state: BucketState;
  readonly current: VersionRow | undefined;
  /** The one named `null`, if it is not the newest. */
  readonly olderNull: VersionRow | undefined;
  readonly now: number;
}

/** `fresh` becomes the newest version of its key. Throws `FILES_HELD`. */
export function supersede(rows: KeyRows, fresh: VersionRow): Pieces {
  const { bucket, state, current, olderNull, now } = rows;
  const inserts: Insert[] = [];
  const statements: Statement[] = [];
  let bytes = fresh.size;
  let objects = fresh.marker ? 0 : 1;
  const goes = (one: VersionRow): void => {
    bytes -= one.size;
    objects -= one.marker ? 0 : 1;
    inserts.push(...trashOf(one, { bucket, now }));
  };
  if (current !== undefined) {
    const isReplaced =
      state.versioning === 'off' ||
      (state.versioning === 'suspended' && current.version === NULL_VERSION);
    if (isReplaced) goes(current);
    else inserts.push({ table: 'older', columns: VERSION_COLUMNS, rows: [versionValues(current)] });
  }
  if (state.versioning === 'suspended' && olderNull !== undefined) {
    goes(olderNull);
    statements.push(dropOlder(bucket, olderNull));
  }
  if (current === undefined)
    inserts.push({ table: 'object', columns: VERSION_COLUMNS, rows: [versionValues(fresh)] });
  else statements.push(replaceCurrent(bucket, fresh));
  return { inserts, statements, bytes, objects, takesOrd: true };
}

/** One version goes for good, as far as versions go: for a while it can be had back from the trash. Throws `FILES_HELD`. */
export function removeVersion(
  rows: {
    readonly bucket: string;
    readonly current: VersionRow | undefined;
    readonly next: VersionRow | undefined;
    readonly now: number;
    readonly bypassGovernance?: boolean | undefined;
  },
  target: VersionRow,
): Pieces {
  const { bucket, current, next } = rows;
  const statements: Statement[] = [];
  if (current?.ord !== target.ord) statements.push(dropOlder(bucket, target));
  else if (next === undefined) statements.push(dropCurrent(bucket, target.key));
  else statements.push(replaceCurrent(bucket, next), dropOlder(bucket, next));
  return {
    inserts: trashOf(target, rows),
    statements,
    bytes: -target.size,
    objects: target.marker ? 0 : -1,
  };
}

export interface Removal {
  readonly pieces: Pieces;
  readonly deleted: Deleted;
}

/** DELETE of a key without a version. */
export function removeKey(rows: KeyRows, key: string): Removal {
  const { bucket, state, current, now } = rows;
  const existed = current !== undefined && !current.marker;
  if (state.versioning === 'off') {
    return {
      pieces:
        current === undefined
          ? {}
          : removeVersion({ bucket, current, next: undefined, now }, current),
      deleted: { version: undefined, deleteMarker: false, existed },
    };
  }
  const { ord, version } = nextVersion(state);
  const marker: VersionRow = {
    key,
    ord,
    version,
    size: 0,
    etag: '',
    mtime: now,
    marker: true,
    fid: null,
    data: null,
    info: {},
  };
  return { pieces: supersede(rows, marker), deleted: { version, deleteMarker: true, existed } };
}

/** All that goes goes this way. */
function trashOf(
  one: VersionRow,
  how: Parameters<typeof checkHeld>[2] & { readonly bucket: string },
): Insert[] {
  if (one.marker) return [];
  checkHeld(one.key, one.info.lock, how);
  // Nobody has back what Moln removes of its own.
  const until = how.now + (isSystemBucket(how.bucket) ? 0 : TRASH_MS);
  const row: readonly Value[] = [randomId(16), until, ...versionValues(one)];
  return [{ table: 'trash', columns: `id, until, ${VERSION_COLUMNS}`, rows: [row] }];
}

function replaceCurrent(bucket: string, one: VersionRow): Statement {
  const [, ...values] = versionValues(one);
  return {
    sql: `UPDATE object SET ord = ?, version = ?, size = ?, etag = ?, mtime = ?, marker = ?, fid = ?, data = ?, info = ?
      WHERE bucket = ? AND key = ?`,
    args: [...values, bucket, one.key],
  };
}

function dropCurrent(bucket: string, key: string): Statement {
  return { sql: 'DELETE FROM object WHERE bucket = ? AND key = ?', args: [bucket, key] };
}

function dropOlder(bucket: string, { key, ord }: VersionRow): Statement {
  return {
    sql: 'DELETE FROM older WHERE bucket = ? AND key = ? AND ord = ?',
    args: [bucket, key, ord],
  };
}
