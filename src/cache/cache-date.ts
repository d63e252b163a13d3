/** Dates as a cache reads them (RFC 9111 4.2): in any case of letters, otherwise as strictly as everybody. */
import { parseHttpDate } from '../http/http-date.ts';

/** No date, or one that is none. */
export const NO_DATE = -1;

/** Seconds since the epoch, or `NO_DATE`. `nowMs` decides the century of a two-digit year. */
export function cacheDate(value: string | undefined, nowMs: number): number {
  if (value === undefined) return NO_DATE;
  const ms = parseHttpDate(value, nowMs) ?? parseHttpDate(usualCase(value), nowMs);
  return ms === undefined || ms < 0 ? NO_DATE : Math.floor(ms / 1000);
}

function usualCase(value: string): string {
  return value
    .toLowerCase()
    .replace(/[a-z]+/g, (word) =>
      word === 'gmt' ? 'GMT' : word.charAt(0).toUpperCase() + word.slice(1),
    );
}
