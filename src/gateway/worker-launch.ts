/** Starts a gateway worker as a process of its own session, which outlives the agent. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import {
  codeCacheEnvironment,
  fillCodeCache,
  loadCode,
  type LoadedCode,
} from '../base/code-cache.ts';
import { MolnError } from '../base/errors.ts';
import { processId, type ProcessId } from '../base/process-id.ts';
import { GATEWAY_WORKER_FAILED } from './errors.ts';
import { workerPaths, type WorkerFolders } from './worker-record.ts';

export const WORKER_ENTRY: string = fileURLToPath(new URL('./gateway-main.ts', import.meta.url));

/** Crash output beyond it is cut off at the next start. */
const OUTPUT_BYTES_MAX = 1024 * 1024;

/** In MiB. Nearly all that a request needs dies young; a larger young generation is not faster, but costs 20 MiB of memory. */
export const WORKER_NODE_FLAGS: readonly string[] = ['--max-semi-space-size=4'];

/** So that workers find what they are made of compiled. `code`: see `codeOf`. */
export async function warmUp(folders: WorkerFolders, code: string): Promise<void> {
  await fillCodeCache('gateway', code, wordsToLoad(folders));
}

/** Loads what is on disk as a worker would, in a process of its own; answers what is wrong with it. */
export function loadWorker(folders: WorkerFolders): Promise<string | undefined> {
  return loadCode(wordsToLoad(folders));
}

function wordsToLoad({ runFolder, logFolder }: WorkerFolders): LoadedCode {
  return {
    runFolder,
    words: [...WORKER_NODE_FLAGS, WORKER_ENTRY, runFolder, logFolder, 'warm-up'],
  };
}

/** `code`: what is on disk, see `codeOf`; the process says in its record that it runs that. */
export async function launchWorker(
  folders: WorkerFolders,
  slot: number,
  code: string,
): Promise<ProcessId> {
  const output = await open(workerPaths(folders, slot).output, 'a', 0o600);
  try {
    if ((await output.stat()).size > OUTPUT_BYTES_MAX) await output.truncate(0);
    const child = spawn(
      process.execPath,
      [
        ...WORKER_NODE_FLAGS,
        WORKER_ENTRY,
        folders.runFolder,
        folders.logFolder,
        String(slot),
        code,
      ],
      {
        detached: true,
        cwd: '/',
        env: codeCacheEnvironment(folders.runFolder),
        stdio: ['ignore', output.fd, output.fd],
      },
    );
    await once(child, 'spawn');
    child.unref();
    const id = child.pid === undefined ? undefined : processId(child.pid);
    if (id === undefined) throw new Error('The process ended at once');
    return id;
  } catch (error) {
    throw new MolnError(GATEWAY_WORKER_FAILED, `Cannot start gateway worker ${slot}`, {
      hint: `Read ${workerPaths(folders, slot).output}`,
      cause: error,
    });
  } finally {
    await output.close();
  }
}
