/** How many calls of the disk a process has under way at once. */

/** Node's own four are soon all in a sync, and then nothing else is written. */
const THREADS = '8';

/** For a process whose work is the disk, before it has opened its first file: then they are made. What its environment says goes before. */
export function useDiskThreads(environment: NodeJS.ProcessEnv): void {
  environment['UV_THREADPOOL_SIZE'] ??= THREADS;
}
