/** Lifecycle rules of a bucket: read, printed, and what they say of one object now. Pure. */
import { randomId } from '../base/ids.ts';
import { isoTime } from '../base/time.ts';
import { element, XML_HEAD } from '../xml/xml.ts';
import {
  childNamed,
  childrenNamed,
  elements,
  malformed,
  neededText,
  oneOf,
  holdsOnly,
  readRoot,
  S3_NAMESPACE,
  textIn,
  truth,
  wholeNumber,
  type XmlElement,
} from './document.ts';
import { invalidArgument, S3Error } from './errors.ts';
import {
  checkNewer,
  dueAt,
  dueClass,
  goesDown,
  midnight,
  parseNoncurrentTransitions,
  parseTransitions,
  printTransitions,
  type Transition,
} from './lifecycle-transitions.ts';
import { OBJECT_TAGS_MAX, tagsIn } from './tagging.ts';

export interface LifecycleFilter {
  readonly prefix?: string | undefined;
  readonly tags: Readonly<Record<string, string>>;
  readonly largerThan?: number | undefined;
  readonly smallerThan?: number | undefined;
  /** How it was written, so that it is given back so. */
  readonly form: 'prefix' | 'filter' | 'and';
}

export interface LifecycleRule {
  readonly id: string;
  readonly enabled: boolean;
  readonly filter: LifecycleFilter;
  readonly days?: number | undefined;
  /** Milliseconds. */
  readonly date?: number | undefined;
  readonly removeLoneMarkers?: boolean | undefined;
  readonly noncurrentDays?: number | undefined;
  readonly newerNoncurrent?: number | undefined;
  readonly abortUploadDays?: number | undefined;
  readonly transitions?: readonly Transition[] | undefined;
  readonly noncurrentTransitions?: readonly Transition[] | undefined;
}

const RULES_MAX = 1000;
const ID_LENGTH_MAX = 255;

export function parseLifecycle(bytes: Uint8Array): readonly LifecycleRule[] {
  const root = readRoot(bytes, 'LifecycleConfiguration');
  holdsOnly(root, [], ['Rule']);
  const found = childrenNamed(root, 'Rule');
  if (found.length === 0 || found.length > RULES_MAX) throw malformed();
  const rules = found.map(parseRule);
  if (new Set(rules.map(({ id }) => id)).size < rules.length) {
    throw invalidArgument('Rule ID must be unique. Found same ID for more than one rule', 'ID', '');
  }
  return rules;
}

const ONCE = ['ID', 'Status', 'Prefix', 'Filter', 'Expiration'];
const ONCE_MORE = ['NoncurrentVersionExpiration', 'AbortIncompleteMultipartUpload'];
const MOVES = ['Transition', 'NoncurrentVersionTransition'];
const SINGLE_TESTS = ['Prefix', 'ObjectSizeGreaterThan', 'ObjectSizeLessThan'];

function parseRule(from: XmlElement): LifecycleRule {
  holdsOnly(from, [...ONCE, ...ONCE_MORE], MOVES);
  const id = textIn(from, 'ID')?.trim() ?? randomId(32);
  if (id.length > ID_LENGTH_MAX) {
    throw invalidArgument('ID length should not exceed allowed limit of 255', 'ID', id);
  }
  const enabled = oneOf(textIn(from, 'Status'), 'Enabled', 'Disabled') === 'Enabled';
  const expiration = childNamed(from, 'Expiration');
  const noncurrent = childNamed(from, 'NoncurrentVersionExpiration');
  const abort = childNamed(from, 'AbortIncompleteMultipartUpload');
  const transitions = parseTransitions(from);
  const noncurrentTransitions = parseNoncurrentTransitions(from);
  const moves = transitions.length + noncurrentTransitions.length;
  if (expiration === undefined && noncurrent === undefined && abort === undefined && moves === 0) {
    throw new S3Error('InvalidRequest', 'At least one action needs to be specified in a rule');
  }
  const filter = parseFilter(from);
  const rule: LifecycleRule = {
    id,
    enabled,
    filter,
    ...(expiration === undefined ? {} : parseExpiration(expiration)),
    noncurrentDays:
      noncurrent === undefined ? undefined : positive(textIn(noncurrent, 'NoncurrentDays')),
    newerNoncurrent:
      noncurrent === undefined
        ? undefined
        : wholeNumber(textIn(noncurrent, 'NewerNoncurrentVersions')),
    abortUploadDays:
      abort === undefined ? undefined : positive(neededText(abort, 'DaysAfterInitiation')),
    ...(transitions.length === 0 ? {} : { transitions }),
    ...(noncurrentTransitions.length === 0 ? {} : { noncurrentTransitions }),
  };
  if (noncurrent !== undefined && rule.noncurrentDays === undefined) throw malformed();
  checkRule(rule);
  return rule;
}

