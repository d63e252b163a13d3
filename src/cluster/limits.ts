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
