/** Every limit of the run side, with its unit. */

/** Unix uids that Moln gives to apps, one each; no passwd entry is needed. Below Debian's 65534. */
export const UID_FIRST = 61_000;
export const UID_LAST = 64_999;

/** Instances of one process type on one node. */
export const INSTANCES_PER_PROCESS_MAX = 64;
/** Process types of one app. */
export const PROCESS_TYPES_MAX = 20;
/** How long an app may say that its start and its stop take. */
export const START_TIMEOUT_MAX_MS = 600_000;
export const STOP_TIMEOUT_MAX_MS = 300_000;
/** Builds at the same time on one node; the rest wait. */
export const BUILDS_AT_ONCE_MAX = 2;
/** Between two looks at the free space during a build. */
export const BUILD_WATCH_EVERY_MS = 1000;
/** Instances that may be starting at once without an operation, as after a boot. One that takes long does not count. */
export const STARTING_AT_ONCE_MAX = 16;
export const STARTING_COUNTS_MS = 10_000;
/** Domains of one app. */
export const DOMAINS_MAX = 50;
/** Mounted folders of one app. */
export const FOLDERS_MAX = 8;
/** Between two looks at folders that no instance uses any more, and how long one may take to send what was written last. */
export const FOLDERS_EVERY_MS = 5000;
export const FOLDER_SEND_MS = 60_000;
/** How long the process of a fresh mount may take to be seen. */
export const FOLDER_SEEN_MS = 10_000;
/** Settings and secrets of one app, and the size of one value. */
export const ENV_ENTRIES_MAX = 200;
export const ENV_VALUE_BYTES_MAX: number = 32 * 1024;
/** All names and values together; Linux takes 2 MiB for all arguments and settings of a process. */
export const ENV_BYTES_MAX: number = 512 * 1024;

/** Longest path that fits into `sockaddr_un.sun_path` with its NUL (unix(7)). */
export const SOCKET_PATH_BYTES_MAX = 107;

/** Per app process: open files and, by uid, processes and threads. */
export const OPEN_FILES_MAX = 65_536;
export const PROCESSES_PER_APP_MAX = 4096;

/** One health probe, from connect to the head of the answer. */
export const PROBE_TIMEOUT_MS = 5000;
/** Between probes of an instance that starts: first, growing by half each time up to the most. */
export const PROBE_START_FIRST_MS = 20;
export const PROBE_START_MOST_MS = 500;
/** Between probes of a healthy instance. */
export const PROBE_EVERY_MS = 2000;
/** After a failed one. */
export const PROBE_AGAIN_MS = 1000;
/** A time-out that comes this late says that the agent was held up, not the app. */
export const PROBE_STALL_MS = 1000;
/** Failed probes in a row until it counts as unhealthy, and until it is restarted. */
export const FAILURES_UNTIL_UNHEALTHY = 3;
export const FAILURES_UNTIL_RESTART = 6;
/** Between two restarts because of failed probes on one node: a busy machine gets no easier by starting everything anew. */
export const SILENT_RESTART_EVERY_MS = 10_000;
/** A worker is healthy once it has stayed up this long (or its start time-out, if that is shorter). */
export const WORKER_STAYED_UP_MS = 2000;

/** Crash restart: first pause, doubled with each crash in a row up to the most. */
export const BACKOFF_FIRST_MS = 500;
export const BACKOFF_MOST_MS = 60_000;
/** Crashes are forgotten after it was healthy for this long. */
export const STABLE_AFTER_MS = 60_000;
/** New ports tried at once when the app reports that its port is taken. */
export const PORT_RETRIES_MAX = 3;

/** How long a deploy waits for requests that old instances still answer. */
export const DRAIN_TIMEOUT_MS = 30_000;
/** How long an old instance is kept for its open WebSockets and other upgraded connections. */
export const UPGRADED_DRAIN_TIMEOUT_MS = 3_600_000;
/** Between two looks at what is still under way. */
export const DRAIN_POLL_MS = 100;

/** Between two looks at processes that are not our children, at those that are, and between two reconciliations. */
export const WATCH_EVERY_MS = 250;
export const WATCH_CHILD_EVERY_MS = 1000;
export const RECONCILE_EVERY_MS = 1000;

/** An instance's log keeps at least half of this; older bytes are given back to the disk. */
export const LOG_BYTES_MAX: number = 8 * 1024 * 1024;
/** Logs of instances that are gone: how many are kept per app, and how long. */
export const OLD_LOGS_MAX = 20;
export const OLD_LOGS_MAX_AGE_MS: number = 7 * 86_400_000;
/** Between two looks at the size of the logs, and at new lines for a follower. */
export const LOG_CHECK_EVERY_MS = 1000;
export const LOG_FOLLOW_EVERY_MS = 100;
/** Longer lines are cut into pieces of this size. */
export const LOG_LINE_BYTES_MAX: number = 64 * 1024;
/** The tail of a log is looked for in at most so many of its last bytes. */
export const LOG_TAIL_BYTES_MAX: number = 2 * LOG_BYTES_MAX;
/** Lines that one request may ask for. */
export const LOG_TAIL_LINES_MAX = 10_000;
/** Lines that a failed deploy shows. */
export const FAILED_LOG_LINES = 30;

/** Progress items kept for a client that reads slowly. */
export const PROGRESS_QUEUE_MAX = 10_000;
/** Output of `run` and `exec` kept for a client that reads slowly; then the command has to wait. */
export const RUN_QUEUE_BYTES_MAX: number = 1024 * 1024;
/** How long the command of `run` may take to stop when its client went away. */
export const RUN_STOP_TIMEOUT_MS = 5000;
/** Commands that one other node may have under way here: fewer than `RPC_STREAMS_MAX`, so that calls still get through. */
export const FAR_COMMANDS_MAX = 64;

/** Between two looks at the releases in the file store, at one that does not take them, and at whether there is one. */
export const VAULT_LOOK_MS = 600_000;
export const VAULT_AGAIN_MS = 10_000;
export const VAULT_THERE_MS = 5000;
/** Who looks at an app does not wait longer for what the file store has of it. */
export const VAULT_ASK_MS = 2000;
