/** What a connection can be busy with, and its fixed limits. */

export const CONNECTION: { readonly leavingFreshMs: number; readonly discardBytesMax: number } = {
  /** For the first request of a connection that was accepted just before its listener closed. */
  leavingFreshMs: 1000,
  /** A body that nobody wants is read and thrown away up to this size; beyond it the connection closes. */
  discardBytesMax: 64 * 1024,
};

/** Only in the log and the counters: the client left before its answer began. */
export const STATUS_CLIENT_GONE = 499;

/** What a connection waits for. */
export const STATE = { head: 0, body: 1, busy: 2, closing: 3, tunnel: 4, closed: 5 } as const;
