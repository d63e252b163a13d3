/**
 * What a client says to the database and not to SQLite: `PRAGMA moln_read` (its read level) and `PRAGMA moln_token` (what it has seen,
 * to be handed to another connection). With a value they set, without they tell.
 */
import type { SqlRow } from '../hrana/hrana.ts';
import { type Level, levelText, parseLevel, SeenEntries } from './read-level.ts';

export interface OwnPragma {
  readonly name: 'moln_read' | 'moln_token';
  readonly value: string | undefined;
}

export interface OwnSettings {
  level: Level;
  readonly seen: SeenEntries;
}

const TEXT: RegExp =
  /^\s*pragma\s+(moln_read|moln_token)\s*(?:(?:=\s*|\(\s*)(?:'([^']*)'|"([^"]*)"|([\w:.]+))\s*\)?)?\s*;?\s*$/i;

/** Undefined for every other text. */
export function ownPragma(sql: string): OwnPragma | undefined {
  if (!/^\s*pragma\s+moln_/i.test(sql)) return undefined;
  const match = TEXT.exec(sql);
  if (match === null) return undefined;
  const name = match[1]?.toLowerCase() === 'moln_read' ? 'moln_read' : 'moln_token';
  return { name, value: match[2] ?? match[3] ?? match[4] };
}

/** Columns and rows of the answer. Throws `SQL_READ_LEVEL`, `SQL_TOKEN`. */
export function askOwnPragma(
  { name, value }: OwnPragma,
  settings: OwnSettings,
): [readonly string[], readonly SqlRow[]] {
  if (name === 'moln_read') {
    if (value !== undefined) settings.level = parseLevel(value);
    return [[name], [[levelText(settings.level)]]];
  }
  if (value !== undefined) settings.seen.see(SeenEntries.parse(value));
  return [[name], [[settings.seen.toString()]]];
}
