/** Cache-Status (RFC 9211): on every answer, what the cache did and why. */
import type { DecisionKind, Why } from './decide.ts';

/** How this cache is called in the field. */
export const CACHE_NAME = 'Moln';

export interface CacheStatus {
  /** Of the cache that says it; `CACHE_NAME` unless said. */
  readonly name?: string;
  readonly kind: DecisionKind;
  readonly why: Why;
  /** Seconds of freshness that are left; negative when stale. */
  readonly ttlS?: number | undefined;
  /** Status of the upstream's answer. */
  readonly fwdStatus?: number | undefined;
  readonly stored?: boolean;
  /** The request shared another one's way to the upstream. */
  readonly collapsed?: boolean;
  /** A word more: why it was not stored, or that an error was covered up. */
  readonly detail?: string | undefined;
  /** The field of caches nearer to the origin, or empty. */
  readonly prior?: string;
}

/** RFC 9211 2.2. */
const FORWARDED: Readonly<Record<Why, string>> = {
  fresh: 'miss',
  'max-stale': 'stale',
  'stale-while-revalidate': 'stale',
  method: 'method',
  'request-body': 'bypass',
  'origin-condition': 'request',
  'bypass-rule': 'bypass',
  'uri-miss': 'uri-miss',
  'vary-miss': 'vary-miss',
  authorization: 'request',
  request: 'request',
  'no-cache': 'stale',
  stale: 'stale',
  partial: 'partial',
};

/** Words that Cache-Status has no parameter for. */
const DETAILED: ReadonlySet<Why> = new Set<Why>([
  'max-stale',
  'stale-while-revalidate',
  'request-body',
  'origin-condition',
  'bypass-rule',
  'authorization',
  'no-cache',
]);

/** The whole line. */
export function cacheStatusLine(status: CacheStatus): string {
  const { kind, why, ttlS, fwdStatus, prior = '' } = status;
  let member = status.name ?? CACHE_NAME;
  // RFC 9211 2.1: what was forwarded is no hit, whatever the client gets for it.
  const isHit = (kind === 'hit' || kind === 'stale') && fwdStatus === undefined;
  if (isHit) member += '; hit';
  else if (kind !== 'unsatisfied') member += `; fwd=${FORWARDED[why]}`;
  if (fwdStatus !== undefined) member += `; fwd-status=${fwdStatus}`;
  if (ttlS !== undefined) member += `; ttl=${ttlS}`;
  if (status.stored === true) member += '; stored';
  if (status.collapsed === true) member += '; collapsed';
  const detail =
    status.detail ??
    (kind === 'unsatisfied' ? 'only-if-cached' : DETAILED.has(why) ? why : undefined);
  if (detail !== undefined) member += `; detail=${detail}`;
  return `Cache-Status: ${prior === '' ? '' : `${prior}, `}${member}\r\n`;
}
