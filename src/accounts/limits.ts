/** Limits of tokens, login codes and sessions. */

export const TOKENS_MAX = 10_000;
export const TOKEN_NAME_LENGTH_MAX = 64;
/** A login link works once, for a quarter of an hour. */
export const LOGIN_TTL_MS: number = 15 * 60_000;
/** Login codes that wait to be used; the oldest ones go first. */
export const LOGINS_MAX = 100;
/** A session ends after 12 hours without use, and after 7 days in any case. */
export const SESSION_IDLE_MS: number = 12 * 3600_000;
export const SESSION_AGE_MAX_MS: number = 7 * 24 * 3600_000;
/** A session's last use is written down at most so often. */
export const SESSION_TOUCH_MS: number = 15 * 60_000;
export const SESSIONS_MAX = 1000;
