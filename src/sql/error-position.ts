/**
 * Where in a text SQLite found a mistake: `sqlite3_error_offset`, which node:sqlite does not tell. Bytes of UTF-8 from 0.
 */
interface Preparing {
  prepare(sql: string): unknown;
}

/** Looked for in texts up to this length; each candidate is prepared once. */
const TEXT_MAX = 100_000;
const CANDIDATES_MAX = 100;

/** A parser without lookahead finds the same mistake in the text up to the end of the token that it names, and in none that ends earlier. */
export function errorPosition(message: string, sql: string, shadow: Preparing): number | undefined {
  const token = /^near "(.*)": syntax error$/s.exec(message)?.[1];
  if (token === undefined || token === '' || sql.length > TEXT_MAX) return undefined;
  let at = sql.indexOf(token);
  for (let tried = 0; at >= 0 && tried < CANDIDATES_MAX; tried++) {
    try {
      shadow.prepare(sql.slice(0, at + token.length));
    } catch (error) {
      if (error instanceof Error && error.message === message)
        return Buffer.byteLength(sql.slice(0, at));
    }
    at = sql.indexOf(token, at + 1);
  }
  return undefined;
}
