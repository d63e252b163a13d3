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
/** Buckets that are told of at once, and those that metrics name: the largest. */
export const BUCKETS_TOLD_MAX = 1000;
export const BUCKETS_MEASURED_MAX = 100;
/** Copies are counted at most so often, and so many times rarer than counting takes. */
export const CENSUS_EVERY_MS = 2000;
export const CENSUS_TIMES = 20;
/** Whoever asks for the state of the store waits so long for what is looked up; then what was known before has to do. */
export const LOOK_WITHIN_MS = 2000;
/** Sets of places that blocks of one bucket lie on. */
export const CENSUS_SETS_MAX = 10_000;
/** The sentence of the whole node does not wait longer for it. */
export const TROUBLES_WITHIN_MS = 1000;
/** What was removed or replaced can be had back for so long. */
export const TRASH_MS: number = 24 * 3600 * 1000;
/** S3's own. */
export const PARTS_MAX = 10_000;
export const PART_BYTES_MIN: number = 5 * MIB;
/** An upload that was completed is remembered, so that completing it again gives the same. */
export const UPLOAD_KEPT_MS: number = 24 * 3600 * 1000;
/** An append to a last piece below this rewrites that piece. */
export const TAIL_BYTES: number = 64 * KIB;
/** Blocks of one content that are being made durable while the next one comes. */
export const BLOCKS_ENDING_MAX = 2;
/** Queued for the slowest storage that a block is written to. */
export const QUEUED_BYTES_MAX: number = 1 * MIB;
/** The beginning of a block that is kept until it is stored: another storage can take it from the start. */
export const REPLAY_BYTES_MAX: number = 256 * KIB;

/** Changes of one bucket in one transaction: with more, all clients are in one and the next one has nobody. */
export const GROUP_MAX = 32;
/** Rows of one INSERT. */
export const ROWS_PER_INSERT = 200;
/** The catalogue's process is being started again, or a stripe changes its primary. */
export const CATALOGUE_WAIT_MS = 15_000;
export const CATALOGUE_AGAIN_MS = 100;
export const CATALOGUE_ANSWER_MS = 20_000;
/** A connection to it that nobody uses is kept so long; the database process keeps it twice as long. */
export const CATALOGUE_IDLE_MS = 30_000;
/** Questions under way to the catalogue, beyond which others wait and go together. */
export const READS_AT_A_TIME = 4;
export const READS_TOGETHER_MAX = 64;
/** A transaction that another one had to give way to is tried so often. */
export const BUSY_TRIES_MAX = 20;

/** Blocks that are asked for ahead while reading. */
export const LIST_PAGE_MAX = 1000;
/** The file process is given up after so long without a byte either way, while the agent puts or gets what it keeps there. */
export const OBJECT_SILENT_MS = 30_000;
/** A process that does not renew its session for so long is taken for dead. */
export const SESSION_MS: number = 5 * 60 * 1000;
export const SESSION_RENEW_MS: number = 60 * 1000;
/** A new session for what begins then, so that what was abandoned becomes garbage. */
export const SESSION_ROLL_MS: number = 10 * 60 * 1000;

