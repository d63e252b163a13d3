/** How an app finds its database: what is in its environment. */
import { readTextIfAny } from '../base/disk.ts';
import type { Collection } from '../registry/registry.ts';
import { type DatabaseFolders, processPaths } from './process-record.ts';
import { databaseOfApp, type DatabaseRecord } from './records.ts';
import type { TokenKeys } from './token-keys.ts';
import { makeToken } from './tokens.ts';

/**
 * Of the database that an app's settings name (`DATABASE_NAME`), or the one of its own name. Empty when there is none, when they say where its database
 * is, and while the process of this node has no door yet.
 */
export async function environmentOf(
  app: string,
  settings: Readonly<Record<string, string>>,
  {
    records,
    keys,
    folders,
  }: {
    readonly records: Collection<DatabaseRecord>;
    readonly keys: TokenKeys;
    readonly folders: DatabaseFolders;
  },
): Promise<Readonly<Record<string, string>>> {
  const name = databaseOfApp(app, settings);
  const found = name === undefined ? undefined : await records.get(name);
  const { port: portFile, appSocket } = processPaths(folders);
  const port = Number(await readTextIfAny(portFile));
  if (found === undefined || !(port > 0)) return {};
  const grant = { name: `app ${app}`, readOnly: false, expiresAt: undefined };
  const token = makeToken(keys.of(found.value), grant);
  const url = `http://127.0.0.1:${port}/db/${name}/?authToken=${token}`;
  return { DATABASE_URL: url, DATABASE_SOCKET: appSocket };
}
