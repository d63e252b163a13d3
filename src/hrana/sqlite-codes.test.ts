import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sqliteCodeName } from './sqlite-codes.ts';

/** Numbers from https://sqlite.org/rescode.html. */
test('codes have the names that SQLite gives them', () => {
  for (const [code, name] of [
    [1, 'SQLITE_ERROR'],
    [5, 'SQLITE_BUSY'],
    [8, 'SQLITE_READONLY'],
    [25, 'SQLITE_RANGE'],
    [26, 'SQLITE_NOTADB'],
    [261, 'SQLITE_BUSY_RECOVERY'],
    [517, 'SQLITE_BUSY_SNAPSHOT'],
    [516, 'SQLITE_ABORT_ROLLBACK'],
    [275, 'SQLITE_CONSTRAINT_CHECK'],
    [787, 'SQLITE_CONSTRAINT_FOREIGNKEY'],
    [1299, 'SQLITE_CONSTRAINT_NOTNULL'],
    [1555, 'SQLITE_CONSTRAINT_PRIMARYKEY'],
    [1811, 'SQLITE_CONSTRAINT_TRIGGER'],
    [2067, 'SQLITE_CONSTRAINT_UNIQUE'],
    [2579, 'SQLITE_CONSTRAINT_ROWID'],
    [3091, 'SQLITE_CONSTRAINT_DATATYPE'],
    [266, 'SQLITE_IOERR_READ'],
    [3338, 'SQLITE_IOERR_ACCESS'],
    [8714, 'SQLITE_IOERR_IN_PAGE'],
    [1544, 'SQLITE_READONLY_DIRECTORY'],
    [1550, 'SQLITE_CANTOPEN_SYMLINK'],
    [257, 'SQLITE_ERROR_MISSING_COLLSEQ'],
    [99 * 256 + 19, 'SQLITE_CONSTRAINT'],
    [200, 'SQLITE_UNKNOWN'],
  ] as const) {
    assert.equal(sqliteCodeName(code), name, String(code));
  }
});
