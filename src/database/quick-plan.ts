/**
 * Whether a statement is sure to be over at once, from SQLite's own words about its plan: it looks up single rows by whole keys and
 * does nothing else. A running statement cannot be stopped in its thread, so everything else runs in a process that can be killed.
 * Pure. The words are not an interface: what is not known counts as slow, which is always right.
 */

/** One row at most: by rowid, or by a whole key or unique index, which SQLite's plan names with `=` alone. */
const ROWID: RegExp = /^SEARCH .+ USING INTEGER PRIMARY KEY \(rowid=\?\)$/;
const CONSTANT = 'SCAN CONSTANT ROW';
/** Its own steps follow: they are done for each of the few rows outside. */
const SUBQUERY: RegExp = /^CORRELATED SCALAR SUBQUERY \d+$/;
const STEPS_MAX = 8;

/** `columnsOf` gives the number of columns of an index, undefined when it does not hold each value once. */
export function isQuickPlan(
  steps: readonly string[],
  columnsOf: (index: string) => number | undefined,
): boolean {
  if (steps.length > STEPS_MAX) return false;
  return steps.every(
    (step) =>
      step === CONSTANT || ROWID.test(step) || SUBQUERY.test(step) || isKeyLookup(step, columnsOf),
  );
}

/** `SEARCH t USING INDEX i (a=? AND b=?)` with a term for each of its columns. */
function isKeyLookup(step: string, columnsOf: (index: string) => number | undefined): boolean {
  const match = /^SEARCH .+ USING (?:COVERING )?INDEX (\S+) \((.+)\)$/.exec(step);
  const terms = match?.[2]?.split(' AND ') ?? [];
  if (terms.length === 0 || !terms.every((term) => /^[^<>=]+=\?$/.test(term))) return false;
  return columnsOf(match?.[1] ?? '') === terms.length;
}
