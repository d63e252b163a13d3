/** How a stripe is used, wherever it is led: what the planner and the faces of the database are written against. */
import type { Append, Head, ReadStripe } from './commit-log.ts';
import type { ReadLevel, Statement, StatementResult, Step } from './statement.ts';

export interface TransactionResult {
  readonly results: readonly StatementResult[];
  /** A read at `session` level with this index sees the transaction, on any copy. */
  readonly index: number;
}

export interface StripeClient {
  readonly name: string;
  /**
   * All statements or none. `DATABASE_SQL` and `DATABASE_FORBIDDEN` say in `details.at` which one failed. After
   * `DATABASE_OUTCOME_UNKNOWN` it may have happened; after any other error nothing has.
   */
  execute(statements: readonly Statement[], expect?: Expectation): Promise<TransactionResult>;
  /** A transaction whose statements come one by one. It holds the stripe: for those who cannot send all at once. */
  begin(): Promise<StripeTransaction>;
  /** One statement that only reads. */
  query(statement: Statement, level: ReadLevel, expect?: Expectation): Promise<StatementResult>;
}

/** What a statement was planned for. A stripe that is different answers `DATABASE_SCHEMA_CHANGED` and has done nothing. */
export interface Expectation {
  readonly schemaVersion: number;
}

/** What a stripe adds to the append of a transaction: an entry, or that it was only read. */
export type Share =
  | { readonly kind: 'append'; readonly append: Append }
  | { readonly kind: 'read'; readonly read: ReadStripe };

export interface StripeTransaction {
  /** Of the stripe when the transaction began; nobody else changes it meanwhile. */
  readonly schemaVersion: number;
  /** When it throws, the transaction goes on without that statement, unless SQLite has rolled everything back. */
  run(statement: Statement): Promise<StatementResult>;
  /** One after the other, up to the first that fails; what ran before it stays. Results of statements only. */
  runAll(steps: readonly Step[]): Promise<readonly StatementResult[]>;
  /** Resolves to the index for reads at `session` level. */
  commit(): Promise<number>;
  /** Nothing of it happened. Without effect when it is over. */
  rollBack(): Promise<void>;

  /** As part of a transaction over several stripes: nothing can be added any more, the share goes into one append. See `together.ts`. */
  prepare(cross: boolean): Promise<Share>;
  /** The log has the append; `head` is the stripe's new one, if it was written. Resolves to the index for reads at `session` level. */
  settle(head: Head | undefined): Promise<number>;
  /**
   * It is unknown what became of the append: finds out, and ends the transaction when it did not happen. True when it did;
   * `settle` is next.
   */
  resolve(why: string): Promise<boolean>;
}
