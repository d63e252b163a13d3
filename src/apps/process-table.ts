/** Reads `/proc`: who is whose child, which processes belong to an instance, what they use. Linux only. */
import { readdirSync, readFileSync } from 'node:fs';
import { systemCode } from '../base/errors.ts';
import type { ProcessId } from '../base/process-id.ts';

const PAGE_BYTES = 4096;

export interface ProcessRow extends ProcessId {
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  readonly memoryBytes: number;
}

/** Files of a process that ends while we look, or that belongs to somebody else, read as undefined. */
function readProc(pid: number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT' || code === 'ESRCH' || code === 'EACCES' || code === 'EPERM') {
      return undefined;
    }
    throw error;
  }
}

/** One row of the table (proc_pid_stat(5)), or undefined when it has ended; a zombie has. */
export function processRow(pid: number): ProcessRow | undefined {
  const stat = readProc(pid, 'stat');
  if (stat === undefined) return undefined;
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
  return {
    pid,
    parent: Number(fields[1]),
    group: Number(fields[2]),
    session: Number(fields[3]),
    startTicks: Number(fields[19]),
    memoryBytes: Number(fields[21]) * PAGE_BYTES,
  };
}

/** Every living process that this user can see. */
export function processTable(): ProcessRow[] {
  const rows: ProcessRow[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const row = processRow(Number(name));
    if (row !== undefined) rows.push(row);
  }
  return rows;
}

/** The process and all its descendants; empty when it is gone. */
export function descendants(table: readonly ProcessRow[], root: ProcessId): ProcessRow[] {
  const found = table.filter((row) => row.pid === root.pid && row.startTicks === root.startTicks);
  for (const known of found) found.push(...table.filter((row) => row.parent === known.pid));
  return found;
}

/** The environment a process was started with, or undefined when it may not be read. */
export function environmentOf(pid: number): ReadonlyMap<string, string> | undefined {
  const text = readProc(pid, 'environ');
  if (text === undefined || text === '') return undefined;
  const entries = text.split('\0').map((line): [string, string] => {
    const at = line.indexOf('=');
    return [line.slice(0, at), line.slice(at + 1)];
  });
  return new Map(entries);
}

/** True when the process has a handler for the signal (`SigCgt` of proc_pid_status(5)). */
export function catchesSignal(pid: number, signal: number): boolean {
  const mask = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readProc(pid, 'status') ?? '')?.[1];
  return mask !== undefined && ((BigInt(`0x${mask}`) >> BigInt(signal - 1)) & 1n) === 1n;
}

/** Names a command that somebody runs inside an instance. */
export const COMMAND_TAG = 'MOLN_COMMAND';

export interface TaggedProcess extends ProcessRow {
  readonly instance: string;
  /** It belongs to a command that somebody ran inside the instance. */
  readonly command: boolean;
  /** Real uid. */
  readonly uid: number;
}

/**
 * Living processes that were started for an app of the node whose apps lie in `appsFolder`, by what the
 * agent put into their environment. The oldest first.
 */
export function taggedProcesses(appsFolder: string): TaggedProcess[] {
  const tagged: TaggedProcess[] = [];
  for (const row of processTable()) {
    const env = environmentOf(row.pid);
    const instance = env?.get('MOLN_INSTANCE');
    const data = env?.get('MOLN_DATA_DIR');
    if (instance === undefined || data?.startsWith(`${appsFolder}/`) !== true) continue;
    tagged.push({ ...row, instance, command: env?.has(COMMAND_TAG) === true, uid: uidOf(row.pid) });
  }
  return tagged.sort((a, b) => a.startTicks - b.startTicks || a.pid - b.pid);
}

function uidOf(pid: number): number {
  return Number(/^Uid:\s*(\d+)/m.exec(readProc(pid, 'status') ?? '')?.[1] ?? -1);
}

/** Living processes of one command. */
export function processesOfCommand(tag: string): ProcessRow[] {
  return processTable().filter((row) => environmentOf(row.pid)?.get(COMMAND_TAG) === tag);
}

/** Living processes started for one instance; its id is unique, so the node does not matter. */
export function processesOfInstance(instance: string): ProcessRow[] {
  return processTable().filter((row) => environmentOf(row.pid)?.get('MOLN_INSTANCE') === instance);
}
