/** Limits and times of files. Each has a unit. */

const KIB: number = 1024;
const MIB: number = 1024 * 1024;

/** The database that is the catalogue. */
export const CATALOGUE: string = 'moln-files';
/** Objects up to this lie in the catalogue itself. */
export const INLINE_BYTES_MAX: number = 2 * KIB;
export const CHUNK_BYTES: number = 8 * MIB;
export const KEY_BYTES_MAX = 1024;
export const BUCKETS_MAX = 10_000;
export const POLICY_DEFAULT = '2 copies';
/** What was removed or replaced can be had back for so long. */
export const TRASH_MS: number = 24 * 3600 * 1000;
/** S3's own. */
export const PARTS_MAX = 10_000;
export const PART_BYTES_MIN: number = 5 * MIB;
/** An upload that was completed is remembered, so that completing it again gives the same. */
export const UPLOAD_KEPT_MS: number = 24 * 3600 * 1000;
/** An append to a last piece below this rewrites that piece. */
export const TAIL_BYTES: number = 64 * KIB;
/** Queued for the slowest storage that a block is written to. */
export const QUEUED_BYTES_MAX: number = 1 * MIB;
/** The beginning of a block that is kept until it is stored: another storage can take it from the start. */
export const REPLAY_BYTES_MAX: number = 256 * KIB;

/** Changes of one bucket in one transaction. */
export const GROUP_MAX = 64;
/** Rows of one INSERT. */
export const ROWS_PER_INSERT = 200;
/** The catalogue's process is being started again, or a stripe changes its primary. */
export const CATALOGUE_WAIT_MS = 15_000;
export const CATALOGUE_AGAIN_MS = 100;
export const CATALOGUE_ANSWER_MS = 20_000;
/** Questions under way to the catalogue, beyond which others wait and go together. */
export const READS_AT_A_TIME = 4;
export const READS_TOGETHER_MAX = 64;
/** A transaction that another one had to give way to is tried so often. */
export const BUSY_TRIES_MAX = 20;

/** Blocks that are asked for ahead while reading. */
export const LIST_PAGE_MAX = 1000;
/** A process that does not renew its session for so long is taken for dead. */
export const SESSION_MS: number = 5 * 60 * 1000;
export const SESSION_RENEW_MS: number = 60 * 1000;
/** A new session for what begins then, so that what was abandoned becomes garbage. */
export const SESSION_ROLL_MS: number = 10 * 60 * 1000;
