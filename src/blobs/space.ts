/**
 * The promise to the owner of a disk: Moln never takes more than `min(limit, used + free - keepFree)`. Pure; what is free
 * changes under our own writes exactly as much as what is used, so an old figure for both is still right for their sum.
 */
import { ConfigError } from '../base/errors.ts';
import { parseSize } from '../base/units.ts';

/** Bytes, or a share of the disk: `10%`. */
export type KeepFree = number | `${number}%`;

export interface SpaceRules {
  readonly limitBytes: number | undefined;
  readonly keepFree: KeepFree;
}

export interface DiskFigures {
  /** That this user may still write. */
  readonly freeBytes: number;
  readonly sizeBytes: number;
  /** What the back end used when this was looked at. */
  readonly usedBytes: number;
}

export interface SpaceNow {
  /** What the owner allows. */
  readonly limitBytes: number;
  /** What may still be taken; negative when the owner needs room back. */
  readonly roomBytes: number;
}

export function spaceNow(
  rules: SpaceRules,
  disk: DiskFigures,
  taken: { readonly usedBytes: number; readonly reservedBytes: number },
): SpaceNow {
  const onDisk = disk.usedBytes + disk.freeBytes - keepFreeBytes(rules.keepFree, disk.sizeBytes);
  const limitBytes = Math.max(0, Math.min(rules.limitBytes ?? Infinity, onDisk));
  return { limitBytes, roomBytes: limitBytes - taken.usedBytes - taken.reservedBytes };
}

export function keepFreeBytes(keepFree: KeepFree, sizeBytes: number): number {
  if (typeof keepFree === 'number') return keepFree;
  return Math.ceil((sizeBytes * Number.parseFloat(keepFree)) / 100);
}

/** `10%`, `20GB`. `key` names the option in the error. */
export function parseKeepFree(text: string, key: string): KeepFree {
  const share = /^(\d{1,2}(?:\.\d+)?)\s*%$/.exec(text.trim());
  if (share !== null) return `${Number(share[1])}%`;
  if (text.includes('%')) {
    throw new ConfigError(key, `Key "${key}" is "${text}", want a size, or 0% to 99%`);
  }
  return parseSize(text, key);
}

/** What a file takes on disk, near enough: file systems count blocks of 4 KiB. */
export function diskBytes(bytes: number): number {
  return Math.ceil(bytes / DISK_BLOCK_BYTES) * DISK_BLOCK_BYTES;
}

const DISK_BLOCK_BYTES = 4096;
