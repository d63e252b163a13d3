/**
 * Applies migrations, each in one transaction, each once: whoever enters its name first does it, and instances that start
 * at the same time wait for each other there. A database that knows more migrations than this release is left as it is.
 */
import { MolnError, messageOf } from '../base/errors.ts';
import { isoTime, systemClock } from '../base/time.ts';
import type { Database } from './sql.ts';

/** One file of `migrations/`, in the order of the names. */
export interface Migration {
  /** The file's name without `.sql`. */
  readonly name: string;
  readonly up: string;
  /** Undefined when the file says that there is no way back. */
  readonly down: string | undefined;
}

const TABLE =
  'CREATE TABLE IF NOT EXISTS moln_migrations (name TEXT PRIMARY KEY, applied_at TEXT NOT NULL)';
/** Alone on its line, it begins the way back. */
const DOWN_MARK = /^--[ \t]*down[ \t]*$/im;
/** Another instance may be in the middle of it. */
const ATTEMPTS = 20;
const PAUSE_MS = 500;

/** Reads the text of a migration file. */
export function readMigration(name: string, text: string): Migration {
  const [up = '', down] = text.split(DOWN_MARK, 2);
  return {
    name,
    up: up.trim(),
    down: down === undefined || isBlank(down) ? undefined : down.trim(),
  };
}

/** Names of those that this database has, the oldest first; `among`: only these are of interest, which is sooner answered. */
export async function appliedMigrations(
  database: Database,
  among?: readonly string[],
): Promise<readonly string[]> {
  // Making what is there would be a change of the schema all the same, which all writers wait for.
  const made = await database.run({
    sql: "SELECT 1 AS n FROM sqlite_master WHERE type = 'table' AND name = 'moln_migrations'",
    args: [],
  });
  if (made.rows.length === 0) {
    await database.script(TABLE);
    // Whatever another instance enters meanwhile, it enters but once.
    return [];
  }
  // All of a table is read in a process that the database has to start first; rows by their keys are not.
  const those = among === undefined ? '' : `WHERE name IN (${among.map(() => '?').join(', ')})`;
  const { rows } = await database.run({
    sql: `SELECT name FROM moln_migrations ${those} ORDER BY name`,
    args: among ?? [],
  });
  return rows.map(({ name }) => String(name));
}

/** Applies what is missing; gives the names. Throws `WEB_MIGRATION_FAILED`, and nothing of that migration is left. */
export async function migrate(
  database: Database,
  migrations: readonly Migration[],
): Promise<readonly string[]> {
  const names = migrations.map(({ name }) => name);
  const applied = new Set(await appliedMigrations(database, names));
  const done: string[] = [];
  for (const migration of migrations) {
    if (applied.has(migration.name)) continue;
    if (await applyOnce(database, migration)) done.push(migration.name);
  }
  return done;
}

/** Takes the newest one back; gives its name, or undefined when there is none. */
export async function rollback(
  database: Database,
  migrations: readonly Migration[],
): Promise<string | undefined> {
  const newest = (await appliedMigrations(database)).at(-1);
  if (newest === undefined) return undefined;
  const migration = migrations.find(({ name }) => name === newest);
  if (migration?.down === undefined) {
    throw new MolnError('WEB_NO_WAY_BACK', `Migration "${newest}" cannot be taken back`, {
      hint:
        migration === undefined
          ? `Its file migrations/${newest}.sql is not here`
          : `Write the way back below a line "-- down" in migrations/${newest}.sql`,
    });
  }
  const { down } = migration;
  await database.transaction(async (connection) => {
    await connection.run({ sql: 'DELETE FROM moln_migrations WHERE name = ?', args: [newest] });
    if (!isBlank(down)) await connection.script(down);
  });
  return newest;
}

/** True when it was done here, false when somebody else has done it. */
async function applyOnce(database: Database, migration: Migration): Promise<boolean> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await database.transaction(async (connection) => {
        const at = isoTime(systemClock.now());
        const { changes } = await connection.run({
          sql: 'INSERT OR IGNORE INTO moln_migrations (name, applied_at) VALUES (?, ?)',
          args: [migration.name, at],
        });
        if (changes === 0) return false;
        if (!isBlank(migration.up)) await connection.script(migration.up);
        return true;
      });
    } catch (error) {
      if (attempt < ATTEMPTS && isBusy(error)) {
        await systemClock.sleep(PAUSE_MS);
        continue;
      }
      throw new MolnError(
        'WEB_MIGRATION_FAILED',
        `Migration "${migration.name}" failed: ${messageOf(error)}`,
        {
          hint: `Mend migrations/${migration.name}.sql; the database is as it was before`,
          cause: error,
        },
      );
    }
  }
}

/** Somebody else holds the database, which is what the lock is for. */
function isBusy(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return /^SQLITE_(?:BUSY|LOCKED)|^DATABASE_(?:SCHEMA_CHANGED|NOT_PRIMARY|NOT_COMMITTED)|^WEB_DATABASE_AWAY/.test(
    code,
  );
}

function isBlank(sql: string): boolean {
  return sql.replace(/--.*$/gm, '').trim() === '';
}