/** What does not go together (AWS, "Lifecycle configuration elements"). */
function checkRule(rule: LifecycleRule): void {
  const { filter, newerNoncurrent, abortUploadDays, removeLoneMarkers, days, transitions } = rule;
  checkNewer(newerNoncurrent, 'NoncurrentVersionExpiration');
  const hasTags = Object.keys(filter.tags).length > 0;
  const hasSizes = filter.largerThan !== undefined || filter.smallerThan !== undefined;
  if (abortUploadDays !== undefined && (hasTags || hasSizes)) {
    throw new S3Error(
      'InvalidRequest',
      'AbortIncompleteMultipartUpload cannot be specified with Tags or object sizes.',
    );
  }
  const lastDays = Math.max(-1, ...(transitions ?? []).map((one) => one.days ?? -1));
  if (days !== undefined && days <= lastDays) {
    throw invalidArgument(
      "'Days' in the Expiration action must be greater than 'Days' in the Transition action",
      'Days',
      String(days),
    );
  }
  if (removeLoneMarkers !== undefined && hasTags) {
    throw new S3Error('InvalidRequest', 'ExpiredObjectDeleteMarker cannot be specified with Tags.');
  }
}

function parseExpiration(
  from: XmlElement,
): Pick<LifecycleRule, 'days' | 'date' | 'removeLoneMarkers'> {
  holdsOnly(from, ['Days', 'Date', 'ExpiredObjectDeleteMarker']);
  const days = positive(textIn(from, 'Days'));
  const dateText = textIn(from, 'Date')?.trim();
  const removeLoneMarkers = truth(textIn(from, 'ExpiredObjectDeleteMarker'));
  const given = [days, dateText, removeLoneMarkers].filter((one) => one !== undefined);
  if (given.length !== 1) throw malformed();
  if (dateText === undefined) return { days, removeLoneMarkers };
  return { date: midnight(dateText) };
}

function positive(text: string | undefined): number | undefined {
  const days = wholeNumber(text);
  if (days !== undefined && days <= 0) {
    throw invalidArgument(
      "'Days' for Expiration action must be a positive integer",
      'Days',
      String(days),
    );
  }
  return days;
}

function parseFilter(from: XmlElement): LifecycleFilter {
  const filter = childNamed(from, 'Filter');
  if (filter === undefined) {
    const prefix = textIn(from, 'Prefix');
    if (prefix === undefined) throw malformed();
    return { form: 'prefix', prefix, tags: {} };
  }
  if (childNamed(from, 'Prefix') !== undefined) throw malformed();
  const and = childNamed(filter, 'And');
  const inside = and ?? filter;
  // A test that is passed over would let the rule remove what was not meant.
  holdsOnly(filter, [...SINGLE_TESTS, 'And'], ['Tag']);
  if (and !== undefined) holdsOnly(and, SINGLE_TESTS, ['Tag']);
  if (and === undefined && elements(filter).length > 1) throw malformed();
  const tags = tagsIn(inside, OBJECT_TAGS_MAX);
  const largerThan = wholeNumber(textIn(inside, 'ObjectSizeGreaterThan'));
  const smallerThan = wholeNumber(textIn(inside, 'ObjectSizeLessThan'));
  if ((largerThan ?? 0) < 0 || (smallerThan ?? 0) < 0) {
    throw new S3Error('InvalidRequest', 'Sizes of a filter must not be negative.');
  }
  if (largerThan !== undefined && smallerThan !== undefined && largerThan >= smallerThan) {
    throw new S3Error(
      'InvalidRequest',
      "'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'",
    );
  }
  const prefix = textIn(inside, 'Prefix');
  return { form: and === undefined ? 'filter' : 'and', prefix, tags, largerThan, smallerThan };
}

export function printLifecycle(rules: readonly LifecycleRule[]): string {
  return `${XML_HEAD}<LifecycleConfiguration xmlns="${S3_NAMESPACE}">${rules.map(printRule).join('')}</LifecycleConfiguration>`;
}

function printRule(rule: LifecycleRule): string {
  const { filter } = rule;
  const inside =
    element('Prefix', filter.prefix) +
    Object.entries(filter.tags)
      .map(([key, value]) => `<Tag>${element('Key', key)}${element('Value', value)}</Tag>`)
      .join('') +
    element('ObjectSizeGreaterThan', filter.largerThan) +
    element('ObjectSizeLessThan', filter.smallerThan);
  const forms = {
    prefix: inside,
    filter: `<Filter>${inside}</Filter>`,
    and: `<Filter><And>${inside}</And></Filter>`,
  };
  const date = rule.date === undefined ? undefined : isoTime(rule.date);
  const expiration =
    element('Days', rule.days) +
    element('Date', date) +
    element('ExpiredObjectDeleteMarker', rule.removeLoneMarkers);
  const noncurrent =
    element('NoncurrentDays', rule.noncurrentDays) +
    element('NewerNoncurrentVersions', rule.newerNoncurrent);
  return (
    `<Rule>${element('ID', rule.id)}${forms[filter.form]}<Status>${rule.enabled ? 'Enabled' : 'Disabled'}</Status>` +
    printTransitions(rule.transitions, 'Transition') +
    printTransitions(rule.noncurrentTransitions, 'NoncurrentVersionTransition') +
    (expiration === '' ? '' : `<Expiration>${expiration}</Expiration>`) +
    (noncurrent === ''
      ? ''
      : `<NoncurrentVersionExpiration>${noncurrent}</NoncurrentVersionExpiration>`) +
    (rule.abortUploadDays === undefined
      ? ''
      : `<AbortIncompleteMultipartUpload>${element('DaysAfterInitiation', rule.abortUploadDays)}</AbortIncompleteMultipartUpload>`) +
    '</Rule>'
  );
}

