/** Named limits of the API. */

export const JSON_BODY_BYTES_MAX: number = 1024 * 1024;
/** A whole JSON body must have arrived within this. */
export const JSON_BODY_TIMEOUT_MS = 30_000;
/** A tar upload may pause this long, not longer. Standard input of `run` may pause for ever. */
export const UPLOAD_IDLE_TIMEOUT_MS = 60_000;
export const HEADER_BYTES_MAX: number = 32 * 1024;
export const HEADERS_TIMEOUT_MS = 10_000;
/** How often slow heads are looked for. */
export const SLOW_HEAD_SWEEP_MS = 1_000;
export const KEEP_ALIVE_TIMEOUT_MS = 65_000;
/** How long the rest of a refused upload is read and dropped, so that the client gets to read the answer. */
export const REFUSED_BODY_LINGER_MS = 3_000;
/** An upload of files from this size on is led past node:http; its connection then ends with it, which is worth it for large ones. */
export const LARGE_UPLOAD_BYTES: number = 1024 * 1024;
export const URL_CHARACTERS_MAX = 16_384;
/** An empty line on every stream this often, so that both ends notice a dead connection. */
export const HEARTBEAT_MS = 10_000;
/**
 * A client that takes nothing of a running deploy for so long counts as gone: the app is locked meanwhile. Logs and figures
 * lock nothing and wait for ever, as a pager wants it.
 */
export const PROGRESS_STALL_MS = 60_000;
/** A stream whose first item is not there by then sends its head and waits on. */
export const FIRST_ITEM_GRACE_MS = 250;
/** What runs on after its client left may hold a closing server up this long. */
export const CLOSE_TIMEOUT_MS = 5_000;

/** Wrong secrets one address may send in a row, and how fast it earns new tries. */
export const FAILED_AUTH_BURST = 30;
export const FAILED_AUTH_REFILL_PER_SECOND = 0.5;
/** Addresses remembered; beyond it the one that failed longest ago is forgotten. */
export const FAILED_AUTH_ADDRESSES_MAX = 10_000;

export const LOG_TAIL_DEFAULT = 100;
export const LOG_TAIL_MAX = 100_000;
export const INSTANCES_PER_PROCESS_MAX = 1_000;
export const DOMAINS_PER_APP_MAX = 100;
export const COMMAND_WORDS_MAX = 1_000;
/** Ten years: a token that shall live longer is made without an end. */
export const TOKEN_TTL_MS_MAX: number = 10 * 365 * 86_400_000;
