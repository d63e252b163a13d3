/** Turns what SQLite reports into errors with a sentence and a hint. */
import { basename } from 'node:path';
import { MolnError } from '../base/errors.ts';

/** Primary result codes of SQLite (https://sqlite.org/rescode.html). */
const BUSY = 5;
const LOCKED = 6;
const READ_ONLY = 8;
const IO_ERROR = 10;
const CORRUPT = 11;
const FULL = 13;
const CANNOT_OPEN = 14;
const NOT_A_DATABASE = 26;

/** The primary result code of an error thrown by `node:sqlite`, or undefined for any other error. */
export function sqliteResultCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error)) return undefined;
  return typeof error.errcode === 'number' ? error.errcode & 0xff : undefined;
}

/**
 * The sentence for an error of the world (disk, lock, damage); anything else, such as a wrong statement or a
 * violated constraint, is the caller's affair and passes through unchanged.
 */
export function sqliteError(error: unknown, path: string): unknown {
  const name = basename(path);
  switch (sqliteResultCode(error)) {
    case BUSY:
    case LOCKED:
      return new MolnError('SQLITE_BUSY', `"${name}" is in use by another process`, {
        hint: `Stop the other Moln that runs on this data folder, or choose another with --data DIR`,
        retryable: true,
        details: { path },
        cause: error,
      });
    case READ_ONLY:
    case CANNOT_OPEN:
      return new MolnError('SQLITE_DENIED', `Cannot open or write "${path}"`, {
        hint: 'Run as the user who owns it, or choose another folder with --data DIR',
        details: { path },
        cause: error,
      });
    case FULL:
      return new MolnError('DISK_FULL', `No space is left for "${path}"`, {
        hint: 'Free some space there and try again; nothing was changed',
        retryable: true,
        details: { path },
        cause: error,
      });
    case IO_ERROR:
      return new MolnError('SQLITE_IO', `The disk failed to read or write "${path}"`, {
        hint: 'Check the disk with "dmesg"; what was acknowledged before is kept',
        retryable: true,
        details: { path },
        cause: error,
      });
    case CORRUPT:
    case NOT_A_DATABASE:
      return damaged(path, 'its contents are not those of a SQLite database', error);
    default:
      return error;
  }
}

export function damaged(path: string, what: string, cause?: unknown): MolnError {
  return new MolnError('SQLITE_CORRUPT', `"${path}" is damaged: ${what}`, {
    hint: 'Move the file away and put a backup in its place; do not delete it before',
    details: { path },
    ...(cause === undefined ? {} : { cause }),
  });
}
