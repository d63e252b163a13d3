/** Numbers and times as the console writes them. Pure. */
import { formatDuration } from '../../base/time.ts';

/** `0`, `0.4`, `12.3`, `1.2k`: at most three digits that mean something. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return '–';
  if (value >= 1_000_000) return `${short(value / 1_000_000)}M`;
  if (value >= 1000) return `${short(value / 1000)}k`;
  return short(value);
}

function short(value: number): string {
  if (value === 0 || value >= 100 || Number.isInteger(value)) return String(Math.round(value));
  return value < 0.1 ? value.toFixed(2) : value.toFixed(1);
}

export function formatMs(value: number): string {
  return value >= 1000 ? `${short(value / 1000)} s` : `${short(value)} ms`;
}

/** Of a ratio between 0 and 1. */
export function formatPercent(ratio: number): string {
  return `${Math.round(ratio * 100)} %`;
}

/** `3 min ago`; times a little ahead of this clock are "just now". */
export function formatAgo(at: number, now: number): string {
  const age = now - at;
  return age < 2000 ? 'just now' : `${formatDuration(age)} ago`;
}

/** `1 app`, `2 apps`. */
export function count(amount: number, noun: string): string {
  return `${amount} ${noun}${amount === 1 ? '' : 's'}`;
}

const ABSOLUTE = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
const CLOCK = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
});

/** Date and time in the reader's zone. */
export function formatAbsolute(at: number): string {
  return ABSOLUTE.format(at);
}

/** `14:05:09` in the reader's zone. */
export function formatClock(at: number): string {
  return CLOCK.format(at);
}

const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: 'full' });
const DAY_MS = 24 * 3_600_000;

/** `Today`, `Yesterday`, or the date, in the reader's zone. */
export function formatDay(at: number, now: number): string {
  const day = DAY.format(at);
  if (day === DAY.format(now)) return 'Today';
  return day === DAY.format(now - DAY_MS) ? 'Yesterday' : day;
}
