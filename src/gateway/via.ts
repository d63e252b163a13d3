/** Via and Max-Forwards of requests that go on (RFC 9110 7.6.2, 7.6.3): who was on the way, and how far the way may be. */
import { FIELD, fieldSet } from '../http/field-names.ts';
import type { RequestHead } from '../http/head.ts';
import { statusLine } from '../http/status.ts';
import type { Connection } from './connection.ts';
import type { HeadChange } from './forward-head.ts';
import { PASSES_MAX } from './limits.ts';

/** One name for all gateways: how often it was there is what matters. */
const NAME = 'moln';
const OWN = new RegExp(String.raw`(?:^|,)[ \t]*[^\s,]+[ \t]+${NAME}(?=[ \t,]|$)`, 'gi');
const OTHERS = fieldSet(FIELD.other);

/** A whole line. */
export function viaLine({ minor, protocol }: Connection['request']): string {
  const version = protocol === 'h2' ? '2' : `1.${minor}`;
  return `Via: ${version} ${NAME}\r\n`;
}

/** It went through so many gateways that it must be going in circles. */
export function goesInCircles(head: RequestHead): boolean {
  let passes = 0;
  for (const value of valuesOf(head, 'via')) passes += value.match(OWN)?.length ?? 0;
  return passes > PASSES_MAX;
}

/** What is changed about a request whose way is limited; undefined where it is not, 'here' where it ends. TRACE is served to nobody. */
export function limitedWay(head: RequestHead, method: string): HeadChange | 'here' | undefined {
  if (method !== 'OPTIONS') return undefined;
  const [value] = valuesOf(head, 'max-forwards');
  if (value === undefined || !/^\d+$/.test(value)) return undefined;
  const left = Math.min(Number(value), Number.MAX_SAFE_INTEGER);
  if (left === 0) return 'here';
  return { drop: ['max-forwards'], lines: `Max-Forwards: ${left - 1}\r\n` };
}

/** As its last recipient (RFC 9110 9.3.7). */
export function answerHere(connection: Connection): void {
  const allow = 'Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n';
  const head = `${statusLine(200)}\r\n${connection.plane.dateLine}${allow}Content-Length: 0\r\n`;
  connection.answerBodyless(200, head);
}

/** Of a field without an id. */
function valuesOf(head: RequestHead, name: string): readonly string[] {
  if ((head.seen & OTHERS) === 0) return NONE;
  let values: string[] | undefined;
  for (let index = 0; index < head.count; index++) {
    const length = (head.offsets[index * 4 + 1] ?? 0) - (head.offsets[index * 4] ?? 0);
    if (head.ids[index] !== FIELD.other || length !== name.length) continue;
    if (head.nameAt(index).toLowerCase() === name) (values ??= []).push(head.valueAt(index));
  }
  return values ?? NONE;
}

const NONE: readonly string[] = [];