/** What rules look at. */
export interface LifecycleSubject {
  readonly key: string;
  readonly size: number;
  readonly tags: Readonly<Record<string, string>>;
  readonly modifiedAt: number;
}

function applies(rule: LifecycleRule, subject: LifecycleSubject): boolean {
  const { prefix = '', tags, largerThan, smallerThan } = rule.filter;
  return (
    rule.enabled &&
    subject.key.startsWith(prefix) &&
    Object.entries(tags).every(([name, value]) => subject.tags[name] === value) &&
    (largerThan === undefined || subject.size > largerThan) &&
    (smallerThan === undefined || subject.size < smallerThan)
  );
}

/** When a current object expires, and by which rule; undefined when none says so. */
export function expiryOf(
  rules: readonly LifecycleRule[],
  subject: LifecycleSubject,
): { readonly at: number; readonly rule: string } | undefined {
  let soonest: { readonly at: number; readonly rule: string } | undefined;
  for (const rule of rules) {
    if (!applies(rule, subject)) continue;
    const at =
      rule.date ?? (rule.days === undefined ? undefined : dueAt(subject.modifiedAt, rule.days));
    if (at !== undefined && (soonest === undefined || at < soonest.at))
      soonest = { at, rule: rule.id };
  }
  return soonest;
}

export interface NoncurrentSubject extends LifecycleSubject {
  /** When the next newer version came. */
  readonly replacedAt: number;
  /** Noncurrent versions that are newer. */
  readonly newer: number;
}

export function expiresNoncurrent(
  rules: readonly LifecycleRule[],
  subject: NoncurrentSubject,
  nowMs: number,
): boolean {
  return rules.some(
    (rule) =>
      rule.noncurrentDays !== undefined &&
      applies(rule, subject) &&
      subject.newer >= (rule.newerNoncurrent ?? 0) &&
      nowMs >= dueAt(subject.replacedAt, rule.noncurrentDays),
  );
}

/** The storage class that a rule gives to an object now, `replacedAt` and `newer` if it is an older version; undefined when it keeps its own. */
export function classFor(
  rules: readonly LifecycleRule[],
  subject: LifecycleSubject & Partial<NoncurrentSubject> & { readonly has: string },
  nowMs: number,
): string | undefined {
  const { replacedAt, newer = 0, has } = subject;
  let to: string | undefined;
  for (const rule of rules) {
    const { largerThan, smallerThan } = rule.filter;
    const transitions = replacedAt === undefined ? rule.transitions : rule.noncurrentTransitions;
    const saysSizes = largerThan !== undefined || smallerThan !== undefined;
    if (transitions === undefined || !applies(rule, subject)) continue;
    if (!goesDown(subject.size, saysSizes)) continue;
    const sinceMs = replacedAt ?? subject.modifiedAt;
    to = dueClass(transitions, { has: to ?? has, sinceMs, newer }, nowMs) ?? to;
  }
  return to;
}

/** A delete marker with nothing behind it. */
export function removesLoneMarker(
  rules: readonly LifecycleRule[],
  subject: LifecycleSubject,
): boolean {
  return rules.some(
    (rule) =>
      (rule.removeLoneMarkers === true || rule.days !== undefined) && applies(rule, subject),
  );
}

/** When an upload that is not completed ends, and by which rule: the first that does it. */
export function abortOf(
  rules: readonly LifecycleRule[],
  upload: { readonly key: string; readonly createdAt: number },
): { readonly at: number; readonly rule: string } | undefined {
  const found = rules.flatMap(({ id, enabled, filter, abortUploadDays }) =>
    enabled && abortUploadDays !== undefined && upload.key.startsWith(filter.prefix ?? '')
      ? [{ at: dueAt(upload.createdAt, abortUploadDays), rule: id }]
      : [],
  );
  return found.toSorted((a, b) => a.at - b.at)[0];
}

export function abortsUpload(
  rules: readonly LifecycleRule[],
  upload: { readonly key: string; readonly createdAt: number },
  nowMs: number,
): boolean {
  const abort = abortOf(rules, upload);
  return abort !== undefined && nowMs >= abort.at;
}
