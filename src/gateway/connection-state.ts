/** What a connection can be busy with. */

/** Only in the log and the counters: the client left before its answer began. */
export const STATUS_CLIENT_GONE = 499;

/** What a connection waits for. */
export const STATE = { head: 0, body: 1, busy: 2, closing: 3, tunnel: 4, closed: 5 } as const;
