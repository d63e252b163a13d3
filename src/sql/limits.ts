/** Limits of a database's clients. Each has a unit, and an error names the one that was met. All can be set, so that a test reaches them. */

export interface SqlLimits {
  /** One statement that reads; one that writes is bounded by its stripes. */
  readonly statementMs: number;
  /** A transaction that wants a stripe out of order, while another has it, gives up after so long: they might wait for each other. */
  readonly lockWaitMs: number;
  /** While a stripe changes its primary, a statement outside a transaction is tried again for so long. */
  readonly retryMs: number;
  /** A statement that takes longer is in the log of slow ones. */
  readonly slowMs: number;
  /** Rows and bytes that a statement may need in one place. */
  readonly gatherRowsMax: number;
  readonly gatherBytesMax: number;
  /** What the temporary tables of one session may hold. */
  readonly temporaryBytesMax: number;
  /** Statements that run at a time. */
  readonly queriesMax: number;
}

const MIB: number = 1024 * 1024;

export const DEFAULT_SQL_LIMITS: SqlLimits = {
  statementMs: 30_000,
  lockWaitMs: 1000,
  retryMs: 5000,
  slowMs: 500,
  gatherRowsMax: 1_000_000,
  gatherBytesMax: 256 * MIB,
  temporaryBytesMax: 32 * MIB,
  queriesMax: 20_000,
};

/** Between two attempts. */
export const RETRY_PAUSE_MS = 50;
export const REPLAN_PAUSE_MS = 10;
/** A stripe ends what is idle for two seconds: those that a busy transaction does not use are told earlier that it goes on. */
export const KEEP_HELD_MS = 500;
/** Slow statements that are remembered. */
export const SLOW_KEPT = 100;
/** Characters of a text in lists and logs. */
export const SHOWN_TEXT_MAX = 2000;
/** Rows that go to or come from another thread or process at once: more would keep the event loop from all others. */
export const PORTION_ROWS = 5000;
/** Rows that RETURNING may give back for it to go to a stripe in one call, after which it can no longer be refused. */
export const RETURNED_WHOLE_MAX = 1000;
/** Processes that compute over gathered rows, statements that wait for one, and V8's heap of one; SQLite's own memory comes on top. */
export const GATHERERS_MAX = 3;
export const GATHERS_WAITING_MAX = 1000;
export const GATHER_HEAP_MB = 512;
/** One that has nothing to do for so long ends. */
export const GATHER_IDLE_MS = 30_000;

/** A split of a stripe: clients wait for one step so long, and a little more for the commit. */
export const SPLIT_HOLD_MS = 40;
/**
 * Others that hold stripes are waited for so long, while those behind them wait too; then it is tried again later, with a wait that
 * doubles. The most stays below what a transaction waits for a stripe out of order (`lockWaitMs`), so that it is this one that gives up.
 */
export const SPLIT_WAIT_MS = 50;
export const SPLIT_WAIT_MS_MAX = 800;
export const SPLIT_AGAIN_MS = 100;
/** Between two steps clients have the stripes for as long as the step took, and at least so long. */
export const SPLIT_REST_MS = 20;
/** Keys that move at once before the clock is looked at, rows that one statement reads or removes, and rows of a page. */
export const SPLIT_PORTION_KEYS = 400;
export const SPLIT_CHUNK_ROWS = 200;
export const SPLIT_PAGE_ROWS = 2000;
/** Bytes of the rows of one step: what one transaction may change stays far above. */
export const SPLIT_BYTES_MAX: number = 8 * 1024 * 1024;
/** Keys of rows that are to move, kept in memory at a time. */
export const SPLIT_KEYS_MAX = 1_000_000;
/** Rows of reference tables, which a new stripe gets in one transaction. */
export const SPLIT_REFERENCE_ROWS_MAX = 100_000;
