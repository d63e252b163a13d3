/** Which process runs the gateway of a file, for whoever wants to tell it something: `run.json` in its folder. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { readTextIfAny, writeFileAtomic } from '../base/disk.ts';
import { isRunning, processId, type ProcessId } from '../base/process-id.ts';

interface StandaloneRecord {
  readonly format: 1;
  readonly process: ProcessId;
}

function pathOf(folder: string): string {
  return join(folder, 'run.json');
}

export async function writeStandaloneRecord(folder: string): Promise<void> {
  const self = processId(process.pid);
  if (self === undefined) throw new Error('This process is not in /proc');
  const record: StandaloneRecord = { format: 1, process: self };
  await writeFileAtomic(pathOf(folder), `${JSON.stringify(record)}\n`);
}

export async function removeStandaloneRecord(folder: string): Promise<void> {
  await rm(pathOf(folder), { force: true });
}

/** Undefined when none runs. */
export async function runningStandalone(folder: string): Promise<ProcessId | undefined> {
  const text = await readTextIfAny(pathOf(folder));
  if (text === undefined) return undefined;
  const { process: id } = JSON.parse(text) as StandaloneRecord;
  return isRunning(id) ? id : undefined;
}
