/** Limits and times of databases. Each has a unit. */

/** Databases of one cluster. */
export const DATABASES_MAX = 200;
export const NAME_LENGTH_MAX = 40;
/** One transaction may touch all of them; see `TRANSACTION_STRIPES_MAX` of `src/database`. */
export const STRIPES_MAX = 63;
export const COPIES_MAX = 7;
/** Copies of a database beside those that keep it safe, where its apps run; and how large one may be, in bytes of a node's disk. */
export const NEAR_COPIES_MAX = 8;
export const NEAR_BYTES_MAX: number = 512 * 1024 * 1024;
/** How often it is looked whether a database that was larger is small by now. */
export const NEAR_LOOK_MS: number = 60 * 1000;
/** Stripes that `auto` takes at most. */
export const STRIPES_AUTO_MAX = 8;

/** From the start of the process to its first answer; on a loaded machine the start alone may take seconds. */
export const START_TIMEOUT_MS = 60_000;
export const CONNECT_RETRY_MS = 50;
/** How often the process is asked whether it still turns, and how long that may take. */
export const PING_EVERY_MS = 5000;
export const HANG_TIMEOUT_MS = 30_000;
export const SECOND_MS = 1000;
/** One that says nothing for so long is passed over by those who can ask another one. */
export const SILENT_MS = 3000;
/** Pauses before a process that ended is started again. */
export const BACKOFF_FIRST_MS = 100;
export const BACKOFF_MOST_MS = 10_000;
/** A process that ran for so long earns the first pause again. */
export const STEADY_MS = 30_000;
/** What is open is finished and handed over within this, then the process is killed, which is safe. */
export const STOP_TIMEOUT_MS = 10_000;
/** A question of the agent to the process. */
export const ASK_TIMEOUT_MS = 5000;
/** Of a control message; 200 databases with their copies stay far below it. */
export const CONTROL_BYTES_MAX: number = 16 * 1024 * 1024;
/** So long a client's request waits for a database that is being opened, and how often it looks. */
export const OPENING_MS_MAX = 10_000;
export const OPENING_LOOK_MS = 20;
/** A new database, until every stripe is led. */
export const READY_TIMEOUT_MS = 60_000;

/** A token of a database. */
export const TOKEN_CHARACTERS_MAX = 512;
/** Of one database, whose signatures need not be checked again. */
export const TOKENS_KNOWN_MAX = 1000;
/** How often connections of clients to the API are looked at; see `ApiConnection.sweep`. */
export const API_SWEEP_MS = 30_000;
/** Sockets of clients that the API hands on and that have become WebSockets. */
export const TUNNELS_MAX = 2000;

/** How often a stripe that nobody leads is tried. */
export const LEAD_EVERY_MS = 200;
export const SNAPSHOT_EVERY_MS = 30_000;
/** The file of the embedded log. */
export const LOG_BYTES_MAX: number = 8 * 1024 * 1024 * 1024;

