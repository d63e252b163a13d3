/** How a stripe is used, wherever it is led: what the planner and the faces of the database are written against. */
import type { Revision } from '../registry/registry.ts';
import type { Append, Head, ReadStripe } from './commit-log.ts';
import type { ReadLevel, Statement, StatementResult, Step } from './statement.ts';

export interface TransactionResult {
  readonly results: readonly StatementResult[];
  /** A read at `session` level with this index sees the transaction, on any copy. */
  readonly index: number;
}

export interface StripeClient {
  readonly name: string;
  /** The newest entry that the stripe has at this moment, when the copy here has borrowed that; see `loans.ts`. */
  readonly lentEnd?: number | undefined;
  /** Version of the schema that the copy here has; undefined when there is none. */
  readonly schemaHere?: number | undefined;
  /**
   * All statements or none. `DATABASE_SQL` and `DATABASE_FORBIDDEN` say in `details.at` which one failed. After
   * `DATABASE_OUTCOME_UNKNOWN` it may have happened; after any other error nothing has.
   */
  execute(statements: readonly Statement[], expect?: Expectation): Promise<TransactionResult>;
  /** A transaction whose statements come one by one. It holds the stripe: for those who cannot send all at once. */
  begin(): Promise<StripeTransaction>;
  /** One statement that only reads. */
  query(statement: Statement, level: ReadLevel, expect?: Expectation): Promise<StatementResult>;
  /**
   * What the stripe's primary has now, for several reads. `first` will most likely be asked of it: it may be read at once, and asking for that object gives what came out, once. To read
   * several stripes as of one moment see `Moment`.
   */
  view(first?: Statement): Promise<StripeView>;
}

/** What a statement was planned for. A stripe that is different answers `DATABASE_SCHEMA_CHANGED` and has done nothing. */
export interface Expectation {
  readonly schemaVersion: number;
}

export interface StripeTransaction {
  /** Of the stripe when the transaction began; nobody else changes it meanwhile. */
  readonly schemaVersion: number;
  /** When it throws, the transaction goes on without that statement, unless SQLite has rolled everything back. */
  run(statement: Statement): Promise<StatementResult>;
  /** One after the other, up to the first that fails; what ran before it stays. Results of statements only. */
  runAll(steps: readonly Step[]): Promise<readonly StatementResult[]>;
  /**
   * A statement that only reads, of a transaction that has done nothing here yet: what the file has, which nobody else changes. Undefined when it is to be run instead: it would
   * not be answered at once, or something is wrong with it. Left out: always so.
   */
  look?(statement: Statement): Promise<StatementResult | undefined>;
  /** Resolves to the index for reads at `session` level. */
  commit(): Promise<number>;
  /** Nothing of it happened. Without effect when it is over. */
  rollBack(): Promise<void>;
  /**
   * Instead of `commit`, when the transaction is over several stripes: nothing can be added any more, and its share goes into one
   * append. A stripe that is not told the outcome within `PREPARED_MS` finds out by itself.
   */
  prepare(): Promise<Share>;
  /** What became of the append: it is committed here, rolled back, or found out about; tells which it was. */
  settle(outcome: Outcome): Promise<Settled>;
}

/** What a stripe adds to the append of a transaction: an entry, or that it was only read. */
export type Share =
  | { readonly kind: 'append'; readonly append: Append }
  | { readonly kind: 'read'; readonly read: ReadStripe };

export type Outcome =
  /** The log took it; `head` is this stripe's now. */
  | { readonly kind: 'appended'; readonly head: Head }
  /** No answer came, or one that may be of another attempt. */
  | { readonly kind: 'unknown'; readonly why: string };

export type Settled =
  /** `index` is for reads at `session` level. */
  | { readonly kind: 'happened'; readonly index: number }
  | { readonly kind: 'ruledOut'; readonly why: string };

/** A stripe as it was at one entry. It ends by itself after `VIEW_MS_MAX`, with `DATABASE_VIEW_ENDED`. */
export interface StripeView extends AsyncDisposable {
  /** The newest entry in it. */
  readonly index: number;
  readonly schemaVersion: number;
  /** Of the primary that opened it. */
  readonly epoch: Revision;
  /** The log's head, if that is all that the view has; undefined when the stripe has moved on already. */
  readonly head: Head | undefined;
  query(statement: Statement): Promise<StatementResult>;
}
