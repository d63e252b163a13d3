/** Starts a gateway worker as a process of its own session, which outlives the agent. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { MolnError } from '../base/errors.ts';
import { processId, type ProcessId } from '../base/process-id.ts';
import { GATEWAY_WORKER_FAILED } from './errors.ts';
import { workerPaths, type WorkerFolders } from './worker-record.ts';

export const WORKER_ENTRY: string = fileURLToPath(new URL('./gateway-main.ts', import.meta.url));

/** Crash output beyond it is cut off at the next start. */
const OUTPUT_BYTES_MAX = 1024 * 1024;

/**
 * Requests live for milliseconds: a larger young generation lets nearly all of their memory die there, which
 * is measured in docs/benchmarks.md.
 */
export const WORKER_NODE_FLAGS: readonly string[] = ['--max-semi-space-size=32'];

export async function launchWorker(folders: WorkerFolders, slot: number): Promise<ProcessId> {
  const output = await open(workerPaths(folders, slot).output, 'a', 0o600);
  try {
    if ((await output.stat()).size > OUTPUT_BYTES_MAX) await output.truncate(0);
    const child = spawn(
      process.execPath,
      [...WORKER_NODE_FLAGS, WORKER_ENTRY, folders.runFolder, folders.logFolder, String(slot)],
      { detached: true, cwd: '/', stdio: ['ignore', output.fd, output.fd] },
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