/** To the database process of another node. */
export const PEER_CONNECT_MS = 2000;
/** How often a connection that somebody waits on is looked at, and for how long the other side may say nothing to a ping. */
export const PEER_PING_MS = 1000;
export const PEER_SILENT_MS = 3000;
/** How often a node that leads what has a copy here is asked whether it lives, and for how long it may take. */
export const PULSE_EVERY_MS = 250;
export const PULSE_LATE_MS = 900;
/** So many answers in a row that are late mean what a lease that has ended means. */
export const PULSES_LATE_MAX = 2;
/** A node that could not be reached for so long, or hung up, leads no more. */
export const GONE_AFTER_MS = 400;
/** A node that nobody asks about for so long is not asked any more. */
export const WATCHED_MS = 5000;
/** A call that finds no primary is tried again for so long: another copy takes over meanwhile. */
export const TAKEOVER_MS = 10_000;
export const TAKEOVER_LOOK_MS = 50;
/** A copy here that does not get in so long to what a read must have is left alone for so long: the primary is asked. */
export const HERE_WAIT_MS = 2000;
export const HERE_REST_MS = 5000;
/** A copy that lacks no more entries than that may be handed a stripe, and is asked so often to catch up. */
export const MOVE_LAG_MAX = 50;
export const MOVE_CATCH_UPS = 10;
/** The new primary leads within this, or the old one goes on. */
export const MOVE_TAKE_MS = 3000;
/** A move in all: a transaction that is open comes to its own end first. */
export const MOVE_TIMEOUT_MS = 20_000;
/** After a move of a database that failed. */
export const MOVE_AGAIN_MS = 3000;
/** How often the leader looks at who leads, when nothing else changes. */
export const LEADS_EVERY_MS = 5000;
/** A node that hands over what it leads takes nothing for so long: by then it has stopped, or was not forgotten after all. */
export const LEAVE_MS = 30_000;
/** All moves of a node that stops. */
export const LEAVE_TIMEOUT_MS = 10_000;
/** When the etcd that has the logs has not answered for so long, statements that need it are refused within moments. An election takes up to five. */
export const LOGS_SILENT_MS = 5000;
/** The standby's copy has a commit of the logs within this, or it is asked again. */
export const MIRRORED_WITHIN_MS = 5000;
/** A commit that the standby has not confirmed for so long is said to be unknown; the leader says long before that it is away. */
export const CONFIRM_MS_MAX = 90_000;
/** A standby whose copy of the logs is longer in coming is asked again. */
export const CAUGHT_UP_TIMEOUT_MS = 8000;
/** As `CONFIRM_MS_MAX`, while the process ends. */
export const LEAVING_CONFIRM_MS = 2000;
/** A piece of a snapshot on its way to another node. */
export const SNAPSHOT_PIECE_BYTES: number = 4 * 1024 * 1024;
/** A copy that is not the preferred one looks less often by so much for each before it. */
export const PREFERENCE_MS = 150;
/** Entries that a copy may lack and still counts as one that has everything. */
export const COPY_LAG_MAX = 100;
/** Pauses before a copy that could not be filled beside is tried again. */
export const FILL_AGAIN_FIRST_MS = 1000;
export const FILL_AGAIN_MOST_MS = 60_000;
/** How often it is noted what a database has, so that one can go back to it; what is older is thinned out. */
export const MARK_EVERY_MS = 5000;
export const MARKS_FINE_MS: number = 3600 * 1000;
export const MARKS_COARSE_MS: number = 60 * 1000;
/** How far back one can go at most; the log of a database with many writes reaches less far. */
export const RESTORE_WINDOW_MS: number = 24 * 3600 * 1000;
export const RESTORE_TIMEOUT_MS: number = 10 * 60 * 1000;
/** The file store is given up after so long without a byte either way, while a snapshot is put or had back. */
export const VAULT_SILENT_MS = 30_000;
/** Between two looks whether there are new snapshots to put there, at one that does not take them, and at whether there is one. */
export const VAULT_LOOK_MS = 10_000;
export const VAULT_AGAIN_MS = 10_000;
export const VAULT_THERE_MS = 5000;
/** How often it is looked what is there: of each stripe, and of dropped databases. */
export const VAULT_LIST_MS: number = 3600 * 1000;
export const VAULT_SWEEP_MS: number = 600 * 1000;
/** How often copies are compared; how often it is looked whether some are due; and when those that could not be are tried again. */
export const SCRUB_EVERY_MS: number = 24 * 3600 * 1000;
export const SCRUB_LOOK_MS: number = 60 * 1000;
export const SCRUB_AGAIN_MS: number = 3600 * 1000;
/** Read levels that clients of one database name in their address, with and without tokens. */
export const WIRES_MAX = 40;
/** How often it is looked whether a stripe is to be split. */
export const SPLIT_LOOK_MS = 500;
/** For figures of the log. */
export const LOG_ANSWER_MS = 1500;
