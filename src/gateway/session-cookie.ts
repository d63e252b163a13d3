/**
 * The session of the console stays with the console. Browsers send cookies to all ports of a host, so that an app at
 * an address of the node would otherwise get what makes whoever holds it an administrator.
 */
import { FIELD, fieldSet } from '../http/field-names.ts';
import type { FieldScanner } from '../http/head.ts';

/** Set by the API when somebody logs in. */
const SESSION_COOKIE = 'moln_session';
const COOKIE_BIT = fieldSet(FIELD.cookie);

/** True when the Cookie fields may hold a session, so that `otherCookies` must take their place. */
export function mayHoldSession(head: FieldScanner): boolean {
  if ((head.seen & COOKIE_BIT) === 0) return false;
  return head.slice(head.start, head.end).includes(SESSION_COOKIE);
}

/** The Cookie fields without the session, as whole lines (RFC 6265 4.2.1). */
export function otherCookies(head: FieldScanner): string {
  let lines = '';
  for (let index = 0; index < head.count; index++) {
    if (head.ids[index] !== FIELD.cookie) continue;
    const kept = head.valueAt(index).split(';').filter(isOther).join(';').trim();
    if (kept !== '') lines += `Cookie: ${kept}\r\n`;
  }
  return lines;
}

function isOther(pair: string): boolean {
  return pair.split('=', 1)[0]?.trim() !== SESSION_COOKIE;
}
