/** What a copy of a stripe is made with, and what it tells of itself. */
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { Applied } from './applied.ts';
import type { CommitLog, Primary, PrimaryRecord } from './commit-log.ts';
import type { Loan } from './loans.ts';
import type { SnapshotStore } from './snapshot-store.ts';
import type { BegunDigest, Statement, StatementResult } from './statement.ts';
import type { Role } from './thread-calls.ts';

/** Reads that may take long, in processes that can be killed. */
export interface SlowReads {
  query(
    path: string,
    statement: Statement,
    readMs: number,
    planned?: number,
  ): Promise<StatementResult>;
  /** A packed copy of the whole file. */
  copy(path: string, to: string): Promise<Applied>;
  digest(path: string): Promise<BegunDigest>;
  /** The file as it is now, for several reads. `first` is read at once: asking for that object gives what came out, once. */
  view(path: string, first?: FirstRead): Promise<FileView>;
}

export interface FirstRead {
  readonly statement: Statement;
  readonly readMs: number;
}

export interface FileView extends AsyncDisposable {
  readonly applied: Applied;
  query(statement: Statement, readMs: number): Promise<StatementResult>;
}

export interface StripeOptions {
  readonly name: string;
  /** The SQLite file; its folder exists and belongs to this process alone. */
  readonly path: string;
  readonly record: PrimaryRecord;
  readonly log: CommitLog;
  readonly slowReads: SlowReads;
  readonly snapshots: SnapshotStore;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A statement that writes cannot be stopped: only the end of the process helps. */
  readonly onStuck: (statementMs: number) => void;
  readonly statementMs?: number;
  readonly readMs?: number;
  readonly primaryTtlMs?: number;
  readonly logBytesMax?: number;
  /** Left out: nothing is lent or borrowed. */
  readonly loans?: LoanOptions;
  /** Of tests only. */
  readonly crashAt?: string;
}

/** See `loans.ts`. */
export interface LoanOptions {
  /** Of the copy that leads, on another node. */
  readonly borrow: (primary: Primary) => Promise<Loan | undefined>;
  /** Whether copies of other processes may have borrowed from the primary before: then who leads next waits until that is over. */
  readonly mayBeOut: () => boolean;
  readonly quietMs?: number;
}

export interface LeadOptions {
  /** The term that ends by it; without it nobody may lead. */
  readonly replaces?: number;
  /** Life of the primary that does not answer; see `PrimaryRecord.displaced`. */
  readonly displaces?: string;
  /** The one that hands over has called back what it lent. */
  readonly isSettled?: boolean;
  /** For people. */
  readonly why?: string;
}

export interface StripeStatus {
  readonly name: string;
  readonly role: Role;
  readonly applied: Applied;
  readonly epoch: number | undefined;
  /** Why it was put aside and rebuilt last, if it was, and when, in milliseconds since the epoch. */
  readonly quarantined?: string;
  readonly quarantinedAt?: number;
}
