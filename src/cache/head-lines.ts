/** The stored form of a head (RFC 9111 3.1): lines in the order in which parts of them are sent. */
import { formatHttpDate } from '../http/http-date.ts';
import { FieldList, type FieldLine, type Fields } from './fields.ts';

/** Ends at this hop (RFC 9110 7.6.1), or is said anew in every answer. */
const NOT_STORED: ReadonlySet<string> = new Set([
  'age',
  'cache-status',
  'connection',
  'content-length',
  'content-range',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** Fields called `Content-…` that a 304 repeats: they do not describe the body (RFC 9110 15.4.5). */
const REPEATED_CONTENT: ReadonlySet<string> = new Set([
  'content-location',
  'content-security-policy',
  'content-security-policy-report-only',
]);

export interface StoredLines {
  readonly head: string;
  readonly notModifiedEnd: number;
  readonly typeStart: number;
}

/** The fields that are stored: without those of the hop and those in `without` (lower case). */
export function storedFields(fields: Fields, without: readonly string[]): FieldLine[] {
  const hop = connectionNames(fields);
  const kept: FieldLine[] = [];
  for (let index = 0; index < fields.count; index++) {
    const name = fields.nameAt(index);
    const lower = name.toLowerCase();
    if (NOT_STORED.has(lower) || hop.includes(lower) || without.includes(lower)) continue;
    kept.push([name, fields.valueAt(index)]);
  }
  return kept;
}

/** RFC 9111 3.1: what Connection lists ends here. */
function connectionNames(fields: Fields): readonly string[] {
  const value = fields.get('connection');
  if (value === undefined) return [];
  return value
    .toLowerCase()
    .split(',')
    .map((name) => name.trim());
}

/** Puts lines into the order of `StoredLines`. A Date that is missing or none is what `dateS` says. */
export function arrange(
  lines: readonly FieldLine[],
  date: { readonly valid: boolean; readonly seconds: number },
): StoredLines {
  const hasTag = lines.some(([name]) => name.toLowerCase() === 'etag');
  let repeated = date.valid ? '' : `Date: ${formatHttpDate(date.seconds * 1000)}\r\n`;
  let described = '';
  let type = '';
  for (const [name, value] of lines) {
    const lower = name.toLowerCase();
    const line = `${name}: ${value}\r\n`;
    if (lower === 'content-type') type += line;
    else if (lower === 'date' && !date.valid) continue;
    else if (describesBody(lower, hasTag)) described += line;
    else repeated += line;
  }
  const text = repeated + described + type;
  return {
    // Flat bytes of their own: a rope would keep the head of the socket's buffer in memory.
    head: Buffer.from(text, 'latin1').toString('latin1'),
    notModifiedEnd: repeated.length,
    typeStart: repeated.length + described.length,
  };
}

/** What a 304 need not repeat, since the client has it with its copy. */
function describesBody(name: string, hasTag: boolean): boolean {
  if (name === 'last-modified') return hasTag;
  if (name === 'accept-ranges') return true;
  return name.startsWith('content-') && !REPEATED_CONTENT.has(name);
}

/**
 * RFC 9111 3.2: every field of the newer answer takes the place of all stored ones with its name. Content-Encoding too:
 * what is stored here is what was received.
 */
export function updatedLines(stored: FieldList, newer: readonly FieldLine[]): readonly FieldLine[] {
  const names = new Set(newer.map(([name]) => name.toLowerCase()));
  const kept = stored.lines.filter(([name]) => !names.has(name.toLowerCase()));
  return [...kept, ...newer];
}
