/**
 * Names a process so that a recycled pid is never mistaken for it: pid and kernel start time.
 * Linux only (`/proc`).
 */
import { readFileSync } from 'node:fs';
import { systemCode } from './errors.ts';

/** `startTicks`: field 22 of `/proc/PID/stat`, clock ticks since boot. */
export interface ProcessId {
  readonly pid: number;
  readonly startTicks: number;
}

/** The identity of a living process, or undefined when there is none (a zombie counts as none). */
export function processId(pid: number): ProcessId | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
  }
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const startTicks = Number(fields[19]);
  if (fields[0] === 'Z' || fields[0] === 'X' || !Number.isSafeInteger(startTicks)) return undefined;
  return { pid, startTicks };
}

export function isRunning(id: ProcessId): boolean {
  return processId(id.pid)?.startTicks === id.startTicks;
}

/** Sends a signal if the very same process still runs; false when it is gone. */
export function signalProcess(id: ProcessId, signal: NodeJS.Signals, group = false): boolean {
  if (!isRunning(id)) return false;
  try {
    process.kill(group ? -id.pid : id.pid, signal);
    return true;
  } catch (error) {
    if (systemCode(error) === 'ESRCH') return false;
    throw error;
  }
}
