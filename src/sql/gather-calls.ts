/** What goes between the engine and a process that gathers; all of it is copied. */
import { isMolnError, MolnError } from '../base/errors.ts';
import { type SqlRow, sqliteFailure, type StoredObject } from '../planner/planner.ts';
import type { SlotMap } from '../slots/slots.ts';

/** A reading text, and the schema that it was planned for. */
export interface GatherJob {
  readonly sql: string;
  readonly values: SqlRow;
  readonly catalogue: string;
  readonly version: number;
  readonly slots: SlotMap;
  /** Definitions of the connection alone; their rows are asked for as those of `OWN_STRIPE`. */
  readonly temporary: readonly StoredObject[];
  /** What was seen before may be used, is only noted for later, or neither: see `Sightings`. */
  readonly sightings: 'used' | 'noted' | 'none';
  readonly budget: { readonly rowsMax: number; readonly bytesMax: number };
}

/** The catalogue may be long: it is left out when it is that of the job before. */
export type SentJob = Omit<GatherJob, 'catalogue'> & { readonly catalogue: string | undefined };

export interface Failure {
  readonly message: string;
  /** SQLite's. */
  readonly errcode: number | undefined;
  readonly body: ReturnType<MolnError['toJSON']> | undefined;
}

export type ToProcess =
  | { readonly kind: 'run'; readonly job: SentJob }
  /** What was asked for in one message. */
  | { readonly kind: 'answers'; readonly answers: readonly Answer[] };

export type Answer =
  | ({ readonly id: number } & SeenRows)
  | { readonly id: number; readonly failure: Failure };

export interface SeenRows {
  readonly rows: readonly SqlRow[];
  /** The entry of the stripe's log that they are as of, if that is known. */
  readonly at?: number | undefined;
}

/** Rows of a stripe are wanted. */
export interface Ask {
  readonly id: number;
  readonly stripe: number;
  readonly sql: string;
  readonly values: SqlRow;
}

export type FromProcess =
  | { readonly kind: 'ask'; readonly asks: readonly Ask[] }
  /** The first rows of many, so that whoever gets them does other things in between. */
  | { readonly kind: 'part'; readonly rows: readonly SqlRow[] }
  /** `used`: what was seen before, by stripe. */
  | { readonly kind: 'done'; readonly rows: readonly SqlRow[]; readonly used: Used }
  | { readonly kind: 'failed'; readonly failure: Failure; readonly used: Used };

export type Used = ReadonlyMap<number, number>;

export function failureOf(error: unknown): Failure {
  if (isMolnError(error)) {
    return { message: error.message, errcode: undefined, body: error.toJSON() };
  }
  const known = error instanceof Error ? error : new Error(String(error));
  const errcode =
    'errcode' in known && typeof known.errcode === 'number' ? known.errcode : undefined;
  return { message: known.message, errcode, body: undefined };
}

export function errorOf({ message, errcode, body }: Failure): Error {
  if (body !== undefined) return MolnError.from(body);
  return errcode === undefined ? new Error(message) : sqliteFailure(message, errcode);
}
