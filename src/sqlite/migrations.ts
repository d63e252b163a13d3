/** Brings a file to the newest format, step by step, and refuses what it does not know. */
import { basename } from 'node:path';
import { MolnError } from '../base/errors.ts';
import { transaction, type Database } from './database.ts';

/** One step from format n to n + 1: SQL, or a function for what SQL cannot say. */
export type Migration = string | ((db: Database) => void);

export interface MigrateOptions {
  /** Kept in the file (`application_id`), so that one kind of file is never taken for another. */
  readonly application: { readonly id: number; readonly name: string };
  /** `migrations[0]` makes format 1 of an empty file. Never change one that was released; append. */
  readonly migrations: readonly Migration[];
}

/**
 * Runs the missing steps, each in a transaction of its own with its number, so that a crash leaves a file of
 * one format or the other. Throws `SQLITE_TOO_NEW` and `SQLITE_FOREIGN` without touching the file.
 */
export function migrate(db: Database, options: MigrateOptions): void {
  const { application, migrations } = options;
  const name = basename(db.path);
  const id = Number(db.pragma('application_id'));
  const version = Number(db.pragma('user_version'));
  const isNew = id === 0 && version === 0 && tableCount(db) === 0;
  if (!isNew && id !== application.id) {
    throw new MolnError('SQLITE_FOREIGN', `"${db.path}" is not a ${application.name} of Moln`, {
      hint: 'Move the file away, or choose another folder with --data DIR',
      details: { path: db.path },
    });
  }
  if (version > migrations.length) {
    throw new MolnError(
      'SQLITE_TOO_NEW',
      `"${name}" was written by a newer Moln (format ${version}, this one knows up to ${migrations.length})`,
      {
        hint: 'Start the Moln that wrote it, or choose another folder with --data DIR',
        details: { path: db.path, format: version, known: migrations.length },
      },
    );
  }
  for (const [index, migration] of migrations.entries()) {
    if (index < version) continue;
    transaction(db, () => {
      if (typeof migration === 'string') db.exec(migration);
      else migration(db);
      db.exec(`PRAGMA application_id = ${application.id}; PRAGMA user_version = ${index + 1}`);
    });
  }
}

function tableCount(db: Database): number {
  return db.prepare<{ n: number }>('SELECT count(*) AS n FROM sqlite_schema').get()?.n ?? 0;
}
