/** What gateway processes say to each other of buckets of a rate limit: one field, a list. Strict: what cannot be read counts for nothing. */
import type { RateReport } from './rate-account.ts';

/** Tells the keeper of some buckets what was taken out of them. */
export const RATE_METHOD = 'TAKE';
/** Lower-case; of the request and of the answer. */
export const RATE_FIELD = 'moln-rate';
/** Buckets in one message: it has to fit into any gateway's limit of a head. */
export const RATE_BUCKETS_MAX = 32;

const REPORT = /^([0-9a-f]{32}):(\d{1,9}):(\d{1,12}(?:\.\d{1,3})?)$/;
const ANSWER = /^([0-9a-f]{32}):(\d{1,12}(?:\.\d{1,3})?)$/;

/** By the names of buckets. The whole line. */
export function reportsLine(reports: ReadonlyMap<string, RateReport>): string {
  const items = [...reports].map(([name, { taken, fullMs }]) => `${name}:${taken}:${text(fullMs)}`);
  return `${RATE_FIELD}: ${items.join(' ')}\r\n`;
}

export function readReports(
  value: string | undefined,
): ReadonlyMap<string, RateReport> | undefined {
  return readList(value, REPORT, ([, name = '', taken, fullMs]) => [
    name,
    { taken: Number(taken), fullMs: Number(fullMs) },
  ]);
}

/** Until each bucket is full, in milliseconds. The whole line. */
export function answersLine(answers: ReadonlyMap<string, number>): string {
  const items = [...answers].map(([name, fullMs]) => `${name}:${text(fullMs)}`);
  return `${RATE_FIELD}: ${items.join(' ')}\r\n`;
}

export function readAnswers(value: string | undefined): ReadonlyMap<string, number> | undefined {
  return readList(value, ANSWER, ([, name = '', fullMs]) => [name, Number(fullMs)]);
}

function text(ms: number): string {
  return String(Math.round(Math.max(0, ms) * 1000) / 1000);
}

function readList<Item>(
  value: string | undefined,
  pattern: RegExp,
  itemOf: (found: RegExpExecArray) => readonly [string, Item],
): ReadonlyMap<string, Item> | undefined {
  const words = value?.split(' ') ?? [];
  if (words.length === 0 || words.length > RATE_BUCKETS_MAX) return undefined;
  const items = new Map<string, Item>();
  for (const word of words) {
    const found = pattern.exec(word);
    if (found === null) return undefined;
    items.set(...itemOf(found));
  }
  return items;
}
