/**
 * What the registry keeps of databases: `/databases/NAME`, where their copies are, and `/dropped-databases/ID` for those whose files a node may still have. A
 * folder or log is removed because its id is among the latter, never because a record is missing: what this node has read may be old.
 */
import { array, integer, object, optional, type Schema, string } from '../base/schema.ts';
import { Collection, type Registry } from '../registry/registry.ts';
import { reserved, settingInvalid } from './errors.ts';
import { COPIES_MAX, NAME_LENGTH_MAX, STRIPES_MAX } from './limits.ts';

export const DATABASES_PREFIX = '/databases/';
export const PLACES_PREFIX = '/database-places/';
export const DROPPED_PREFIX = '/dropped-databases/';

/** Under `/databases/NAME`. */
export interface DatabaseRecord {
  /** Names folder and log; never used again, so a new database of an old name has nothing of the old one. */
  readonly id: string;
  readonly createdAt: number;
  /** Who made it. */
  readonly by: string;
  /** Also those that stripes are being split into. */
  readonly stripes: number;
  /** In order; left out: none. */
  readonly splits?: readonly SplitRecord[] | undefined;
  /** Wanted of each stripe; fewer while there are fewer nodes. */
  readonly copies: number;
  /** Where the copies are to be; empty: anywhere, in different regions where that can be. */
  readonly regions: readonly string[];
  /** Signs the tokens of this database. Sealed under the record's key, base64. */
  readonly tokenKey: string;
}

/** A database that somebody wants. */
export interface CreateRequest {
  readonly name: string;
  /** Undefined: by the number of nodes. */
  readonly stripes: number | undefined;
  readonly copies: number | undefined;
  readonly regions: readonly string[] | undefined;
  readonly by: string;
}

/** Half of the slots of a stripe go to a new one. */
export interface SplitRecord {
  readonly from: number;
  readonly into: number;
}

/** Somebody wants a stripe to be led by that node. Holds until another one is asked for, or the node is forgotten. */
export interface AskedLead {
  readonly stripe: number;
  /** Id. */
  readonly node: string;
  readonly by: string;
}

/** Under `/database-places/ID`: the nodes that have a copy, by stripe, in the order in which they take over; those that are to go come last. */
export interface PlacesRecord {
  readonly stripes: readonly (readonly string[])[];
  /** Nodes that have a copy of each stripe because an app that uses the database runs there; see `near.ts`. They may be among those of a stripe. */
  readonly near?: readonly string[] | undefined;
  readonly asked?: readonly AskedLead[] | undefined;
}

/** Under `/dropped-databases/ID`: of what is not to be there, and of what is still being made of another one. */
export interface DroppedRecord {
  readonly name: string;
  readonly at: number;
}

const time = integer({ min: 0, max: Number.MAX_SAFE_INTEGER });

const stripeNumber = integer({ min: 0, max: STRIPES_MAX - 1 });

const recordSchema: Schema<DatabaseRecord> = object({
  id: string({ pattern: /^[a-z0-9]{12}$/ }),
  createdAt: time,
  by: string(),
  stripes: integer({ min: 1, max: STRIPES_MAX }),
  splits: optional(array(object({ from: stripeNumber, into: stripeNumber }))),
  copies: integer({ min: 1, max: COPIES_MAX }),
  regions: array(string()),
  tokenKey: string(),
});

const placesSchema: Schema<PlacesRecord> = object({
  stripes: array(array(string())),
  near: optional(array(string())),
  asked: optional(
    array(
      object({
        stripe: stripeNumber,
        node: string(),
        by: string(),
      }),
    ),
  ),
});
const droppedSchema: Schema<DroppedRecord> = object({ name: string(), at: time });

const SYSTEM_PREFIX = 'moln-';
const NAME = /^[a-z](?:[a-z0-9-]*[a-z0-9])?$/;

/** Moln's own: parts of it keep there what they know. It is shown to who asks for it by name. */
export function isSystemDatabase(name: string): boolean {
  return name.startsWith(SYSTEM_PREFIX);
}

/** Throws `DATABASES_RESERVED`: people neither make nor drop it. */
export function checkForPeople(name: string): void {
  if (isSystemDatabase(name)) throw reserved(name);
}

export function isDatabaseName(name: string): boolean {
  return name.length <= NAME_LENGTH_MAX && NAME.test(name);
}

export function databaseRecords(registry: Registry): Collection<DatabaseRecord> {
  return new Collection({ registry, prefix: DATABASES_PREFIX, schema: recordSchema });
}

export function placesRecords(registry: Registry): Collection<PlacesRecord> {
  return new Collection({ registry, prefix: PLACES_PREFIX, schema: placesSchema });
}

export function droppedRecords(registry: Registry): Collection<DroppedRecord> {
  return new Collection({ registry, prefix: DROPPED_PREFIX, schema: droppedSchema });
}

/** The nodes that have copies, by stripe: those that keep it safe first. */
export function allPlaces({ stripes, near = [] }: PlacesRecord): readonly (readonly string[])[] {
  return stripes.map((nodes) => [...nodes, ...near.filter((id) => !nodes.includes(id))]);
}

/** The one that an app with these settings uses, if there is one of that name; undefined: they say where its database is. */
export function databaseOfApp(
  app: string,
  { DATABASE_NAME: name = app, DATABASE_URL: own }: Readonly<Record<string, string>>,
): string | undefined {
  return own === undefined && isDatabaseName(name) ? name : undefined;
}

/** Of stripe `number`, from 0. */
export function stripeName(number: number): string {
  return `s${number}`;
}

/** Throws `DATABASES_SETTING_INVALID`. */
export function checkStripes(stripes: number): number {
  if (Number.isSafeInteger(stripes) && stripes >= 1 && stripes <= STRIPES_MAX) return stripes;
  throw settingInvalid(
    `A database has 1 to ${STRIPES_MAX} stripes, not ${stripes}`,
    'Leave --stripes out, or give a number',
  );
}

export function checkCopies(copies: number): number {
  if (Number.isSafeInteger(copies) && copies >= 1 && copies <= COPIES_MAX) return copies;
  throw settingInvalid(
    `A stripe has 1 to ${COPIES_MAX} copies, not ${copies}`,
    'Leave --copies out, or give a number; 2 are the default',
  );
}
