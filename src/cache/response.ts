/** An answer of an upstream as the cache sees it, and what its fields say about reuse by a shared cache. */
import { parseEntityTag } from '../http/conditional.ts';
import { cacheDate, NO_DATE } from './cache-date.ts';
import {
  ABSENT,
  cacheControlOf,
  DELTA_SECONDS_MAX,
  deltaSeconds,
  DIRECTIVE,
  INVALID,
  parseTargetedControl,
  type CacheControl,
} from './control.ts';
import type { Fields } from './fields.ts';

export interface CacheResponse {
  readonly status: number;
  readonly fields: Fields;
  /** Epoch milliseconds at which the request was sent. */
  readonly requestedMs: number;
  /** Epoch milliseconds at which the head came. */
  readonly receivedMs: number;
}

export interface ResponseRules {
  readonly control: CacheControl;
  /** CDN-Cache-Control decides, so Cache-Control and Expires say nothing here (RFC 9213 2.2). */
  readonly targeted: boolean;
}

export function rulesOf(fields: Fields): ResponseRules {
  const targeted = fields.get('cdn-cache-control');
  const control = targeted === undefined ? undefined : parseTargetedControl(targeted);
  if (control !== undefined) return { control, targeted: true };
  return { control: cacheControlOf(fields.get('cache-control')), targeted: false };
}

/** Declared fit for a shared cache, also when it answers an authorized request (RFC 9111 3.5). */
export function isShared({ control }: ResponseRules): boolean {
  const bits = DIRECTIVE.public | DIRECTIVE.mustRevalidate;
  return (control.bits & bits) !== 0 || control.sMaxAgeS >= 0;
}

/** Seconds since the epoch of the Date field, or of its arrival (RFC 9110 6.6.1). */
export function dateOf({ fields, receivedMs }: CacheResponse): number {
  const date = cacheDate(fields.get('date'), receivedMs);
  return date === NO_DATE ? Math.floor(receivedMs / 1000) : date;
}

/** RFC 9111 5.1: the first member counts; what is no number of seconds is ignored. */
function ageValue(fields: Fields): number {
  const value = fields.get('age');
  if (value === undefined) return 0;
  const seconds = deltaSeconds(value.split(',', 1)[0]?.trim());
  return seconds === INVALID ? 0 : seconds;
}

/** Epoch milliseconds at which the answer's age was 0: RFC 9111 4.2.3, corrected_initial_age before its arrival. */
export function bornMs(response: CacheResponse): number {
  const { fields, requestedMs, receivedMs } = response;
  const apparentMs = Math.max(0, Math.floor(receivedMs / 1000) - dateOf(response)) * 1000;
  const delayMs = Math.max(0, receivedMs - requestedMs);
  return receivedMs - Math.max(apparentMs, ageValue(fields) * 1000 + delayMs);
}

/**
 * The lifetime that the answer itself states, for a shared cache (RFC 9111 4.2.1); undefined when it states none. What
 * is invalid or contradicts itself is 0: stale.
 */
export function explicitLifetimeS(
  response: CacheResponse,
  { control, targeted }: ResponseRules,
): number | undefined {
  if (control.sMaxAgeS !== ABSENT) return Math.max(0, control.sMaxAgeS);
  if (control.maxAgeS !== ABSENT) return Math.max(0, control.maxAgeS);
  if (targeted) return undefined;
  const expires = response.fields.get('expires');
  if (expires === undefined) return undefined;
  // RFC 9111 5.3: what is no date, `0` above all, is in the past.
  const at = cacheDate(expires, response.receivedMs);
  if (at === NO_DATE) return 0;
  return Math.min(Math.max(0, at - dateOf(response)), DELTA_SECONDS_MAX);
}

/** The entity tag as it was sent, or empty: what is malformed cannot be compared. */
export function entityTagOf(fields: Fields): string {
  const value = fields.get('etag');
  return value === undefined || parseEntityTag(value) === undefined ? '' : value;
}
