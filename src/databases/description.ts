/**
 * What the file store tells of a database beside its snapshots, so that a database can be made of them when registry and logs are lost: of the database
 * itself, and of each stripe that has a snapshot there. Format 1.
 */
import { isMolnError, messageOf } from '../base/errors.ts';
import { array, integer, object, optional, record, type Schema, string } from '../base/schema.ts';
import type { KeptFile, PastPiece, SnapshotRecord, TimeMark } from '../database/database.ts';
import { COPIES_MAX, STRIPES_MAX } from './limits.ts';
import { descriptionUnknown } from './errors.ts';
import type { SplitRecord } from './records.ts';

export interface DatabaseDescription {
  readonly format: number;
  readonly name: string;
  readonly stripes: number;
  readonly splits: readonly SplitRecord[];
  readonly copies: number;
  readonly regions: readonly string[];
  /** Moments that the snapshots of all stripes led to when this was written, the oldest first. */
  readonly moments: readonly TimeMark[];
  /** Counters of ids, by table, as they were after these moments. */
  readonly ids: Readonly<Record<string, string>>;
}

/** All files that the snapshot's record names are in the file store. */
export interface StripeDescription {
  readonly format: number;
  readonly snapshot: SnapshotRecord;
}

/** The object that tells of the database itself; those of stripes have their names. */
export const DATABASE_DESCRIPTION = 'database';
/** Where they lie, beside the folders of stripes. */
const FOLDER = 'about';
export const DESCRIPTION_FORMAT = 1;

const count = integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const stripeNumber = integer({ min: 0, max: STRIPES_MAX - 1 });
const fields = { id: string(), sha256: string(), bytes: count, nodes: array(string()) };
const file: Schema<KeptFile> = object(fields);
const pastPiece = object({
  from: count,
  to: count,
  at: count,
  base: optional(file),
  entries: file,
});
const snapshot = object({
  ...fields,
  index: count,
  hash: string(),
  schemaVersion: count,
  at: optional(count),
  past: optional(array(pastPiece)),
});
const stripeSchema = object({ format: count, snapshot });
const databaseSchema: Schema<DatabaseDescription> = object({
  format: count,
  name: string(),
  stripes: integer({ min: 1, max: STRIPES_MAX }),
  splits: array(object({ from: stripeNumber, into: stripeNumber })),
  copies: integer({ min: 1, max: COPIES_MAX }),
  regions: array(string()),
  moments: array(object({ at: count, indexes: array(count) })),
  ids: record(string({ pattern: /^\d{1,16}$/ })),
});

/** Its object among the snapshots. `what`: `DATABASE_DESCRIPTION`, or a stripe. */
export function descriptionKey(database: string, what: string): string {
  return `${database}/${FOLDER}/${what}`;
}

/** Throws `DATABASES_DESCRIPTION_UNKNOWN`, here and below. */
export function readDatabaseDescription(text: string): DatabaseDescription {
  return decoded(text, databaseSchema);
}

/** Nodes of a cluster that is lost keep nothing: the snapshot has none. */
export function readStripeDescription(text: string): StripeDescription {
  const { format, snapshot: told } = decoded(text, stripeSchema);
  const past = (told.past ?? []).map(({ base, entries, ...piece }): PastPiece => ({
    ...piece,
    base: base && { ...base, nodes: [] },
    entries: { ...entries, nodes: [] },
  }));
  return { format, snapshot: { ...told, nodes: [], past } };
}

/** Whether these snapshots, by stripe, with what is kept from before them, lead to that moment. Pure. */
export function leadTo(
  snapshots: readonly (SnapshotRecord | undefined)[],
  { indexes }: TimeMark,
): boolean {
  return indexes.every((index, number) => {
    const newest = snapshots[number];
    if (newest === undefined) return false;
    return index <= newest.index && index >= (newest.past?.[0]?.from ?? newest.index);
  });
}

function decoded<T extends { readonly format: number }>(text: string, schema: Schema<T>): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
    const { format } = value as { readonly format?: unknown };
    if (format !== DESCRIPTION_FORMAT) throw descriptionUnknown(`it has format ${String(format)}`);
    return schema.decode(value, '');
  } catch (error) {
    if (isMolnError(error, 'DATABASES_DESCRIPTION_UNKNOWN')) throw error;
    throw descriptionUnknown(messageOf(error));
  }
}
