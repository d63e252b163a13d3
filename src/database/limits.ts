/**
 * Limits of the database. Each has a unit, and an error names the one that was met. Threads and processes of stripes read them too, so nothing is
 * imported here: the registry's code alone would cost each of them 5 MiB.
 */

/** Client transactions that share one entry of the log. */
export const GROUP_TRANSACTIONS_MAX = 200;
/** What the statements and values of a group may add up to; a single transaction may be larger. */
export const GROUP_BYTES_MAX: number = 256 * 1024;

/** The changes of one entry, packed, that go into the log's own key; more goes into chunks. */
export const ENTRY_INLINE_BYTES_MAX: number = 256 * 1024;
/** The changes of one transaction before they are packed. The session holds them in memory. */
export const TRANSACTION_BYTES_MAX: number = 64 * 1024 * 1024;
/** Rows that one transaction may change. */
export const TRANSACTION_ROWS_MAX = 1_000_000;
/** Statements of one transaction that is sent as a whole. */
export const TRANSACTION_STATEMENTS_MAX = 10_000;
/** Stripes of one transaction: two conditions and two puts each, of the 128 that etcd takes, and one mark. */
export const TRANSACTION_STRIPES_MAX = 63;

/** An interactive transaction holds its stripe: so long between two of its statements, and in all. */
export const TRANSACTION_IDLE_MS = 2000;
export const TRANSACTION_TOTAL_MS = 10_000;
/** A stripe waits so long to be told what became of a transaction over several stripes; then it finds out by itself. */
export const PREPARED_MS = 3000;

/** What a view sees stays in the file so long at most, for meanwhile its write-ahead log cannot be given back. */
export const VIEW_MS_MAX = 600_000;
/** A view that nobody reads from for so long ends before that. */
export const VIEW_IDLE_MS = 120_000;
/** Views that one process for reads keeps open. */
export const VIEWS_PER_PROCESS_MAX = 32;

/** Transactions that wait for one stripe. */
export const WAITING_TRANSACTIONS_MAX = 10_000;

/** One statement that reads. It runs in a process that can be killed, unless it cannot take long. */
export const READ_MS_MAX = 30_000;
/** A digest of a whole file: in turn so long it reads and rests. */
export const DIGEST_WORK_MS = 20;
export const DIGEST_REST_MS = 20;
/** What reading a whole file may take, by its size, on a slow disk. */
export const WHOLE_FILE_MS_MIN = 60_000;
export const WHOLE_FILE_BYTES_PER_SECOND_MIN: number = 1024 * 1024;
/** One statement that writes: checked between rows that it returns; beyond it the stripe counts as stuck. */
export const WRITE_MS_MAX = 30_000;
/** What one statement may return. */
export const ROWS_MAX = 100_000;
export const ROW_BYTES_MAX: number = 64 * 1024 * 1024;
/** The text of a statement. */
export const SQL_BYTES_MAX: number = 1024 * 1024;
/** One value. */
export const VALUE_LENGTH_MAX: number = 32 * 1024 * 1024;
export const PARAMETERS_MAX = 32_766;
/** Nesting of an expression and parts of a UNION. SQLite's own defaults. */
export const EXPRESSION_DEPTH_MAX = 1000;
export const COMPOUND_SELECT_MAX = 500;

/** Statements that a connection keeps prepared. */
export const STATEMENTS_KEPT = 500;

/** Entries that a follower reads at once, and their bytes, unpacked: what a bucket of the log may hold inline. One entry is always read. */
export const READ_ENTRIES_MAX = 256;
export const READ_BYTES_MAX: number = 64 * 1024 * 1024;

/** A primary that has not been heard of for so long may be replaced. The least that etcd grants with its usual timing. */
export const PRIMARY_TTL_MS = 2000;

/** What a primary lends (`loans.ts`) counts for so long by the clock of who borrows, and is over after so long by any other: a fifth more. */
export const LOAN_MS = 500;
export const LOAN_OVER_MS = 600;
/** It lends nothing for so long after an append: what comes next would have to wait until it is given back. */
export const LOAN_QUIET_MS = 100;
/** Two questions within that are worth a loan. */
export const LOAN_BUSY_MS = 100;
/** How often it is asked for one at most, but after one was called back. */
export const LOAN_AGAIN_MS = 200;

/** A log is trimmed behind a snapshot when it has grown by so much since the one before. */
export const SNAPSHOT_AFTER_ENTRIES = 20_000;
export const SNAPSHOT_AFTER_BYTES: number = 64 * 1024 * 1024;
/** Where a file store keeps snapshots, one is also made when something is new since the one before and that is so old: it is all that is left of a cluster whose logs are lost. */
export const SNAPSHOT_AFTER_MS_MIN: number = 3600 * 1000;
export const SNAPSHOT_AFTER_MS_MAX: number = 24 * 3600 * 1000;
/** Of a large stripe more seldom: so many bytes of it in that least time. */
export const SNAPSHOT_BYTES_MAX: number = 16 * 1024 * 1024;
/** What the log of one stripe may hold that is not trimmed yet. All logs together must fit into etcd's quota, 2 GiB by default. */
export const LOG_BYTES_MAX: number = 256 * 1024 * 1024;
/** What is kept of a stripe before its newest snapshot, to go back to: for so long, so many bytes, in so many pieces. */
export const PAST_MS: number = 24 * 3600 * 1000;
export const PAST_BYTES_MAX: number = 1024 * 1024 * 1024;
export const PAST_PIECES_MAX = 48;
/** Entries that stay in the log behind a snapshot, for mirrors that are a little late. */
export const LOG_ENTRIES_KEPT = 1024;
/** Reads of single rows beside the stripe's thread that take longer, so many in a row, find their pages on the disk; the thread reads for so long then. */
export const NEAR_READ_MS_MAX = 5;
export const NEAR_READS_LATE_MAX = 3;
export const NEAR_READS_REST_MS = 1000;
/** A page of a list is read there too, up to so many rows and bytes. */
export const NEAR_ROWS_MAX = 256;
export const NEAR_BYTES_MAX: number = 256 * 1024;
/** In a file that is no larger, going through whole tables takes some milliseconds at most. */
export const NEAR_FILE_BYTES_MAX: number = 256 * 1024;
/** Text and values of a statement that goes through whole tables there: each row may be handled as often as they are long. */
export const NEAR_STATEMENT_BYTES_MAX: number = 4 * 1024;
/** Calls of functions whose results are longer than what they are given: in each other they double it again and again, and nobody can stop that there. */
export const NEAR_GROWING_CALLS_MAX = 2;
/** What looks at a copy that is behind waits so long for it, and then asks the primary. */
export const LOOK_WAIT_MS = 2000;
/** Of one turn of the event loop, so that whoever asks again at once does not keep all others from theirs. */
export const NEAR_READS_PER_TURN = 128;
