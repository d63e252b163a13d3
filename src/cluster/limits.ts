/** Lives of certificates and sizes of names. */

const DAY_MS = 24 * 3600_000;

/** The cluster's root lives ten years. */
export const AUTHORITY_LIFE_MS: number = 3650 * DAY_MS;
/** A node's certificate lives a month and is renewed at two thirds of it. */
export const CERTIFICATE_LIFE_MS: number = 30 * DAY_MS;
export const RENEW_AT_RATIO: number = 2 / 3;
/** Certificates are good from an hour ago, for machines whose clock is behind. */
export const CLOCK_SKEW_MS: number = 3600_000;
/** A DNS label (RFC 1035 §2.3.4). */
export const NODE_NAME_LENGTH_MAX = 63;
/** 2023-01-01: a clock before that was never set, and an authority made by it would have expired when it is. */
export const EARLIEST_NOW_MS: number = 1_672_531_200_000;

/** An invite as text, and the managers that it may name. */
export const INVITE_LENGTH_MAX = 2_048;
export const INVITE_ADDRESSES_MAX = 16;
export const INVITE_TTL_MS: number = 3600_000;
export const INVITE_TTL_MAX_MS: number = 30 * DAY_MS;
export const INVITE_USES_MAX = 1_000;
/** Open and lately ended invites. */
export const INVITES_MAX = 1_000;
/** A joiner that was cut off may come again with the same key for so long after its invite has ended. */
export const INVITE_KEPT_MS: number = DAY_MS;
/** How often ended invites and outlived entries of the deny-list are looked for. */
export const SWEEP_EVERY_MS = 600_000;
/** A forgotten node stays on the deny-list until no certificate of it can be valid any more. */
export const REVOKED_KEPT_MS: number = CERTIFICATE_LIFE_MS + DAY_MS;
/** Good certificates of a node beside its newest: each change of its addresses makes one. */
export const FORMER_CERTIFICATES_MAX = 1000;
/** Addresses of one node, and the length of a label's value. */
export const NODE_ADDRESSES_MAX = 16;
export const LABEL_LENGTH_MAX = 128;
/** Certificate requests are about 500 bytes. */
export const SIGNING_REQUEST_LENGTH_MAX = 8_192;
/** How long the way back to a joiner may take. */
export const REACH_TIMEOUT_MS = 3_000;
/** A join as a whole, connecting back included. */
export const JOIN_DEADLINE_MS = 20_000;
/** Rounds that a commit is tried when other writers are faster. */
export const COMMIT_ROUNDS_MAX = 100;
/** Of one connection to the join door, where anybody may knock: 64 KiB are ample for a request. */
export const JOIN_DOOR_LIMITS = { idleMs: 30_000, streams: 2, bodyBytes: 65_536 } as const;

/** A node with more than 16 TiB of memory is a mistake. */
export const MEMORY_MIB_MAX: number = 16 * 1024 * 1024;
/** Of one node; there is one for each core. */
export const GATEWAY_WORKERS_MAX = 1024;
/** Events beyond it are forgotten, the oldest first. */
export const EVENTS_KEPT = 1000;
