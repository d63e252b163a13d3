/** What a stripe's thread can be asked. Requests are answered in order; all of it is copied between threads. */
import type { Applied } from './applied.ts';
import type { EncodedEntry, Entry } from './entry.ts';
import type { FailureBody } from './errors.ts';
import type { PackedOutcomes, PackedTransactions } from './packed-group.ts';
import type { Statement, StatementResult, Step } from './statement.ts';
import type { EntryFacts } from './writer.ts';

export type Role = 'mirror' | 'primary';

export interface ThreadData {
  readonly path: string;
  /** Of tests only: stops the process for good at that place. */
  readonly crashAt?: string;
}

export type GroupAnswer =
  | {
      readonly kind: 'run';
      readonly outcomes: PackedOutcomes;
      /** Undefined when nothing was changed; the transaction of SQLite is then over. */
      readonly entry: EncodedEntry | undefined;
    }
  /** The group is rolled back: run each alone. The failure is that of the only one. */
  | { readonly kind: 'lost'; readonly failure: FailureBody };

export type QueryAnswer =
  | { readonly kind: 'rows'; readonly result: StatementResult }
  /** May take long: ask a process that can be killed. */
  | { readonly kind: 'slow' };

export interface Calls {
  /** Opens the file in that role; in another one it is closed first. */
  open(role: Role): Applied;
  apply(entries: readonly Entry[]): Applied;
  group(transactions: PackedTransactions, facts: EntryFacts, statementMs: number): GroupAnswer;
  begin(): void;
  /** After `begin`: one after the other, up to the first that fails; those before it stay. */
  steps(steps: readonly Step[], statementMs: number): readonly StatementResult[];
  /** The entry of the steps since `begin`; undefined when nothing was changed, the transaction is then over. */
  prepare(facts: EntryFacts): EncodedEntry | undefined;
  commit(): Applied;
  rollBack(): void;
  barrier(facts: EntryFacts): EncodedEntry;
  passed(barrier: EncodedEntry, epoch: number): Applied;
  query(
    statement: Statement,
    readMs: number,
    planned: number | undefined,
    isLook: boolean,
  ): QueryAnswer;
  close(): void;
}

export type CallName = keyof Calls;

export interface Request {
  readonly id: number;
  readonly name: CallName;
  readonly args: readonly unknown[];
}

export type Reply =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly failure: FailureBody };
