/** Finds every process that belongs to a data folder, whoever started it: the leak check rests on this. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

export interface SeenProcess {
  readonly pid: number;
  readonly command: string;
}

/** Living processes with the folder in their command line, environment or working folder. */
export function processesOf(folder: string): readonly SeenProcess[] {
  const found: SeenProcess[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    const command = read(() => readFileSync(`/proc/${name}/cmdline`, 'utf8'));
    const environ = read(() => readFileSync(`/proc/${name}/environ`, 'utf8'));
    const cwd = read(() => readlinkSync(`/proc/${name}/cwd`));
    // A zombie has neither a command line nor anything to hold on to.
    if (command === '') continue;
    if (![command, environ, cwd].some((text) => text.includes(folder))) continue;
    found.push({ pid: Number(name), command: command.replaceAll('\0', ' ').trim() });
  }
  return found;
}

/** Ends them all at once, with their children; those that are gone already do not matter. */
export function killProcesses(processes: readonly SeenProcess[]): void {
  for (const { pid } of processes) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
    }
  }
}

function read(get: () => string): string {
  try {
    return get();
  } catch {
    // Gone in the meantime, or another user's: not one of ours either way.
    return '';
  }
}
