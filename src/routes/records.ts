/** Routes and listeners as the registry has them: what was written, in the shape and with the keys of a gateway's file. */
import { integer, object, record, type Schema, string } from '../base/schema.ts';

/** As it was written, but for the files that it named, which are in it. */
export type Written = Readonly<Record<string, unknown>>;

/** Times: epoch milliseconds. */
export interface WrittenRecord {
  readonly createdAt: number;
  readonly changedAt: number;
  /** Who wrote it: a token's name, `console` or `local`. */
  readonly by: string;
  readonly written: Written;
}

export type RecordKind = 'route' | 'listener';

export const PREFIXES: Readonly<Record<RecordKind, string>> = {
  route: '/gateway/routes/',
  listener: '/gateway/listeners/',
};

/** Written with each change of a route or listener: what was compared with all others is true of the commit. */
export const TURN_KEY = '/gateway/turn';

export const RECORDS_MAX: Readonly<Record<RecordKind, number>> = { route: 2000, listener: 50 };

/** JSON. A record of the registry has to stay small. */
export const WRITTEN_CHARACTERS_MAX: number = 256 * 1024;

const anything: Schema<unknown> = { decode: (value) => value, json: {} };

export const writtenSchema: Schema<Written> = record(anything);

const time = integer({ min: 0, max: Number.MAX_SAFE_INTEGER });

export const recordSchema: Schema<WrittenRecord> = object({
  createdAt: time,
  changedAt: time,
  by: string(),
  written: writtenSchema,
});
