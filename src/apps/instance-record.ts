/**
 * What the agent writes down about an instance, so that the next agent can adopt it. Written before the process is
 * started (without `processId`) and again afterwards; in between it is found by its environment.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from '../base/disk.ts';
import { systemCode } from '../base/errors.ts';
import type { ProcessId } from '../base/process-id.ts';
import type { DriverName, HealthPlan, InstanceAddress, ProcessPlan } from './model.ts';

export interface SharedFolder {
  /** `BUCKET` or `BUCKET/FOLDER`. */
  readonly place: string;
  /** What serves the mount that it was started with: when that is gone, the instance sees nothing there any more. */
  readonly server?: ProcessId | undefined;
}

export interface InstanceRecord {
  readonly format: 1;
  readonly id: string;
  readonly app: string;
  /** `run` is a one-off command: it is not adopted but ended. */
  readonly purpose: 'instance' | 'run';
  readonly release: string;
  readonly process: string;
  /** Of the app when it was started. */
  readonly generation: string;
  readonly kind: ProcessPlan['kind'];
  /** Never more than one in the cluster; `lostAfterMs` undefined: by the cluster's own clock. */
  readonly singleton?: { readonly lostAfterMs?: number | undefined } | undefined;
  readonly health: HealthPlan;
  readonly uid: number;
  /** Mounted for it; absent when it asked for none. */
  readonly folders?: readonly SharedFolder[] | undefined;
  readonly driver: DriverName;
  readonly processId: ProcessId | undefined;
  /** Of the kernel that `processId` is about: start ticks count from boot. */
  readonly bootId: string;
  readonly port: number;
  readonly address: InstanceAddress | undefined;
  readonly healthy: boolean;
  /** Epoch milliseconds of the last launch. */
  readonly startedAt: number;
  readonly restarts: number;
  /** Epoch milliseconds since when it only finishes what is under way. */
  readonly drainingSince: number | undefined;
}

/** Names the running kernel; another one after each boot. */
export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

export async function writeRecord(path: string, record: InstanceRecord): Promise<void> {
  await writeFileAtomic(path, `${JSON.stringify(record)}\n`);
}

/** All records in an app's `run` folder. One that cannot be read is skipped: its process is found as a stray. */
export function readRecords(runFolder: string): InstanceRecord[] {
  let names: string[];
  try {
    names = readdirSync(runFolder);
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return [];
    throw error;
  }
  const records: InstanceRecord[] = [];
  for (const name of names) {
    if (!name.endsWith('.json')) continue;
    const record = parseRecord(readFileSync(join(runFolder, name), 'utf8'));
    if (record !== undefined) records.push(record);
  }
  return records;
}

export function parseRecord(text: string): InstanceRecord | undefined {
  try {
    const value = JSON.parse(text) as Partial<InstanceRecord> | null;
    if (value?.format !== 1 || typeof value.id !== 'string') return undefined;
    return value as InstanceRecord;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
