/** The database of an app on this machine: what `moln dev` uses, or the one that `DATABASE_URL` names; its migrations. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  appliedMigrations,
  type Database,
  HranaDatabase,
  migrate,
  rollback,
  SqliteDatabase,
} from '../web/web.ts';
import { loadParts } from './load.ts';
import { pendingChange, refusePending } from './migrations.ts';
import type { SchemaChange } from './schema.ts';

export async function openAppDatabase(root: string, url: string | undefined): Promise<Database> {
  if (url !== undefined && url !== '') return new HranaDatabase(url);
  await mkdir(join(root, '.moln'), { recursive: true });
  return new SqliteDatabase(join(root, '.moln', 'dev.sqlite'));
}

export interface MigrationPlan {
  readonly applied: readonly string[];
  /** SQL by name, of files that this database has not seen. */
  readonly waiting: readonly { readonly name: string; readonly sql: string }[];
  /** What the models want beyond all files. */
  readonly unwritten: SchemaChange | undefined;
}

export async function planMigrations(
  root: string,
  url: string | undefined,
): Promise<MigrationPlan> {
  const parts = await loadParts(root, 'models');
  await using database = await openAppDatabase(root, url);
  const applied = await appliedMigrations(database);
  const waiting = parts.migrations.filter(({ name }) => !applied.includes(name));
  return {
    applied,
    waiting: waiting.map(({ name, up }) => ({ name, sql: up })),
    unwritten: pendingChange(parts),
  };
}

/** Applies what waits; gives the names. */
export async function applyMigrations(
  root: string,
  url: string | undefined,
): Promise<readonly string[]> {
  const parts = await loadParts(root, 'models');
  refusePending(parts);
  await using database = await openAppDatabase(root, url);
  return await migrate(database, parts.migrations);
}

/** Takes the newest back; gives its name. */
export async function rollbackMigration(
  root: string,
  url: string | undefined,
): Promise<string | undefined> {
  const parts = await loadParts(root, 'models');
  await using database = await openAppDatabase(root, url);
  return await rollback(database, parts.migrations);
}
