/** Starts the database process in a session of its own: it outlives the agent. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { processId, type ProcessId } from '../base/process-id.ts';
import { messageOf } from '../base/errors.ts';
import { startFailed } from './errors.ts';
import { type DatabaseFolders, processPaths } from './process-record.ts';

const ENTRY: string = fileURLToPath(new URL('./database-main.ts', import.meta.url));
/** Crash output beyond it is cut off at the next start. */
const OUTPUT_BYTES_MAX = 1024 * 1024;

/** `code`: what is on disk, see `codeOf`. */
export async function launchProcess(folders: DatabaseFolders, code: string): Promise<ProcessId> {
  const { folder, runFolder, logFolder } = folders;
  const { output: path } = processPaths(folders);
  const output = await open(path, 'a', 0o600);
  try {
    if ((await output.stat()).size > OUTPUT_BYTES_MAX) await output.truncate(0);
    const words = [ENTRY, folder, runFolder, logFolder, code];
    const child = spawn(process.execPath, words, {
      detached: true,
      cwd: '/',
      stdio: ['ignore', output.fd, output.fd],
    });
    await once(child, 'spawn');
    child.unref();
    const id = child.pid === undefined ? undefined : processId(child.pid);
    if (id === undefined) throw new Error('the process ended at once');
    return id;
  } catch (error) {
    throw startFailed(path, messageOf(error));
  } finally {
    await output.close();
  }
}
