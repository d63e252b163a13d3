/** Folders that workers keep their caches in, below one that they share; see `CacheRoom`. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { GatewayConfig } from './config.ts';
import { workerPaths, type WorkerFolders } from './worker-record.ts';

/** Of a worker that has ended, and whose slot nobody has. */
export async function removeCacheOf(
  slot: number,
  { cache }: Pick<GatewayConfig, 'cache'>,
  folders: WorkerFolders,
): Promise<void> {
  if (cache?.disk === undefined) return;
  const path = join(cache.disk.path, workerPaths(folders, slot).name);
  await rm(path, { recursive: true, force: true });
}
