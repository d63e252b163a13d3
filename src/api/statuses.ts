/** Which HTTP status an error code means. Codes are stable, so this table is part of the protocol. */

const EXACT: Readonly<Record<string, number>> = {
  CONFIG_INVALID: 400,
  DISK_FULL: 507,
  API_HOST_UNKNOWN: 421,
  API_METHOD_NOT_ALLOWED: 405,
  API_BODY_TOO_LARGE: 413,
  API_URL_TOO_LONG: 414,
  API_BODY_TYPE: 415,
  API_BODY_TIMEOUT: 408,
  API_TOO_MANY_FAILURES: 429,
  REGISTRY_FULL: 507,
  REGISTRY_OUTCOME_UNKNOWN: 504,
  REGISTRY_OVERLOADED: 503,
  REGISTRY_DENIED: 503,
  APPS_RELEASE_MISSING: 404,
  APPS_ARCHIVE_BROKEN: 400,
  APPS_COMMAND_LOST: 503,
  ROUTES_BUSY: 503,
  ROUTES_HOST_RESERVED: 409,
};

/** Ends of codes of any part, first match wins: `APPS_NOT_FOUND` → 404. */
const ENDINGS: readonly (readonly [RegExp, number])[] = [
  [/(?:^|_)UNAUTHORIZED$/, 401],
  [/(?:^|_)FORBIDDEN$/, 403],
  [/(?:^|_)NOT_FOUND$|(?:^|_)UNKNOWN$/, 404],
  [/(?:^|_)(?:CONFLICT|BUSY|TAKEN|EXISTS|IN_PROGRESS)$/, 409],
  [/(?:^|_)(?:TOO_LARGE|TOO_BIG)$/, 413],
  [/(?:^|_)INVALID$/, 400],
  [/(?:^|_)(?:UNAVAILABLE|AWAY|STOPPING|CLOSED|LEASE_LOST)$/, 503],
  [/(?:^|_)(?:TIMEOUT|TIMED_OUT)$/, 504],
  // The node's own disk and files: nothing that a client sends differently will help.
  [/^SQLITE_|^DISK_|(?:^|_)(?:CORRUPT|DAMAGED|BROKEN|TOO_NEW)$/, 500],
];

/**
 * The status of an expected failure. A code that no row knows is a refusal of a well-formed request, 422.
 */
export function statusOfCode(code: string): number {
  const exact = EXACT[code];
  if (exact !== undefined) return exact;
  return ENDINGS.find(([pattern]) => pattern.test(code))?.[1] ?? 422;
}
