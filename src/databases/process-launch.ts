/** Starts a process of a node in a session of its own: it outlives the agent. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { codeCacheEnvironment, fillCodeCache } from '../base/code-cache.ts';
import { processId, type ProcessId } from '../base/process-id.ts';
import { messageOf } from '../base/errors.ts';
import { startFailed } from './errors.ts';
import type { ProcessKind } from './process-kind.ts';
import type { DatabaseFolders } from './process-record.ts';

/** Crash output beyond it is cut off at the next start. */
const OUTPUT_BYTES_MAX = 1024 * 1024;

/** `code`: what is on disk, see `codeOf`. */
export async function launchProcess(
  kind: ProcessKind,
  folders: DatabaseFolders,
  code: string,
): Promise<ProcessId> {
  const { folder, runFolder, logFolder } = folders;
  const { output: path } = kind.paths(folders);
  const output = await open(path, 'a', 0o600);
  try {
    if ((await output.stat()).size > OUTPUT_BYTES_MAX) await output.truncate(0);
    const words = (last: string): readonly string[] => [
      kind.entry,
      folder,
      runFolder,
      logFolder,
      last,
      ...kind.words,
    ];
    await fillCodeCache(kind.name.replace(' ', '-'), code, { runFolder, words: words('warm-up') });
    const child = spawn(process.execPath, words(code), {
      detached: true,
      cwd: '/',
      env: codeCacheEnvironment(runFolder),
      stdio: ['ignore', output.fd, output.fd],
    });
    await once(child, 'spawn');
    child.unref();
    const id = child.pid === undefined ? undefined : processId(child.pid);
    if (id === undefined) throw new Error('the process ended at once');
    return id;
  } catch (error) {
    throw startFailed(kind.name, path, messageOf(error));
  } finally {
    await output.close();
  }
}
