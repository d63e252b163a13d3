/** What can be told from a text without planning it. */
import { sizeOf, type Statement } from '../database/database.ts';
import type { AnswerRoom } from '../hrana/hrana.ts';
import { splitScript } from '../planner/planner.ts';
import { scanStatement } from '../sqlite/sqlite.ts';
import { RETURNED_WHOLE_MAX } from './limits.ts';

/** Of one unit of UTF-16. */
const UTF8_BYTES_MAX = 3;
/** What a value counts beside its own bytes, see `valueBytes`. */
const VALUE_BYTES = 16;

/** libSQL's own words for a transaction that only reads. */
export function startsReadOnly(sql: string): boolean {
  return /^\s*begin\s+(?:transaction\s+)?readonly\s*;?\s*$/i.test(sql);
}

/** What it answers or does may follow from the schema alone, with no stripe asked. */
export function asksForSchema(sql: string): boolean {
  return (
    /^(?:\s|--[^\n]*\n|\/\*[\s\S]*?\*\/)*(?:create|alter|drop|pragma|explain)\b/i.test(sql) ||
    /sqlite_|pragma_/i.test(sql)
  );
}

/** Statements of a script, without what is blank. */
export function scriptTexts(sql: string): readonly string[] {
  return splitScript(sql).filter((text) => scanStatement(text).statements !== 'none');
}

/** A text that reads, and nothing else: WITH may begin one that writes. */
export function isSelect(sql: string): boolean {
  return /^\s*(?:select|values)\b/i.test(sql);
}

/**
 * So much may come back that it must be possible to refuse it before it has happened: not a few rows of an INSERT, and as they were
 * given, once for each term at most. What a table itself adds to a row the planner knows (`routed-insert.ts`).
 */
export function mayReturnMuch(
  statements: readonly Statement[],
  { bytesMax, rowsMax }: AnswerRoom,
): boolean {
  const returning = statements.filter(({ sql }) => /\breturning\b/i.test(sql));
  if (returning.length === 0) return false;
  return (
    returning.length > Math.min(RETURNED_WHOLE_MAX, rowsMax) ||
    returning.some(
      ({ sql }) => !/^\s*(?:insert|replace)\b/i.test(sql) || /[(|]/.test(returned(sql)),
    ) ||
    returning.reduce((sum, one) => sum + returnedBytesMax(one), 0) > bytesMax
  );
}

function returnedBytesMax(statement: Statement): number {
  const terms = returned(statement.sql).split(',').length;
  return terms * (sizeOf(statement) * UTF8_BYTES_MAX + VALUE_BYTES);
}

function returned(sql: string): string {
  return sql.slice(sql.search(/\breturning\b/i));
}

/** A guess by the first words, for clients that choose a connection by it. */
export function isReadOnlyText(sql: string): boolean {
  const text = sql.replace(/^(?:\s|--[^\n]*\n|\/\*[\s\S]*?\*\/)+/, '');
  if (/^with\b/i.test(text)) return !/\b(?:insert|update|delete|replace)\b/i.test(text);
  return /^(?:select|values|explain|pragma|begin|commit|end|rollback|savepoint|release)\b/i.test(
    text,
  );
}
