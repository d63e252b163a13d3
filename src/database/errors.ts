/** The errors of the database: a stable code, a sentence, and what to do. */
import { isMolnError, messageOf, MolnError } from '../base/errors.ts';
import { formatBytes } from '../base/units.ts';

/** An error of a statement, as SQLite words it; `details` hold its extended result code and that code's name. */
export function sqlError(message: string, resultCode: number): MolnError {
  return new MolnError('DATABASE_SQL', message, {
    details: { resultCode, sqliteCode: resultName(resultCode) },
  });
}

/** The same with the whole transaction gone, as by ON CONFLICT ROLLBACK or a full disk. Anything else passes. */
export function withTransaction(error: unknown): unknown {
  if (!isMolnError(error)) return error;
  return Object.assign(error, { details: { ...error.details, rolledBack: true } });
}

/** Whether SQLite has rolled the whole transaction back with the statement. */
export function tookTransaction(error: unknown): boolean {
  return isMolnError(error, 'DATABASE_SQL') && error.details?.['rolledBack'] === true;
}

/** What `node:sqlite` threw, as ours. Anything else passes. */
export function fromSqlite(error: unknown): unknown {
  if (isMolnError(error) || !(error instanceof Error)) return error;
  if ('errcode' in error && typeof error.errcode === 'number') {
    return sqlError(error.message, error.errcode);
  }
  const code = 'code' in error ? error.code : undefined;
  if (typeof code === 'string' && code.startsWith('ERR_')) return sqlError(error.message, 1);
  return error;
}

/** Primary result codes that speak of the disk, not of the data: busy, no memory, IO error, full. */
const OF_DISK: ReadonlySet<number> = new Set([5, 7, 10, 13]);

/** Whether `node:sqlite` threw it because of the disk. */
export function isOfDisk(error: unknown): boolean {
  if (!(error instanceof Error) || !('errcode' in error)) return false;
  return typeof error.errcode === 'number' && OF_DISK.has(error.errcode & 0xff);
}

/** Names of SQLite's result codes that clients look at (https://sqlite.org/rescode.html). */
const RESULT_NAMES: Readonly<Record<number, string>> = {
  1: 'SQLITE_ERROR',
  2: 'SQLITE_INTERNAL',
  3: 'SQLITE_PERM',
  4: 'SQLITE_ABORT',
  5: 'SQLITE_BUSY',
  6: 'SQLITE_LOCKED',
  7: 'SQLITE_NOMEM',
  8: 'SQLITE_READONLY',
  9: 'SQLITE_INTERRUPT',
  10: 'SQLITE_IOERR',
  11: 'SQLITE_CORRUPT',
  12: 'SQLITE_NOTFOUND',
  13: 'SQLITE_FULL',
  14: 'SQLITE_CANTOPEN',
  17: 'SQLITE_SCHEMA',
  18: 'SQLITE_TOOBIG',
  19: 'SQLITE_CONSTRAINT',
  20: 'SQLITE_MISMATCH',
  21: 'SQLITE_MISUSE',
  23: 'SQLITE_AUTH',
  25: 'SQLITE_RANGE',
  26: 'SQLITE_NOTADB',
  275: 'SQLITE_CONSTRAINT_CHECK',
  531: 'SQLITE_CONSTRAINT_COMMITHOOK',
  787: 'SQLITE_CONSTRAINT_FOREIGNKEY',
  1043: 'SQLITE_CONSTRAINT_FUNCTION',
  1299: 'SQLITE_CONSTRAINT_NOTNULL',
  1555: 'SQLITE_CONSTRAINT_PRIMARYKEY',
  1811: 'SQLITE_CONSTRAINT_TRIGGER',
  2067: 'SQLITE_CONSTRAINT_UNIQUE',
  2323: 'SQLITE_CONSTRAINT_VTAB',
  2579: 'SQLITE_CONSTRAINT_ROWID',
  2835: 'SQLITE_CONSTRAINT_PINNED',
  3091: 'SQLITE_CONSTRAINT_DATATYPE',
};

function resultName(code: number): string {
  return RESULT_NAMES[code] ?? RESULT_NAMES[code & 0xff] ?? 'SQLITE_ERROR';
}

/** A limit of `limits.ts` was met. `resultCode` is SQLite's for the same thing. */
export function limitMet(
  limit: string,
  sentence: string,
  hint: string,
  resultCode = 18,
): MolnError {
  return new MolnError('DATABASE_LIMIT', sentence, {
    hint,
    details: { limit, resultCode, sqliteCode: resultName(resultCode) },
  });
}

export function transactionTooLarge(bytes: number, limit: number): MolnError {
  return limitMet(
    'transactionBytes',
    `The transaction changes ${formatBytes(bytes)}, at most ${formatBytes(limit)} fit into one`,
    'Do it in several smaller transactions; nothing was changed',
  );
}

/** A statement that the database does not let through. */
export function forbidden(what: string, hint: string): MolnError {
  return new MolnError('DATABASE_FORBIDDEN', `${what} is not allowed here`, {
    hint,
    details: { resultCode: 23, sqliteCode: 'SQLITE_AUTH' },
  });
}

/** The statement was planned for another schema than the stripe has now. Nothing was changed. */
export function schemaChanged(planned: number, now: number): MolnError {
  return new MolnError(
    'DATABASE_SCHEMA_CHANGED',
    `The statement was planned for version ${planned} of the schema, the stripe has ${now}`,
    { hint: 'Ask again; nothing was changed', retryable: true, details: { schemaVersion: now } },
  );
}

