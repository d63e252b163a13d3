/**
 * Whether a statement is sure to be over at once, from SQLite's own words about its plan and its program: it looks up single rows by whole keys and
 * does nothing else. A running statement cannot be stopped in its thread, so everything else runs in a process that can be killed.
 * Pure. The words are not an interface: what is not known counts as slow, which is always right.
 */

/** One row at most: by rowid, or by a whole key or unique index, which SQLite's plan names with `=` alone. */
const ROWID: RegExp = /^SEARCH .+ USING INTEGER PRIMARY KEY \(rowid=\?\)$/;
const CONSTANT = 'SCAN CONSTANT ROW';
/** Its own steps follow: they are done for each of the few rows outside. */
const SUBQUERY: RegExp = /^CORRELATED SCALAR SUBQUERY \d+$/;
const STEPS_MAX = 8;

/** A plan says of `id IN (1, 2)` what it says of `id = 1`; only the program shows the loop. */
const LOOPS: ReadonlySet<string> = new Set(['Next', 'Prev', 'SorterNext', 'VNext']);

/** Their time grows as the values that they are given do. That of LIKE or instr grows as products and powers of them. */
const QUICK_FUNCTIONS: ReadonlySet<string> = new Set(
  `-> ->> abs avg changes coalesce count date datetime group_concat hex if ifnull iif json json_array json_array_length json_extract json_group_array
   json_group_object json_object json_quote json_type json_valid julianday last_insert_rowid length likelihood likely lower max min nullif octet_length
   quote random round sign sqlite_version strftime string_agg substr substring sum time total total_changes typeof unicode unixepoch unlikely upper`
    .trim()
    .split(/\s+/),
);

export function isQuickFunction(name: string): boolean {
  return QUICK_FUNCTIONS.has(name.toLowerCase());
}

/** One loop is as long as a list of the text at most; loops in each other are its product. */
export function isQuickProgram(opcodes: readonly string[]): boolean {
  return opcodes.filter((opcode) => LOOPS.has(opcode)).length <= 1;
}

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
