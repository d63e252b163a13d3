/** Errors that the planner raises in SQLite's place: same words, same codes, same shape as `node:sqlite` gives. */

export interface SqliteFailure extends Error {
  readonly code: 'ERR_SQLITE_ERROR';
  readonly errcode: number;
  readonly errstr: string;
}

export function sqliteFailure(message: string): SqliteFailure {
  return Object.assign(new Error(message), {
    code: 'ERR_SQLITE_ERROR',
    errcode: 1,
    errstr: 'SQL logic error',
  } as const);
}
