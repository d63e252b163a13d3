/**
 * The door of the sqlite part: open, migrate, prepare, transaction. Nobody else imports `node:sqlite`, but `src/database`, which
 * needs its sessions and its authorizer.
 */
export {
  type Database,
  openDatabase,
  type OpenOptions,
  type SqlValue,
  type Statement,
  transaction,
} from './database.ts';
export { sqliteResultCode } from './errors.ts';
export { migrate, type MigrateOptions, type Migration } from './migrations.ts';
export {
  type Access,
  ACCESS,
  type MemoryColumn,
  MemoryDatabase,
  type MemoryStatement,
  type SqlRow,
} from './memory.ts';
export { PlainFile } from './plain-file.ts';
export { type Scan, scanStatement } from './placeholders.ts';
export { liftLiterals, type Split, splitStatements } from './statements.ts';
