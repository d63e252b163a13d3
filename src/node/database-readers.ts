/** Where databases are used: by the apps that have them, wherever those run. */
import type { Apps } from '../apps/apps.ts';
import { databaseOfApp } from '../databases/databases.ts';

/** Ids of nodes, by the database's name. */
export async function databaseReaders(
  apps: Pick<Apps, 'placed'>,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const readers = new Map<string, readonly string[]>();
  for (const { app, nodes } of await apps.placed()) {
    const database = databaseOfApp(app.name, app.env);
    if (database === undefined || app.secretNames.includes('DATABASE_URL')) continue;
    readers.set(database, [...new Set([...(readers.get(database) ?? []), ...nodes])]);
  }
  return readers;
}
