/** The door of the database: stripes, each one SQLite file with a commit log that all its copies follow. */
export type { Applied } from './applied.ts';
export { type CandidateOptions, runCandidate } from './candidate.ts';
export type {
  CommitLog,
  Head,
  KeptFile,
  PastPiece,
  PrimaryRecord,
  SnapshotRecord,
} from './commit-log.ts';
export { touchedRows, type TouchedRow } from './changeset.ts';
export { type EncodedEntry, encodeEntry, type Entry, type Part } from './entry.ts';
export { CRASH_POINTS, type CrashPoint, setCrashHook } from './crash-points.ts';
export {
  errorOf,
  type FailureBody,
  failureBody,
  noSnapshot,
  notCommitted,
  outcomeUnknown,
  viewEnded,
} from './errors.ts';
export { ReaderPool } from './reader-pool.ts';
export { IdBlocks } from './id-blocks.ts';
export type { Loan } from './loans.ts';
export { Moment } from './moment.ts';
export type {
  Expectation,
  Outcome,
  Settled,
  Share,
  StripeClient,
  StripeTransaction,
  StripeView,
  TransactionResult,
} from './stripe-client.ts';
export { RegistryLog } from './registry-log.ts';
export { buildCopyAt, type CopySource } from './restore.ts';
export { isInReach, markAt, surplus, type TimeMark, TimeMarks } from './time-marks.ts';
export { filesOf } from './past.ts';
export { restoreSnapshot } from './snapshot.ts';
export { replaceCopy, rightDigest, type ScrubbedMirror, scrubMirror } from './scrub.ts';
export { runSnapshots, type SnapshotDutyOptions } from './snapshot-duty.ts';
export { FolderSnapshots, hashFile, type SnapshotStore } from './snapshot-store.ts';
export { SharedQuestion } from './shared-question.ts';
export { sizeOf } from './statement.ts';
export type {
  BegunDigest,
  Column,
  ReadLevel,
  SavepointStep,
  SqlValue,
  Statement,
  StatementResult,
  Step,
  StripeDigest,
} from './statement.ts';
export { type Indexes, Together } from './together.ts';
export { Stripe } from './stripe.ts';
export type {
  FileView,
  LeadOptions,
  LoanOptions,
  SlowReads,
  StripeOptions,
  StripeStatus,
} from './stripe-options.ts';
