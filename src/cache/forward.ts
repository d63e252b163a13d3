/** How a request is changed on its way to the upstream, so that its answer is of use to the store (RFC 9111 4.3.1). */
import { formatHttpDate } from '../http/http-date.ts';
import type { Decision, HasEntry } from './decide.ts';
import type { Entry } from './entry.ts';
import { REQUEST, type CacheRequest } from './request.ts';

export interface ForwardChange {
  /** Lower-case names of fields of the client that are left out. */
  readonly drop: readonly string[];
  /** Whole lines in their place. */
  readonly lines: string;
}

const UNCHANGED: ForwardChange = { drop: [], lines: '' };
const CONDITIONS = ['if-none-match', 'if-modified-since'];
const CONDITIONS_AND_RANGE = [...CONDITIONS, 'if-range', 'range'];

/**
 * The client's own conditions are answered here, from what comes back; upstream they would bring a 304 for something
 * that is not stored. A Range goes on as it came: to fetch all for a few bytes would be a gift to attackers.
 */
export function forwardChange(request: CacheRequest, decision: Decision<HasEntry>): ForwardChange {
  const { kind, stored, fetch } = decision;
  if (kind === 'revalidate' && stored !== undefined) {
    return { drop: CONDITIONS_AND_RANGE, lines: validators(stored.entry) };
  }
  if (kind === 'complete' && stored !== undefined && fetch !== undefined) {
    const last = fetch.last === stored.entry.length - 1 ? '' : fetch.last;
    return {
      drop: CONDITIONS_AND_RANGE,
      lines: `Range: bytes=${fetch.first}-${last}\r\nIf-Range: ${stored.entry.etag}\r\n`,
    };
  }
  const fills =
    kind === 'miss' && request.method === 'GET' && (request.bits & REQUEST.noStore) === 0;
  return fills ? { drop: CONDITIONS, lines: '' } : UNCHANGED;
}

/** Both validators where there are both: an old upstream may know only dates (RFC 9110 13.1.3). */
function validators({ etag, lastModifiedS }: Entry): string {
  const tag = etag === '' ? '' : `If-None-Match: ${etag}\r\n`;
  if (lastModifiedS < 0) return tag;
  return `${tag}If-Modified-Since: ${formatHttpDate(lastModifiedS * 1000)}\r\n`;
}
