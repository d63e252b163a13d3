/** Whether the conditions of a request hold (RFC 9110 section 13.2.2). Pure; judged inside the commit for what changes something. */
import { condition } from './errors.ts';
import type { Conditions } from './model.ts';

export interface Current {
  readonly etag: string;
  readonly mtime: number;
  readonly size: number;
}

export type Failed =
  | 'ifMatch'
  | 'ifNoneMatch'
  | 'ifModifiedSince'
  | 'ifUnmodifiedSince'
  | 'ifSize'
  | 'ifModifiedAt';

/** The first that does not hold. `current` is undefined when nothing is there. Dates have seconds. */
export function failedCondition(
  conditions: Conditions,
  current: Current | undefined,
): Failed | undefined {
  const { ifMatch, ifNoneMatch, ifModifiedSince, ifUnmodifiedSince, ifSize } = conditions;
  const { ifModifiedAt } = conditions;
  if (ifSize !== undefined && current?.size !== ifSize) return 'ifSize';
  if (ifModifiedAt !== undefined && seconds(current?.mtime ?? Number.NaN) !== seconds(ifModifiedAt))
    return 'ifModifiedAt';
  if (ifMatch !== undefined) {
    if (!matches(ifMatch, current)) return 'ifMatch';
  } else if (ifUnmodifiedSince !== undefined && current !== undefined) {
    if (seconds(current.mtime) > seconds(ifUnmodifiedSince)) return 'ifUnmodifiedSince';
  }
  if (ifNoneMatch !== undefined) {
    if (matches(ifNoneMatch, current)) return 'ifNoneMatch';
  } else if (ifModifiedSince !== undefined && current !== undefined) {
    if (seconds(current.mtime) <= seconds(ifModifiedSince)) return 'ifModifiedSince';
  }
  return undefined;
}

/** Throws `FILES_CONDITION`. */
export function checkConditions(
  conditions: Conditions | undefined,
  current: Current | undefined,
): void {
  if (conditions === undefined) return;
  const failed = failedCondition(conditions, current);
  if (failed !== undefined) throw condition(failed, current !== undefined);
}

function matches(wanted: string | readonly string[], current: Current | undefined): boolean {
  if (current === undefined) return false;
  const tags = typeof wanted === 'string' ? [wanted] : wanted;
  return tags.some((tag) => tag === '*' || tag === current.etag);
}

function seconds(ms: number): number {
  return Math.floor(ms / 1000);
}