/** This copy is not the stripe's primary, or not any more. Nothing was changed. */
export function notPrimary(stripe: string, why: string): MolnError {
  return new MolnError(
    'DATABASE_NOT_PRIMARY',
    `This node does not lead stripe "${stripe}": ${why}`,
    {
      hint: 'Ask again; another copy takes over within seconds. Nothing was changed',
      retryable: true,
    },
  );
}

/** The log did not take it and never will. */
export function notCommitted(stripe: string, why: string): MolnError {
  return new MolnError(
    'DATABASE_NOT_COMMITTED',
    `The log of stripe "${stripe}" did not take the transaction: ${why}`,
    { hint: 'Ask again; nothing was changed', retryable: true },
  );
}

/** Several stripes were to be read as of one moment, and one of them was taken over meanwhile. */
export function notCurrent(stripes: string): MolnError {
  return new MolnError(
    'DATABASE_NOT_CURRENT',
    `Stripes "${stripes}" could not be read as of one moment: another copy took over meanwhile`,
    { hint: 'Ask again', retryable: true },
  );
}

/** A copy does not get to what was acknowledged: its log or its disk is slow, or it cannot be applied. */
export function behind(stripe: string, has: number, wanted: number): MolnError {
  return new MolnError(
    'DATABASE_BEHIND',
    `The copy of stripe "${stripe}" on this node has entry ${has} and does not get to ${wanted}`,
    { hint: 'Ask again, or at level "stale"; "moln db stripes" shows all copies', retryable: true },
  );
}

/** A mirror that was to be compared was built anew meanwhile. */
export function notAtOneEntry(stripe: string): MolnError {
  return new MolnError(
    'DATABASE_NOT_AT_ONE_ENTRY',
    `Two copies of stripe "${stripe}" could not be read as of one entry`,
    { hint: 'Compare them again; nothing was changed', retryable: true },
  );
}

/** What was to be looked at takes more than a moment: it is read another way. */
export function notAtOnce(): MolnError {
  return new MolnError('DATABASE_NOT_AT_ONCE', 'The statement may take long', { retryable: true });
}

/** A view was closed, was open for too long, or its process had to be ended. */
export function viewEnded(why: string): MolnError {
  return new MolnError('DATABASE_VIEW_ENDED', `What was read as of one moment is over: ${why}`, {
    hint: 'Read again from the beginning',
    retryable: true,
  });
}

/** The log may not grow any more before it is trimmed. */
export function logFull(stripe: string, bytes: number, limit: number): MolnError {
  return new MolnError(
    'DATABASE_LOG_FULL',
    `The log of stripe "${stripe}" holds ${formatBytes(bytes)}, at most ${formatBytes(limit)}: it is trimmed behind the next snapshot`,
    {
      hint: 'Ask again later; nothing was changed. Look whether snapshots can be stored',
      retryable: true,
      details: { resultCode: 13, sqliteCode: 'SQLITE_FULL' },
    },
  );
}

/** Sent, and neither confirmed nor ruled out. */
export function outcomeUnknown(stripe: string, why: string): MolnError {
  return new MolnError(
    'DATABASE_OUTCOME_UNKNOWN',
    `It is unknown whether a transaction on stripe "${stripe}" was committed: ${why}`,
    { hint: 'Read again what it was to change before you repeat it' },
  );
}

/** A log, an entry or a copy that is not what its checksum says, or does not follow from what came before. */
export function corrupt(what: string, details: Readonly<Record<string, unknown>> = {}): MolnError {
  return new MolnError('DATABASE_CORRUPT', what, {
    hint: 'The copy is put aside and built anew from a snapshot and the log',
    details,
  });
}

/** The log no longer begins where this copy ends: it has to be built from a snapshot. */
export function trimmed(stripe: string, from: number): MolnError {
  return new MolnError(
    'DATABASE_TRIMMED',
    `The log of stripe "${stripe}" no longer has entry ${from}`,
    { hint: 'The copy is built anew from a snapshot' },
  );
}

/** `place`: a node, or another place that snapshots lie in. */
export function noSnapshot(place: string, stripe: string, id: string): MolnError {
  return new MolnError(
    'DATABASE_NO_SNAPSHOT',
    `"${place}" does not have snapshot "${id}" of stripe "${stripe}"`,
    { retryable: true },
  );
}

export function closed(stripe: string): MolnError {
  return new MolnError('DATABASE_CLOSED', `Stripe "${stripe}" is being closed`, {
    hint: 'Ask again; nothing was changed',
    retryable: true,
  });
}

/** How an error crosses from a thread or a process to another; `errorOf` is the way back. */
export interface FailureBody {
  readonly code: string | undefined;
  readonly message: string;
  readonly body: ReturnType<MolnError['toJSON']> | undefined;
}

export function failureBody(error: unknown): FailureBody {
  const own = fromSqlite(error);
  if (isMolnError(own)) return { code: own.code, message: own.message, body: own.toJSON() };
  return {
    code: undefined,
    message: own instanceof Error ? (own.stack ?? own.message) : messageOf(own),
    body: undefined,
  };
}

export function errorOf(failure: FailureBody): Error {
  return failure.body === undefined ? new Error(failure.message) : MolnError.from(failure.body);
}
