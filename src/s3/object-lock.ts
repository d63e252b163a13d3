/** Object lock: retention and legal hold, in documents and fields, and whether they may be changed. Pure. */
import { isoTime } from '../base/time.ts';
import type { LockMode, ObjectLock } from '../files/files.ts';
import { element, XML_HEAD } from '../xml/xml.ts';
import {
  childNamed,
  holdsOnly,
  malformed,
  neededText,
  oneOf,
  readRoot,
  S3_NAMESPACE,
  textIn,
  wholeNumber,
} from './document.ts';
import { invalidArgument, S3Error } from './errors.ts';

/** Of a bucket. */
export interface LockConfiguration {
  readonly mode?: LockMode | undefined;
  readonly days?: number | undefined;
  readonly years?: number | undefined;
}

const DAY_MS = 86_400_000;
const DAYS_MAX = 36_500;

export function parseLockConfiguration(bytes: Uint8Array): LockConfiguration {
  const root = readRoot(bytes, 'ObjectLockConfiguration');
  holdsOnly(root, ['ObjectLockEnabled', 'Rule']);
  oneOf(textIn(root, 'ObjectLockEnabled'), 'Enabled');
  const rule = childNamed(root, 'Rule');
  if (rule === undefined) return {};
  holdsOnly(rule, ['DefaultRetention']);
  const retention = childNamed(rule, 'DefaultRetention');
  if (retention === undefined) throw malformed();
  holdsOnly(retention, ['Mode', 'Days', 'Years']);
  const mode = oneOf(textIn(retention, 'Mode'), 'GOVERNANCE', 'COMPLIANCE');
  const days = wholeNumber(textIn(retention, 'Days'));
  const years = wholeNumber(textIn(retention, 'Years'));
  if ((days === undefined) === (years === undefined)) throw malformed();
  const length = days ?? (years ?? 0) * 365;
  if (length <= 0) {
    throw new S3Error(
      'InvalidRetentionPeriod',
      'Default retention period must be a positive integer value.',
    );
  }
  if (length > DAYS_MAX)
    throw new S3Error('InvalidRetentionPeriod', 'Default retention period too large');
  return { mode, days, years };
}

export function printLockConfiguration({ mode, days, years }: LockConfiguration): string {
  const rule =
    mode === undefined
      ? ''
      : `<Rule><DefaultRetention>${element('Mode', mode)}${element('Days', days)}${element('Years', years)}</DefaultRetention></Rule>`;
  return `${XML_HEAD}<ObjectLockConfiguration xmlns="${S3_NAMESPACE}"><ObjectLockEnabled>Enabled</ObjectLockEnabled>${rule}</ObjectLockConfiguration>`;
}

/** What the bucket gives to a new object. */
export function defaultLock(
  configuration: LockConfiguration,
  nowMs: number,
): ObjectLock | undefined {
  const { mode, days, years } = configuration;
  if (mode === undefined) return undefined;
  return { mode, until: nowMs + (days ?? (years ?? 0) * 365) * DAY_MS };
}

function parseUntil(text: string): number {
  const ms = /^\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)$/.test(text)
    ? Date.parse(text)
    : Number.NaN;
  if (Number.isNaN(ms)) throw malformed();
  return ms;
}

/** Undefined: the document takes the retention away. */
export function parseRetention(
  bytes: Uint8Array,
): { readonly mode: LockMode; readonly until: number } | undefined {
  const root = readRoot(bytes, 'Retention');
  if (root.children.length === 0) return undefined;
  holdsOnly(root, ['Mode', 'RetainUntilDate']);
  const mode = oneOf(textIn(root, 'Mode'), 'GOVERNANCE', 'COMPLIANCE');
  return { mode, until: parseUntil(neededText(root, 'RetainUntilDate')) };
}

export function printRetention(lock: ObjectLock): string {
  const until = lock.until === undefined ? undefined : isoTime(lock.until);
  return `${XML_HEAD}<Retention xmlns="${S3_NAMESPACE}">${element('Mode', lock.mode)}${element('RetainUntilDate', until)}</Retention>`;
}

export function parseLegalHold(bytes: Uint8Array): boolean {
  const root = readRoot(bytes, 'LegalHold');
  holdsOnly(root, ['Status']);
  return oneOf(textIn(root, 'Status'), 'ON', 'OFF') === 'ON';
}

export function printLegalHold(lock: ObjectLock): string {
  return `${XML_HEAD}<LegalHold xmlns="${S3_NAMESPACE}"><Status>${lock.hold === true ? 'ON' : 'OFF'}</Status></LegalHold>`;
}

/** The `x-amz-object-lock-` fields of a put; undefined when there are none. */
export function lockOfHeaders(
  headers: Readonly<Record<string, string | readonly string[] | undefined>>,
  nowMs: number,
): ObjectLock | undefined {
  const field = (name: string): string | undefined => {
    const value = headers[`x-amz-object-lock-${name}`];
    return typeof value === 'string' ? value : undefined;
  };
  const mode = field('mode');
  const until = field('retain-until-date');
  const hold = field('legal-hold');
  if (mode === undefined && until === undefined && hold === undefined) return undefined;
  if ((mode === undefined) !== (until === undefined)) {
    throw new S3Error(
      'InvalidArgument',
      'x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied',
    );
  }
  if (mode !== undefined && mode !== 'GOVERNANCE' && mode !== 'COMPLIANCE') {
    throw invalidArgument('Unknown wormMode directive.', 'x-amz-object-lock-mode', mode);
  }
  if (hold !== undefined && hold !== 'ON' && hold !== 'OFF') {
    throw invalidArgument('Unknown wormMode directive.', 'x-amz-object-lock-legal-hold', hold);
  }
  const untilMs = until === undefined ? undefined : Date.parse(until);
  if (untilMs !== undefined && (Number.isNaN(untilMs) || untilMs <= nowMs)) {
    throw invalidArgument(
      'The retain until date must be in the future!',
      'x-amz-object-lock-retain-until-date',
      until ?? '',
    );
  }
  return { mode, until: untilMs, hold: hold === undefined ? undefined : hold === 'ON' };
}

export function lockHeaders(lock: ObjectLock | undefined): Readonly<Record<string, string>> {
  if (lock === undefined) return {};
  return {
    ...(lock.mode === undefined ? {} : { 'x-amz-object-lock-mode': lock.mode }),
    ...(lock.until === undefined
      ? {}
      : { 'x-amz-object-lock-retain-until-date': isoTime(lock.until) }),
    ...(lock.hold === undefined
      ? {}
      : { 'x-amz-object-lock-legal-hold': lock.hold ? 'ON' : 'OFF' }),
  };
}

/** Whether its retention may be made another. Longer is always possible. */
export function mayChangeRetention(
  lock: ObjectLock | undefined,
  wanted: { readonly mode: LockMode; readonly until: number } | undefined,
  now: { readonly nowMs: number; readonly bypassGovernance: boolean },
): boolean {
  if (lock?.until === undefined || lock.until <= now.nowMs) return true;
  const extends_ = wanted !== undefined && wanted.until >= lock.until;
  if (lock.mode === 'COMPLIANCE') return extends_ && wanted.mode === 'COMPLIANCE';
  return now.bypassGovernance || (extends_ && wanted.mode === lock.mode);
}
