/**
 * The file format of SQLite's "sqllogictest" (https://sqlite.org/sqllogictest, "Test Script Format"): statements that must succeed or
 * fail, queries with the values that they must give, one blank line between two of them.
 */
import { createHash } from 'node:crypto';
import type { SqlRow, SqlValue } from '../../src/sqlite/sqlite.ts';

export type LogicSort = 'nosort' | 'rowsort' | 'valuesort';

/** The values that a query must give, as text, or how many they are and the MD5 of them. */
export type LogicWanted =
  | { readonly values: readonly string[] }
  | { readonly count: number; readonly md5: string };

export type LogicRecord =
  | {
      readonly kind: 'statement';
      readonly line: number;
      readonly sql: string;
      readonly fails: boolean;
    }
  | {
      readonly kind: 'query';
      readonly line: number;
      readonly sql: string;
      /** `I`, `T` or `R` for each column. */
      readonly types: string;
      readonly sort: LogicSort;
      readonly label: string | undefined;
      /** Undefined where the file does not say. */
      readonly wanted: LogicWanted | undefined;
    };

/** What `skipif` and `onlyif` call the database that we are. */
const ENGINE = 'sqlite';
const HASHED = /^(\d+) values hashing to ([0-9a-f]{32})$/;
const SORTS: ReadonlySet<string> = new Set(['nosort', 'rowsort', 'valuesort']);

/** The records of one file that are for SQLite. Throws with the line where it cannot be read. */
export function* readRecords(text: string): Generator<LogicRecord> {
  const lines = text.split(/\r?\n/);
  let at = 0;
  while (at < lines.length) {
    const block: { readonly text: string; readonly line: number }[] = [];
    for (; at < lines.length && lines[at]?.trim() !== ''; at += 1) {
      const line = lines[at] ?? '';
      if (!line.startsWith('#')) block.push({ text: line, line: at + 1 });
    }
    at += 1;
    let isOurs = true;
    for (; block[0] !== undefined; block.shift()) {
      const [word, name] = block[0].text.split(/\s+/);
      if (word === 'skipif') isOurs &&= name !== ENGINE;
      else if (word === 'onlyif') isOurs &&= name === ENGINE;
      else break;
    }
    const [head, ...rest] = block;
    if (head === undefined || !isOurs) continue;
    const [word, ...words] = head.text.trim().split(/\s+/);
    if (word === 'halt') return;
    if (word === 'hash-threshold') continue;
    yield recordOf(
      word,
      words,
      head.line,
      rest.map((one) => one.text),
    );
  }
}

function recordOf(
  word: string | undefined,
  words: readonly string[],
  line: number,
  rest: readonly string[],
): LogicRecord {
  if (word === 'statement' && (words[0] === 'ok' || words[0] === 'error')) {
    return { kind: 'statement', line, sql: rest.join('\n'), fails: words[0] === 'error' };
  }
  const [types = '', second, third] = words;
  const sort = second ?? 'nosort';
  if (word !== 'query' || !/^[ITR]+$/.test(types) || !SORTS.has(sort)) {
    throw new Error(`Line ${line} is no record: "${[word, ...words].join(' ')}"`);
  }
  const cut = rest.indexOf('----');
  return {
    kind: 'query',
    line,
    sql: (cut < 0 ? rest : rest.slice(0, cut)).join('\n'),
    types,
    sort: sort as LogicSort,
    label: third,
    wanted: cut < 0 ? undefined : wantedOf(rest.slice(cut + 1)),
  };
}

function wantedOf(values: readonly string[]): LogicWanted {
  const [, count, md5] = HASHED.exec(values[0] ?? '') ?? [];
  return count === undefined || md5 === undefined ? { values } : { count: Number(count), md5 };
}

/** What a query gave, as the file would say it. */
export function logicValues(rows: readonly SqlRow[], types: string, sort: LogicSort): string[] {
  const shown = rows.map((row) => row.map((value, at) => logicValue(value, types[at] ?? 'T')));
  if (sort === 'rowsort') shown.sort(compareRows);
  const values = shown.flat();
  return sort === 'valuesort' ? values.sort() : values;
}

function compareRows(one: readonly string[], other: readonly string[]): number {
  for (const [at, value] of one.entries()) {
    const against = other[at] ?? '';
    if (value !== against) return value < against ? -1 : 1;
  }
  return 0;
}

function logicValue(value: SqlValue, type: string): string {
  if (value === null) return 'NULL';
  if (type === 'I') return String(asInteger(value));
  if (type === 'R') return (Number.parseFloat(asText(value)) || 0).toFixed(3);
  const text = asText(value);
  // eslint-disable-next-line no-control-regex -- the format says so.
  return text === '' ? '(empty)' : text.replace(/[^ -~]/g, '@');
}

function asText(value: Exclude<SqlValue, null>): string {
  return value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : String(value);
}

function asInteger(value: Exclude<SqlValue, null>): bigint {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'number') return BigInt(Math.trunc(value));
  return BigInt(/^\s*([+-]?\d+)/.exec(asText(value))?.[1] ?? 0);
}

/** Whether the values are those that the file wants. */
export function isWanted(values: readonly string[], wanted: LogicWanted): boolean {
  if ('values' in wanted) {
    return (
      values.length === wanted.values.length &&
      values.every((value, at) => value === wanted.values[at])
    );
  }
  return values.length === wanted.count && md5Of(values) === wanted.md5;
}

function md5Of(values: readonly string[]): string {
  return createHash('md5')
    .update(values.map((value) => `${value}\n`).join(''))
    .digest('hex');
}

/** More values are written as their hash. */
const HASH_THRESHOLD = 8;

/** The records as a file. */
export function writeRecords(records: Iterable<LogicRecord>): string {
  const parts = [`hash-threshold ${HASH_THRESHOLD}`];
  for (const record of records) {
    if (record.kind === 'statement') {
      parts.push(`statement ${record.fails ? 'error' : 'ok'}\n${record.sql}`);
      continue;
    }
    const { types, sort, label, sql, wanted } = record;
    const head = ['query', types, sort, ...(label === undefined ? [] : [label])].join(' ');
    parts.push(
      [head, sql, ...(wanted === undefined ? [] : ['----', ...shownWanted(wanted)])].join('\n'),
    );
  }
  return `${parts.join('\n\n')}\n`;
}

function shownWanted(wanted: LogicWanted): readonly string[] {
  if (!('values' in wanted)) return [`${wanted.count} values hashing to ${wanted.md5}`];
  const { values } = wanted;
  return values.length > HASH_THRESHOLD
    ? [`${values.length} values hashing to ${md5Of(values)}`]
    : values;
}
