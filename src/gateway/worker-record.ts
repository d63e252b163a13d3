/**
 * Names and records of gateway workers on disk. A worker writes its record itself, before it answers on its socket, so
 * that there is no moment at which a living worker is unknown.
 */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { readTextIfAny, writeFileAtomic } from '../base/disk.ts';
import { isRunning, type ProcessId } from '../base/process-id.ts';

/** `gateway-<slot>.json`, format 1. */
export interface WorkerRecord {
  readonly format: 1;
  readonly process: ProcessId;
  /** `CONTROL_PROTOCOL` of the worker. */
  readonly protocol: number;
  /** It drains and takes no config any more. */
  readonly leaving?: boolean;
  /** What it runs, see `codeOf`; absent before Moln said so. */
  readonly code?: string;
}

export interface WorkerFolders {
  /** For sockets and records; the owner alone may enter it. */
  readonly runFolder: string;
  readonly logFolder: string;
}

export interface WorkerPaths {
  /** Tells its files from those of other workers. */
  readonly name: string;
  readonly socket: string;
  readonly record: string;
  /** Where a successor takes over its listening sockets. */
  readonly handover: string;
  /** Where other gateway processes ask about the cache. */
  readonly questions: string;
  /** Structured log of the worker. */
  readonly log: string;
  /** What a crash prints. */
  readonly output: string;
  readonly accessLog: string;
  /** The same in the combined format. */
  readonly combinedLog: string;
}

/** `slot` counts from 1. */
export function workerPaths(folders: WorkerFolders, slot: number): WorkerPaths {
  return {
    name: `gateway-${slot}`,
    socket: join(folders.runFolder, `gateway-${slot}.sock`),
    record: join(folders.runFolder, `gateway-${slot}.json`),
    handover: join(folders.runFolder, `gateway-${slot}.give`),
    questions: join(folders.runFolder, `gateway-${slot}.ask`),
    log: join(folders.logFolder, `gateway-${slot}.jsonl`),
    output: join(folders.logFolder, `gateway-${slot}.out`),
    accessLog: join(folders.logFolder, `access-${slot}.jsonl`),
    combinedLog: join(folders.logFolder, `access-${slot}.log`),
  };
}

export async function writeWorkerRecord(path: string, record: WorkerRecord): Promise<void> {
  await writeFileAtomic(path, `${JSON.stringify(record)}\n`);
}

/** Undefined when there is none, or none that can be read: such a worker is unknown. */
export async function readWorkerRecord(path: string): Promise<WorkerRecord | undefined> {
  const text = await readTextIfAny(path);
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  return isRecord(value) ? value : undefined;
}

function isRecord(value: unknown): value is WorkerRecord {
  const record = value as Partial<WorkerRecord> | null;
  return (
    typeof record === 'object' &&
    record !== null &&
    typeof record.protocol === 'number' &&
    Number.isSafeInteger(record.process?.pid) &&
    Number.isSafeInteger(record.process?.startTicks)
  );
}

/** Slots with a living worker. Changes nothing: for those who only look. */
export async function runningWorkers(
  folders: WorkerFolders,
): Promise<ReadonlyMap<number, WorkerRecord>> {
  const running = new Map<number, WorkerRecord>();
  for (const slot of await recordedSlots(folders)) {
    const record = await readWorkerRecord(workerPaths(folders, slot).record);
    if (record !== undefined && isRunning(record.process)) running.set(slot, record);
  }
  return running;
}

/** The same; sockets and records of dead ones are removed. */
export async function livingWorkers(
  folders: WorkerFolders,
): Promise<ReadonlyMap<number, WorkerRecord>> {
  const living = await runningWorkers(folders);
  for (const slot of await recordedSlots(folders)) {
    if (!living.has(slot)) await removeWorkerFiles(workerPaths(folders, slot));
  }
  return living;
}

async function recordedSlots({ runFolder }: WorkerFolders): Promise<readonly number[]> {
  const names = await readdir(runFolder);
  return names
    .map((name) => Number(/^gateway-(\d{1,6})\.json$/.exec(name)?.[1]))
    .filter((slot) => Number.isSafeInteger(slot));
}

export async function removeWorkerFiles(paths: WorkerPaths): Promise<void> {
  await rm(paths.socket, { force: true });
  await rm(paths.handover, { force: true });
  await rm(paths.questions, { force: true });
  await rm(paths.record, { force: true });
}