/** What a key of S3 may do is believed for so long. */
export const KEY_KNOWN_MS = 5000;
/** How old what is known of the storages may get while they are used. */
export const PLACES_EVERY_MS = 5000;
/** A storage that does not answer for so long is lost: its copies are made anew elsewhere. */
export const PLACE_LOST_MS: number = 30 * 60 * 1000;
/** Answers to reads that come by the agent, at once; further ones wait. */
export const API_READS_MAX = 1024;
/** Such an answer may be silent for so long: finding out why an object is where it is asks other nodes. */
export const API_READ_IDLE_MS: number = 10 * 60 * 1000;
/** Who takes nothing of such an answer for so long is cut. */
export const READER_STALL_MS: number = 120 * 1000;
/** The rest of an upload that was refused is dropped for so long, so that the client gets to read why. */
export const REFUSED_BODY_LINGER_MS = 3000;
/** Of a request that the API or a gateway leads on: what they take themselves (32 KiB), and their own fields. */
export const HEAD_BYTES_MAX: number = 40 * KIB;
/** A JSON body. */
export const JSON_BYTES_MAX: number = 1024 * 1024;
/** Blocks that repair looks at in one page, copies that it makes at a time to each place and in one step, and that are known to be due at a time. */
export const REPAIR_PAGE = 500;
export const REPAIR_AT_A_TIME = 4;
export const REPAIR_IN_A_STEP = 64;
export const REPAIR_QUEUED_MAX = 10_000;
/** What was copied within this time is entered together. */
export const COPIES_ENTERED_MS = 1000;
/** It asks so often what other nodes did: policies, the rate, copies found bad. */
export const REPAIR_NEWS_MS: number = 60 * 1000;
/** One rest for the sake of its rate, which may be another one afterwards. */
export const REPAIR_REST_MS = 1000;
/** Blocks move from the fullest place to the emptiest when these differ by more than this share. */
export const MOVE_ABOVE = 0.05;
/** Smaller blocks stay copies: their shares would cost more in rows and requests than they save. */
export const CODED_BYTES_MIN: number = 256 * KIB;
/** Blocks are looked at so often while a policy makes shares of those that have become cold. */
export const COLD_LOOK_EVERY_MS: number = 3600 * 1000;
/** Of a share that is lost, made anew at a time while a client reads it. */
export const REBUILT_BYTES: number = 256 * KIB;
/** What lies in the places is compared with the catalogue so often; first so long after the start. */
export const INVENTORY_EVERY_MS: number = 24 * 3600 * 1000;
export const INVENTORY_FIRST_MS: number = 3600 * 1000;
/** What could not be mended is tried again. */
export const REPAIR_AGAIN_MS: number = 30 * 1000;
/** The catalogue's rows are put into blocks of their own so often when something has changed, and so many times rarer than that takes. */
export const CHECKPOINT_EVERY_MS: number = 10 * 60 * 1000;
export const CHECKPOINT_TIMES = 20;
export const CHECKPOINT_PAGE = 1000;
export const CHECKPOINTS_KEPT = 2;
/** Rows of one page while a catalogue is brought back, blocks at a time, and names that are told of what is not whole. */
export const RECOVER_PAGE = 200;
export const RECOVER_AT_A_TIME = 4;
export const RECOVER_TOLD_MAX = 100;
/** Rows of one round of the collector, and how often it looks. */
export const COLLECT_PAGE = 200;
export const COLLECT_EVERY_MS: number = 60 * 1000;
export const DROP_AGAIN_MS: number = 15 * 1000;
export const DROP_AGAIN_MOST_MS: number = 24 * 3600 * 1000;
export const STOP_TIMEOUT_MS: number = 10 * 1000;
/** A process that says nothing for so long is killed: clients of S3 and WebDAV are connected to it alone, and wait. */
export const HANG_TIMEOUT_MS: number = 10 * 1000;
export const START_AGAIN_MS = 500;
/** A port of a face that another program has is tried again. */
export const FACE_AGAIN_MS: number = 3 * 1000;
/** To the file process of another node. */
export const PEER_CONNECT_MS = 3000;
/** A ticket to a storage; clocks of nodes may differ by nearly so much. */
export const TICKET_MS: number = 10 * 60 * 1000;
/** The first request waits so long for the store to be made and its process to be started. */
export const START_WAIT_MS: number = 60 * 1000;
/** The start of an app asks so long for a folder that it is to find mounted. */
export const FOLDER_ASK_MS: number = 15 * 1000;
/** The start of an app waits so long for what it is to know of S3. */
export const FACE_WAIT_MS: number = 15 * 1000;
export const WATCH_AGAIN_MS = 100;
/** Questions for rows of one bucket that go together, and such questions under way. */
export const LOOKUPS_TOGETHER_MAX = 100;
export const LOOKUPS_AT_A_TIME = 2;
/** Places, nearest first, in which the copies of an object are looked for along with its row. */
export const NEAR_PLACES_MAX = 32;
/** What is known of a bucket before a write is decided may be so old: the commit reads it again. */
export const BUCKET_KNOWN_MS = 1000;
export const BUCKETS_KNOWN_MAX = 10_000;
/** A connection to it on which nothing moves for so long is given up. */
export const PEER_IDLE_MS: number = 15 * 1000;
