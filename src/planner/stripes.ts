/**
 * What the planner asks of the stripes, and all it knows of them: texts on one stripe inside one transaction over all.
 * The part that keeps stripes implements it; `testing/memory-stripes.ts` does so in process.
 */
import type { SlotMap } from '../slots/slots.ts';
import type { StoredObject } from './table.ts';
import type { SqlRow } from './values.ts';

/** Where the rows of a connection's temporary tables are: a database of its own, which is no stripe of the database. */
export const OWN_STRIPE = -1;

/** A connection's temporary tables, for the place that gathers. */
export interface OwnTables {
  readonly objects: readonly StoredObject[];
  readonly rows: (sql: string, values: SqlRow) => readonly SqlRow[];
}

/** The entry of its log that each stripe was seen at, of a session that looks: rows that are kept with it stand for another look. */
export interface Sightings {
  /** Undefined when the stripe was not seen, or changed meanwhile. */
  of(stripe: number): number | undefined;
  /** What was seen at these is used now. False: nothing that was kept may be used. */
  use(at: ReadonlyMap<number, number>): boolean;
}

export interface StripeWrite {
  readonly sql: string;
  /** The text runs once for each; integers are bigint, reals number. `?N` takes the Nth; never more than it has. */
  readonly runs: readonly SqlRow[];
}

export interface WriteOutcome {
  /** Rows changed, over all runs, as `changes()` counts. */
  readonly changes: number;
  /** What RETURNING gave, in order. */
  readonly rows: readonly SqlRow[];
  /** Of the last run; left out when it inserted nothing, or only into temporary tables. */
  readonly lastInsertRowid?: bigint | undefined;
}

/** A change of the schema: the texts run on every stripe in one transaction, and the catalogue is kept with it. */
export interface SchemaChange {
  readonly texts: readonly string[];
  readonly catalogue: string;
  readonly schemaVersion: number;
}

/**
 * One transaction. What it reads fits together over all stripes and includes what it has written. Errors of SQLite pass
 * through with their message, `errcode` and `errstr`; a failed text has changed nothing, except as its conflict
 * clause says.
 */
export interface StripeSession {
  /**
   * Nothing was asked of a stripe yet, so the newest schema holds, and not the one of the beginning. Left out: the schema of the
   * beginning holds.
   */
  readonly isUntouched?: boolean;
  /** The slot map that it reads and writes by, for all of its life. Left out: the newest. */
  readonly slots?: SlotMap;
  /** Two texts need not see the same rows. */
  readonly isMoving?: boolean;
  /** Nothing but temporary tables may be written, whether or not that would change rows. */
  readonly isReadOnly?: boolean;
  /**
   * Begins to read each stripe as it is when it is asked, which is cheap and worth something only if `isOneMoment` says so afterwards. False: `sql` is
   * read as of one moment from the start. Left out: always so.
   */
  looks?(sql: string): boolean;
  /** Of what is read since `looks`. Left out: what is read is not to be kept. */
  readonly sightings?: Sightings | undefined;
  /** Whether all that was read since fits together and was there when this was asked; if not it is to be read again. */
  isOneMoment?(): Promise<boolean>;
  /**
   * Rows in batches; the source waits while a batch is being used. Stops reading when the loop is left. `only`: nothing else
   * is read in a session that only reads.
   */
  rows(
    stripe: number,
    sql: string,
    values: SqlRow,
    only?: boolean,
  ): AsyncIterable<readonly SqlRow[]>;
  /**
   * A text that reads no table and may take long, or for ever: somewhere where it can be stopped. Left out: it runs in the
   * shadow, which cannot. `isSource`: its rows are to be put in, and may be more than a client can be given.
   */
  apart?(sql: string, values: SqlRow, isSource?: boolean): Promise<readonly SqlRow[]>;
  /** A reading text for which rows have to be gathered: in another place, with a planner of its own. Left out: here. */
  gathered?(sql: string, values: SqlRow, own?: OwnTables): Promise<readonly SqlRow[]>;
  /** `last`: if it succeeds, nothing but `release` and `commit` follows. */
  write(
    stripe: number,
    writes: readonly StripeWrite[],
    last?: boolean,
  ): Promise<readonly WriteOutcome[]>;
  alter(change: SchemaChange): Promise<void>;
  /** Counts as a change of the schema and is none: whatever is planned for the one before does nothing, and begins anew. Left out: nobody else plans. */
  renewSchema?(): Promise<void>;
  /** On every stripe, or on those that are used later: the caller cannot tell. */
  savepoint(name: string): Promise<void>;
  release(name: string): Promise<void>;
  rollbackTo(name: string): Promise<void>;
  commit(): Promise<void>;
  rollback(): Promise<void>;
}

export interface Stripes {
  readonly slots: SlotMap;
  /** The catalogue as `SchemaChange` left it, and its version; '' and 0 at first. */
  readonly catalogue: string;
  readonly schemaVersion: number;
  begin(mode: 'read' | 'write'): Promise<StripeSession>;
}

/**
 * Gives ids that nobody else gets, in blocks, so that inserts ask no other stripe for the largest. Without one the planner
 * asks all stripes, and ids are those that SQLite would give.
 */
export interface IdSource {
  /** The first of `count` ids by a table's counter. All are above every id that `taken` was told of here. */
  next(counter: string, count: number): Promise<bigint>;
  /** An id that was chosen elsewhere: later ones are larger. True when somebody may have it to give all the same, or be giving it now. */
  taken(counter: string, id: bigint): Promise<boolean>;
  /** Another node has changed the schema. What it keeps to give may be in use: somebody there chose ids by himself, or a single stripe did here. Left out: it keeps nothing. */
  forget?(): void;
}
