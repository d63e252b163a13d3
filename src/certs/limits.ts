/** Limits of certificates and their orders, each with what happens beyond it. */

const SECOND_MS = 1000;
const MINUTE_MS: number = 60 * SECOND_MS;
const HOUR_MS: number = 60 * MINUTE_MS;
const DAY_MS: number = 24 * HOUR_MS;

/** Of a chain or a key as PEM; a longer one is refused. */
export const PEM_CHARACTERS_MAX: number = 64 * 1024;
/** Of a chain; Let's Encrypt sends two or three. */
export const CHAIN_MAX = 10;
/** Certificates that a cluster keeps; a further one is refused. */
export const CERTIFICATES_MAX = 900;

/** Orders under way at once; others wait. */
export const ORDERS_AT_ONCE_MAX = 4;
/** Let's Encrypt takes 300 orders of an account in three hours. */
export const ORDERS_PER_WINDOW_MAX = 250;
export const ORDER_WINDOW_MS: number = 3 * HOUR_MS;

/** Renewed when this part of its life is over, minus a little that differs from host to host. */
export const RENEW_AT_RATIO: number = 2 / 3;
export const RENEW_SPREAD_RATIO = 0.05;

/**
 * Pauses after the first, second, … failure of a host. Let's Encrypt takes five failures of a host in an hour: four come before
 * the first hour is over.
 */
export const BACKOFF_MS: readonly number[] = [
  2 * MINUTE_MS,
  10 * MINUTE_MS,
  40 * MINUTE_MS,
  2 * HOUR_MS,
  6 * HOUR_MS,
  12 * HOUR_MS,
  DAY_MS,
];
/** Of a pause, at random, so that hosts that failed together do not come back together. */
export const BACKOFF_SPREAD_RATIO = 0.2;
/** At least, when the authority asks to wait, or wants none of it. */
export const REFUSED_PAUSE_MS: number = HOUR_MS;
/** While the authority is unreachable or asks to wait, one host at a time is tried, so seldom. */
export const TROUBLED_PAUSE_MS: number = MINUTE_MS;

/** A warning comes so long before the end, or when a third of a shorter life is left. */
export const EXPIRES_SOON_MS: number = 21 * DAY_MS;

/** Of one request to the authority. */
export const REQUEST_TIMEOUT_MS: number = 30 * SECOND_MS;
/** In a row for one request, each with a fresh one (RFC 8555 6.5); then the order has failed. */
export const BAD_NONCES_MAX = 15;
export const ANSWER_BYTES_MAX: number = 1024 * 1024;
/** What the authority may take over one step of an order before it counts as failed. */
export const STEP_TIMEOUT_MS: number = 3 * MINUTE_MS;
/** Between two looks at a step, unless the authority says another time. */
export const LOOK_EVERY_MS: number = SECOND_MS;
export const LOOK_EVERY_MS_MAX: number = 15 * SECOND_MS;

export const HOOK_TIMEOUT_MS: number = 10 * MINUTE_MS;
/** Of its last words, for the sentence. */
export const HOOK_OUTPUT_CHARACTERS_MAX = 500;

/** Keys of session tickets are made anew so often; the former ones are taken for as long again. */
export const TICKET_KEY_LIFE_MS: number = DAY_MS / 2;
export const TICKET_KEYS_KEPT = 3;
