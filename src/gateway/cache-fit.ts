/** Whether the cache that is configured fits into a worker: one that does not would end it when it is full, long after the config was taken. */
import { totalmem } from 'node:os';
import { MolnError } from '../base/errors.ts';
import { formatBytes } from '../base/units.ts';
import { GATEWAY_CACHE_TOO_LARGE } from './errors.ts';

const MIB = 1024 * 1024;
/** Of the machine's memory, or of the group of processes that this one is limited with: the rest is for connections and for others. */
const CACHE_SHARE = 1 / 2;

/** What a cache may take, in bytes; a limit of cgroups counts. */
export function cacheMost(
  machineBytes: number = totalmem(),
  groupBytes: number = process.constrainedMemory(),
): number {
  // Without a limit it is 0, or more than there is.
  const bytes = groupBytes > 0 ? Math.min(groupBytes, machineBytes) : machineBytes;
  return Math.floor((bytes * CACHE_SHARE) / MIB) * MIB;
}

/** Throws `GATEWAY_CACHE_TOO_LARGE`. `memoryBytes`: of one worker, or of all that are started together. */
export function requireCacheFits(memoryBytes: number, most: number = cacheMost()): void {
  if (memoryBytes <= most) return;
  const asked = `${formatBytes(memoryBytes)} of memory for the cache`;
  throw new MolnError(
    GATEWAY_CACHE_TOO_LARGE,
    `The config wants ${asked}, and ${formatBytes(most)} is the most that fits here`,
    { hint: 'Give "cache.memory" less, and "cache.disk" the rest' },
  );
}
