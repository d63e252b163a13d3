/**
 * What lifecycle rules say of storage classes: read, printed, and which class an object has to have by now. Pure. All classes are kept
 * alike here; what changes is what is said of an object.
 */
import { isoTime } from '../base/time.ts';
import { element } from '../xml/xml.ts';
import {
  childrenNamed,
  malformed,
  neededText,
  textIn,
  wholeNumber,
  type XmlElement,
} from './document.ts';
import { invalidArgument, S3Error } from './errors.ts';

/** Of a current object, after days or at a time; of an older version, after days in which it was one. */
export interface Transition {
  readonly to: string;
  readonly days?: number | undefined;
  /** Milliseconds. */
  readonly date?: number | undefined;
  /** Older versions that are left out. */
  readonly newer?: number | undefined;
}

/** An object goes down only (AWS, "Supported transitions"). */
const ORDER: readonly string[] = [
  'STANDARD',
  'STANDARD_IA',
  'INTELLIGENT_TIERING',
  'ONEZONE_IA',
  'GLACIER_IR',
];
const ARCHIVES: ReadonlySet<string> = new Set(['GLACIER', 'DEEP_ARCHIVE']);
/** Days before which nothing goes there. */
const DAYS_MIN: Readonly<Record<string, number>> = { STANDARD_IA: 30, ONEZONE_IA: 30 };
const NEWER_MAX = 100;
/** Smaller objects stay, unless the rule speaks of sizes. */
const BYTES_MIN: number = 128 * 1024;
const DAY_MS = 86_400_000;

/** Midnight of the document's date. */
export function midnight(text: string): number {
  const date = /^\d{4}-\d\d-\d\d(?:T[\d:.]+Z)?$/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(date)) throw malformed();
  if (date % DAY_MS !== 0) throw invalidArgument("'Date' must be at midnight GMT", 'Date', text);
  return date;
}

/** Days count from the midnight after, as AWS rounds. */
export function dueAt(fromMs: number, days: number): number {
  return Math.ceil((fromMs + days * DAY_MS) / DAY_MS) * DAY_MS;
}

export function parseTransitions(rule: XmlElement): readonly Transition[] {
  return unlike(
    childrenNamed(rule, 'Transition').map((from) => {
      const to = classIn(from);
      const days = daysIn(from, 'Days', to);
      const text = textIn(from, 'Date')?.trim();
      if ((days === undefined) === (text === undefined)) throw malformed();
      return { to, days, date: text === undefined ? undefined : midnight(text) };
    }),
  );
}

export function parseNoncurrentTransitions(rule: XmlElement): readonly Transition[] {
  return unlike(
    childrenNamed(rule, 'NoncurrentVersionTransition').map((from) => {
      const to = classIn(from);
      const days = daysIn(from, 'NoncurrentDays', to);
      if (days === undefined) throw malformed();
      const newer = wholeNumber(textIn(from, 'NewerNoncurrentVersions'));
      checkNewer(newer, 'NoncurrentVersionTransition');
      return { to, days, newer };
    }),
  );
}

export function checkNewer(newer: number | undefined, action: string): void {
  if (newer === undefined || (newer >= 1 && newer <= NEWER_MAX)) return;
  throw invalidArgument(
    `'NewerNoncurrentVersions' for ${action} action must be between 1 and ${NEWER_MAX}`,
    'NewerNoncurrentVersions',
    String(newer),
  );
}

function classIn(from: XmlElement): string {
  const to = neededText(from, 'StorageClass');
  if (ARCHIVES.has(to))
    throw new S3Error('InvalidStorageClass', `There are no archives: nothing can go to ${to}`);
  if (ORDER.indexOf(to) <= 0) throw malformed();
  return to;
}

function daysIn(from: XmlElement, name: string, to: string): number | undefined {
  const days = wholeNumber(textIn(from, name));
  const least = DAYS_MIN[to] ?? 0;
  if (days === undefined || days >= least) return days;
  throw invalidArgument(
    `'${name}' in ${from.name} action must be greater than or equal to ${least} for storageClass '${to}'`,
    name,
    String(days),
  );
}

function unlike(all: readonly Transition[]): readonly Transition[] {
  if (new Set(all.map(({ to }) => to)).size < all.length)
    throw new S3Error(
      'InvalidRequest',
      "'StorageClass' must be different for actions in the same 'Rule'",
    );
  return all;
}

export function printTransitions(
  all: readonly Transition[] | undefined,
  name: 'Transition' | 'NoncurrentVersionTransition',
): string {
  const days = name === 'Transition' ? 'Days' : 'NoncurrentDays';
  return (all ?? [])
    .map((one) => {
      const date = one.date === undefined ? undefined : isoTime(one.date);
      return (
        `<${name}>${element(days, one.days)}${element('Date', date)}` +
        `${element('NewerNoncurrentVersions', one.newer)}${element('StorageClass', one.to)}</${name}>`
      );
    })
    .join('');
}

/** Whether an object of that size goes anywhere. */
export function goesDown(size: number, saysSizes: boolean): boolean {
  return saysSizes || size >= BYTES_MIN;
}

/** The furthest class down that is due, below the one it has; undefined when it stays. */
export function dueClass(
  transitions: readonly Transition[],
  of: { readonly has: string; readonly sinceMs: number; readonly newer: number },
  nowMs: number,
): string | undefined {
  const due = transitions.filter(
    ({ days, date, newer = 0 }) =>
      of.newer >= newer && nowMs >= (date ?? dueAt(of.sinceMs, days ?? 0)),
  );
  const furthest = Math.max(-1, ...due.map(({ to }) => ORDER.indexOf(to)));
  return furthest > ORDER.indexOf(of.has) ? ORDER[furthest] : undefined;
}
