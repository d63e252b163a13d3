/** The framework's own tables in the app's database: made when they are missing, the same on every instance. */
import { MolnError } from '../base/errors.ts';
import { randomId } from '../base/ids.ts';
import { systemClock } from '../base/time.ts';
import { JOB_TABLES } from './jobs.ts';
import { CHANGES_TABLE } from './live.ts';
import { type Database, theConnection } from './sql.ts';

const TABLES: readonly string[] = [
  ...JOB_TABLES,
  CHANGES_TABLE,
  'CREATE TABLE IF NOT EXISTS moln_settings (name TEXT PRIMARY KEY, value TEXT NOT NULL)',
  'CREATE TABLE IF NOT EXISTS moln_limits (name TEXT PRIMARY KEY, count INTEGER NOT NULL, until INTEGER NOT NULL)',
];
const SECRET_CHARACTERS = 52;
/** How often counts that are over are thrown away. */
const SWEEP_MS = 60_000;
let sweptMs = 0;

/** Makes those that are missing. */
export async function makeOwnTables(database: Database): Promise<void> {
  const { rows } = await database.run({
    sql: "SELECT name FROM sqlite_master WHERE name LIKE 'moln!_%' ESCAPE '!'",
    args: [],
  });
  const there = new Set(rows.map(({ name }) => name));
  const missing = TABLES.filter((sql) => !there.has(/EXISTS (\w+)/.exec(sql)?.[1] ?? ''));
  if (missing.length > 0) await database.script(missing.join(';\n'));
}

/** What sessions are signed with: made by the first instance, the same for all, kept in the database. */
export async function sharedSecret(database: Database): Promise<string> {
  const args = ['session_secret', randomId(SECRET_CHARACTERS)];
  await database.run({
    sql: 'INSERT OR IGNORE INTO moln_settings (name, value) VALUES (?, ?)',
    args,
  });
  const { rows } = await database.run({
    sql: 'SELECT value FROM moln_settings WHERE name = ?',
    args: ['session_secret'],
  });
  return String(rows[0]?.['value']);
}

/**
 * Counts one more of `name`, over all instances. Throws `WEB_TOO_MANY`, which visitors see as 429, when there were more than `times`
 * within `seconds`.
 */
export async function limitRate(
  name: string,
  limit: { readonly times: number; readonly seconds: number },
): Promise<void> {
  const nowMs = systemClock.now();
  const until = nowMs + limit.seconds * 1000;
  const { rows } = await theConnection().run({
    sql:
      'INSERT INTO moln_limits (name, count, until) VALUES (?, 1, ?) ON CONFLICT (name) DO UPDATE SET ' +
      'count = CASE WHEN until < ? THEN 1 ELSE count + 1 END, until = CASE WHEN until < ? THEN ? ELSE until END ' +
      'RETURNING count, until',
    args: [name, until, nowMs, nowMs, until],
  });
  if (nowMs - sweptMs > SWEEP_MS) {
    sweptMs = nowMs;
    await theConnection().run({ sql: 'DELETE FROM moln_limits WHERE until < ?', args: [nowMs] });
  }
  const [row] = rows;
  if (row === undefined || Number(row['count']) <= limit.times) return;
  const seconds = Math.max(1, Math.ceil((Number(row['until']) - nowMs) / 1000));
  throw new MolnError('WEB_TOO_MANY', `Too many attempts: try again in ${seconds} s`, {
    retryable: true,
    details: { seconds },
  });
}
