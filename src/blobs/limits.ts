/** Everything has a limit, and the limit has a name and a unit. */

/** One CRC covers so many bytes of the payload: what a small range read has to read. Part of the format. */
export const BLOCK_BYTES: number = 64 * 1024;
/** Chunks are 8 MiB, at most 64; parts of the system (snapshots) may be larger. */
export const BLOB_BYTES_MAX: number = 16 * 1024 ** 3;
export const FID_CHARACTERS_MAX = 128;
/** `bucket/key`: a key has at most 1,024 bytes, a bucket 63. */
export const NAME_BYTES_MAX = 4096;
export const POLICY_CHARACTERS_MAX = 1024;
/** With the names it goes over the wire as one header, and Node takes 16 KiB of headers. */
export const ABOUT_BYTES_MAX: number = 4 * 1024;
/** The record of names as it is kept. */
export const META_BYTES_MAX: number = 16 * 1024;

/** Bytes that are written with one call. */
export const WRITE_BYTES: number = 512 * 1024;
/** Written bytes of one file that are sent to the disk before its end. */
export const SETTLE_BYTES: number = 2 * 1024 * 1024;

/** Smaller blobs share a file. */
export const PACKED_BYTES_MAX: number = 256 * 1024;
/** Of the file that they share; writing one anew takes up to half of it, which is held back for that. */
export const PACK_BYTES: number = 16 * 1024 * 1024;

/** What was deleted can be got back by hand for so long. */
export const GARBAGE_MS: number = 24 * 3_600_000;
/** What is deleted is looked through this often. */
export const COLLECT_EVERY_MS = 600_000;
/** Free space and the identity of a folder are looked at this often. */
export const LOOK_EVERY_MS = 5000;
/** While one is away, or cannot be written. */
export const LOOK_AGAIN_MS = 1000;

/** With less room a back end counts as full. */
export const FULL_BELOW_BYTES: number = BLOCK_BYTES;

export const LIST_MAX = 10_000;

/** How long one append's entry list may get before it is written anew. */
export const OPEN_ENTRIES_MAX = 4096;

/** Appended to a pack with one sync. */
export const GROUP_BYTES_MAX: number = 4 * 1024 * 1024;
/** Packs that are kept open for reading. */
export const PACKS_OPEN_MAX = 128;
/** Blobs moved at once when a pack is written anew. */
export const MOVES_MAX = 32;

/** While clients are busy, background transfers move this share of what clients move, and at least so many bytes a second. */
export const BACKGROUND_SHARE = 0.1;
export const BACKGROUND_BYTES_PER_SECOND_MIN: number = 4 * 1024 * 1024;
/** Timers of a busy process are late: what the background may move is kept for so long, or it would not get its least. */
export const BACKGROUND_LATE_MS = 100;
/** What beginning a transfer costs, as bytes that are moved. */
export const BLOB_WORK_BYTES: number = 64 * 1024;
/** Clients count as busy for so long after something was done for them: the next request is often on its way, or waits for the catalogue. */
export const CLIENT_GRACE_MS = 100;
/** A transfer that waits looks again so often whether clients have gone. */
export const TURN_LOOK_MS = 10;
/** Whoever waits for a copy of one node from another is told after each so many bytes of it: at the least that the background gets, several times before he gives up. */
export const PROGRESS_BYTES: number = 512 * 1024;

/** A rented storage that does not answer for so long is away. */
export const RENTED_ANSWER_MS: number = 20 * 1000;
/** Who asks how it is hears after so long at the latest that it is away, until it is connected. */
export const RENTED_USAGE_MS = 2000;
/** Blocks of one blob on their way to or from it. */
export const RENTED_AT_ONCE = 16;
/** Of all blobs together: 2 MiB of blocks, as much as `ssh` has under way, so that over 1 Mbit/s each is answered in time. */
export const RENTED_REQUESTS = 32;
/** Objects of a rented bucket that are put at once, each whole in memory, and how large one may be: a block of a file, sealed, is little more than 8 MiB. */
export const RENTED_PUTS = 3;
export const RENTED_PUT_BYTES_MAX: number = 64 * 1024 * 1024;
