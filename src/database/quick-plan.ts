/**
 * Whether a statement is sure to be over at once, from SQLite's own words about its plan and its program: it looks up single rows by whole keys and
 * does nothing else. Or whether it can be left at any time, because it does nothing but give one row after the other, as a page of a list does. A running
 * statement cannot be stopped between its rows, so everything else runs in a process that can be killed.
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

/** Of those, the ones whose result may be longer than what they are given: in each other they double it again and again. */
const GROWING_FUNCTIONS: ReadonlySet<string> = new Set(
  `group_concat hex json json_array json_group_array json_group_object json_object json_quote quote strftime string_agg`.split(
    ' ',
  ),
);

export function isGrowingFunction(name: string): boolean {
  return GROWING_FUNCTIONS.has(name.toLowerCase());
}

export function isQuickFunction(name: string): boolean {
  return QUICK_FUNCTIONS.has(name.toLowerCase());
}

/** One step of SQLite's program; which one it jumps to, if it is one that jumps, and else something else. */
export interface ProgramStep {
  readonly opcode: string;
  readonly jump: number;
}

/** One loop is as long as a list of the text at most; loops in each other are its product. */
export function isQuickProgram(program: readonly ProgramStep[]): boolean {
  return program.filter(({ opcode }) => LOOPS.has(opcode)).length <= 1;
}

/** Of those that are quick: one row at most. */
export function isSingleProgram(program: readonly ProgramStep[]): boolean {
  return program.every(({ opcode }) => !LOOPS.has(opcode));
}

/** Each takes a moment, wherever it stands. `Count`, for one, does not: it goes through a whole table. */
const SHORT_STEPS: ReadonlySet<string> = new Set(
  `Add Affinity BitAnd BitNot BitOr Blob Cast Column Concat Copy DeferredSeek Divide FinishSeek Function Halt IdxRowid Init Int64 Integer IsTrue Move
   Multiply MustBeInt Noop Not Null OpenRead PureFunc Real RealAffinity Remainder ResultRow Rowid SCopy ShiftLeft ShiftRight String String8
   Subtract Transaction Variable`
    .trim()
    .split(/\s+/),
);
const SHORT_JUMPS: ReadonlySet<string> = new Set(
  `DecrJumpZero Eq Ge Goto Gt IdxGE IdxGT IdxLE IdxLT If IfNot IsNull Last Le Lt Ne NotNull Rewind SeekGE SeekGT SeekLE SeekLT`.split(
    ' ',
  ),
);

/**
 * Whether all that it does is one walk along a table or an index, with a row for its client in each round of it: no filter passes
 * rows over, nothing is sorted or added up first. So whoever runs it has the next row at once, or its end.
 */
export function isSteppedProgram(program: readonly ProgramStep[]): boolean {
  const loops = program.flatMap(({ opcode }, at) => (LOOPS.has(opcode) ? [at] : []));
  const [end, another] = loops;
  if (end === undefined || another !== undefined) return false;
  const { opcode: loop, jump: begin } = program[end] ?? { opcode: '', jump: Infinity };
  if ((loop !== 'Next' && loop !== 'Prev') || begin > end) return false;
  const row = program.findIndex(({ opcode }, at) => at >= begin && opcode === 'ResultRow');
  if (row < 0 || row > end) return false;
  return program.every(({ opcode, jump }, at) => {
    if (at === end || SHORT_STEPS.has(opcode)) return true;
    if (!SHORT_JUMPS.has(opcode)) return false;
    if (jump <= at) return isSetUp(program, at);
    const isWithin = at >= begin && at < end;
    return !isWithin || jump <= row || jump > end;
  });
}

/** What sorting, grouping and looking up single rows need besides; each takes a moment, or as long as its table is in a small file. */
const FLAT_STEPS: ReadonlySet<string> = new Set(
  `AddImm AggFinal AggStep CollSeq Compare Count Delete IdxInsert Insert Jump MakeRecord NewRowid NullRow OffsetLimit OpenEphemeral OpenPseudo Return Sequence
   SorterData SorterInsert SorterOpen`
    .trim()
    .split(/\s+/),
);
const FLAT_JUMPS: ReadonlySet<string> = new Set(
  `Found Gosub IfNotZero IfNullRow IfPos NotExists NotFound Once SeekRowid Sort SorterSort`.split(
    ' ',
  ),
);
const FLAT_LOOPS_MAX = 8;
/** A small file may hold some ten thousand rows, and each takes as long as the program is. */
const FLAT_PROGRAM_MAX = 200;

/** Whether it goes through tables or what it has sorted one after the other, and never through one for each row of another. */
export function isFlatProgram(program: readonly ProgramStep[]): boolean {
  const loops = program.flatMap(({ opcode, jump }, end) =>
    LOOPS.has(opcode) ? [{ opcode, begin: jump, end }] : [],
  );
  if (loops.length > FLAT_LOOPS_MAX || program.length > FLAT_PROGRAM_MAX) return false;
  const areApart = loops.every(
    (loop, at) =>
      loop.opcode !== 'VNext' && loop.begin <= loop.end && loop.begin > (loops[at - 1]?.end ?? -1),
  );
  if (!areApart) return false;
  return program.every(({ opcode, jump }, at) => {
    // A text that is put behind another one is copied for each row.
    if (opcode === 'Concat') return false;
    if (LOOPS.has(opcode) || SHORT_STEPS.has(opcode) || FLAT_STEPS.has(opcode)) return true;
    if (!SHORT_JUMPS.has(opcode) && !FLAT_JUMPS.has(opcode)) return false;
    // The step 0 is none that anybody leads to.
    return jump > at || (opcode === 'Last' && jump === 0) || isSetUp(program, at);
  });
}

/** What is set up once stands at the end of a program and leads to its second step. */
function isSetUp(program: readonly ProgramStep[], at: number): boolean {
  const { opcode, jump } = program[at] ?? { opcode: '', jump: 0 };
  return opcode === 'Goto' && jump === 1 && at === program.length - 1;
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
