/** Limits of the registry. They follow etcd's defaults, and every engine keeps to them. */

/** One etcd transaction takes 128 operations by default, and as many conditions. */
export const OPERATIONS_MAX = 128;
export const CONDITIONS_MAX = 128;
/** etcd refuses requests above 1.5 MiB; larger things belong into blobs. */
export const VALUE_BYTES_MAX: number = 1024 * 1024;
export const KEY_BYTES_MAX = 1024;
/** All keys and values of one commit; the rest of etcd's 1.5 MiB is room for its framing. */
export const COMMIT_BYTES_MAX: number = 1280 * 1024;

/** Shorter ones would end whenever a machine hiccups. An engine may grant more than was asked for. */
export const LEASE_TTL_MIN_MS = 500;
/** 30 days. */
export const LEASE_TTL_MAX_MS: number = 30 * 24 * 3600 * 1000;

/** What watchers may be behind before they have to list again; whichever limit is met first. */
export const HISTORY_REVISIONS_MAX = 10_000;
export const HISTORY_BYTES_MAX: number = 64 * 1024 * 1024;
export const HISTORY_AGE_MAX_MS: number = 60 * 60 * 1000;

/** The whole embedded registry on disk, without its WAL. etcd's default quota is the same. */
export const REGISTRY_BYTES_MAX: number = 2 * 1024 * 1024 * 1024;

/** Commits that share one fsync. */
export const GROUP_COMMITS_MAX = 200;
/** A watcher holds at most so much of the history in memory, and always one whole commit. */
export const WATCH_PAGE_BYTES_MAX: number = 256 * 1024;
export const WATCH_PAGE_CHANGES_MAX = 256;
