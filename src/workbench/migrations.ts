/** The files of `migrations/`: written from what the models want, applied, taken back. */
import { MolnError } from '../base/errors.ts';
import { isoTime } from '../base/time.ts';
import type { AppParts } from '../web/web.ts';
import { listApp } from './app-folder.ts';
import { writeNew } from './new-files.ts';
import { migratedSchema, schemaChange, type SchemaChange, wantedSchema } from './schema.ts';

/** What the models want beyond what the migrations make; undefined when that is nothing. */
export function pendingChange(parts: AppParts): SchemaChange | undefined {
  return schemaChange(migratedSchema(parts.migrations), wantedSchema(parts.models));
}

/** Throws `WORKBENCH_NOT_MIGRATED` when models and migrations say different things. */
export function refusePending(parts: AppParts): void {
  const change = pendingChange(parts);
  if (change === undefined) return;
  throw new MolnError(
    'WORKBENCH_NOT_MIGRATED',
    `The models want what no migration makes: ${change.name.replaceAll('_', ' ')}`,
    {
      hint: 'Write it with "moln generate migration"',
      details: { sql: change.up.join('\n') },
    },
  );
}

/** Throws `WORKBENCH_LOSES_DATA` unless that was allowed. */
export function refuseLoss(change: SchemaChange, isAllowed: boolean): void {
  if (change.loses.length === 0 || isAllowed) return;
  throw new MolnError(
    'WORKBENCH_LOSES_DATA',
    `This migration would lose data: ${change.loses.join(', ')}`,
    {
      hint: 'Repeat with --allow-loss; for another name write ALTER TABLE … RENAME COLUMN by hand: "moln generate migration NAME --empty"',
      details: { sql: change.up.join('\n') },
    },
  );
}

export function migrationText(change: SchemaChange): string {
  return `${change.up.join('\n')}\n\n-- down\n${change.down.join('\n')}\n`;
}

/** Writes the file; gives its path from the app's folder. `nowMs` is the first part of its name. */
export async function writeMigration(
  root: string,
  name: string,
  text: string,
  nowMs: number,
): Promise<string> {
  if (!/^[a-z][a-z0-9_]{0,80}$/.test(name)) {
    throw new MolnError('WORKBENCH_BAD_NAME', `"${name}" cannot be the name of a migration`, {
      hint: 'Write it in lower case with _, such as add_slug_to_posts',
    });
  }
  // The order of the names is the order in which they are applied: two in one second must not change places.
  const newest = Object.keys(listApp(root).migrations).at(-1)?.slice(0, 14) ?? '';
  const now = isoTime(nowMs).replace(/\D/g, '').slice(0, 14);
  const stamp = newest >= now && /^\d{14}$/.test(newest) ? String(Number(newest) + 1) : now;
  const path = `migrations/${stamp}_${name}.sql`;
  await writeNew(root, { [path]: text });
  return path;
}
