/** How a stripe is used, wherever it is led: what the planner and the faces of the database are written against. */
import type { ReadLevel, Statement, StatementResult } from './statement.ts';

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
  execute(statements: readonly Statement[]): Promise<TransactionResult>;
  /** A transaction whose statements come one by one. It holds the stripe: for those who cannot send all at once. */
  begin(): Promise<StripeTransaction>;
  /** One statement that only reads. */
  query(statement: Statement, level: ReadLevel): Promise<StatementResult>;
}

export interface StripeTransaction {
  /** When it throws, the transaction goes on without that statement, unless SQLite has rolled everything back. */
  run(statement: Statement): Promise<StatementResult>;
  /** Resolves to the index for reads at `session` level. */
  commit(): Promise<number>;
  /** Nothing of it happened. Without effect when it is over. */
  rollBack(): Promise<void>;
}
