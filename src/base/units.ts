/** Sizes and durations as people write them. */
import { ConfigError } from './errors.ts';

const SIZE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kb: 1000,
  mb: 1000 ** 2,
  gb: 1000 ** 3,
  tb: 1000 ** 4,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
  tib: 1024 ** 4,
};

const DURATION_UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** `256MB`, `1.5 GiB`, `4096` → bytes. `key` names the option in the error. */
export function parseSize(text: string, key: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim());
  const unit = SIZE_UNITS[match?.[2]?.toLowerCase() ?? 'none'];
  if (match === null || unit === undefined) {
    throw new ConfigError(key, `Size "${text}" of "${key}" is not understood`, {
      hint: 'Write a number with B, KB, MB, GB, TB, KiB, MiB, GiB or TiB, such as 256MB',
    });
  }
  return Math.round(Number(match[1]) * unit);
}

/** `500ms`, `30s`, `5m`, `1h`, `21d` → milliseconds. `key` names the option in the error. */
export function parseDuration(text: string, key: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]+)$/i.exec(text.trim());
  const unit = DURATION_UNITS[match?.[2]?.toLowerCase() ?? 'none'];
  if (match === null || unit === undefined) {
    throw new ConfigError(key, `Duration "${text}" of "${key}" is not understood`, {
      hint: 'Write a number with ms, s, m, h or d, such as 30s',
    });
  }
  return Math.round(Number(match[1]) * unit);
}

/** Binary units, as disks and memory are shown: `1.5 GiB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value >= 100 || unit === 0 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}
