/** What can be told from a text without planning it. */
import { splitScript } from '../planner/planner.ts';
import { scanStatement } from '../sqlite/sqlite.ts';

/** libSQL's own words for a transaction that only reads. */
export function startsReadOnly(sql: string): boolean {
  return /^\s*begin\s+(?:transaction\s+)?readonly\s*;?\s*$/i.test(sql);
}

/** Statements of a script, without what is blank. */
export function scriptTexts(sql: string): readonly string[] {
  return splitScript(sql).filter((text) => scanStatement(text).statements !== 'none');
}

/** A text that reads, and nothing else: WITH may begin one that writes. */
export function isSelect(sql: string): boolean {
  return /^\s*(?:select|values)\b/i.test(sql);
}

/** A guess by the first words, for clients that choose a connection by it. */
export function isReadOnlyText(sql: string): boolean {
  const text = sql.replace(/^(?:\s|--[^\n]*\n|\/\*[\s\S]*?\*\/)+/, '');
  if (/^with\b/i.test(text)) return !/\b(?:insert|update|delete|replace)\b/i.test(text);
  return /^(?:select|values|explain|pragma|begin|commit|end|rollback|savepoint|release)\b/i.test(
    text,
  );
}
