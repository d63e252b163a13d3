/**
 * How long a connection stays after its last answer, so that a reset does not eat the answer: the client reads
 * what is left and closes its side. One that goes on sending, or does not read, is not waited for without end.
 */

/** Without a byte from the client. */
const QUIET_MS = 2000;
/** In all, for a client that goes on sending. */
const MOST_MS = 5000;

export class Linger {
  private readonly unreadMsMax: number;
  /** When the last answer had left. */
  private sentMs: number | undefined;

  /** `unreadMsMax`: for the client to take the last answer. */
  constructor(unreadMsMax: number) {
    this.unreadMsMax = unreadMsMax;
  }

  /** `sent`: the last answer has left; `sinceMs`: the last progress, monotonic like `nowMs`. */
  isOver(sent: boolean, sinceMs: number, nowMs: number): boolean {
    if (!sent) return nowMs - sinceMs >= this.unreadMsMax;
    this.sentMs ??= nowMs;
    const quietMs = nowMs - Math.max(sinceMs, this.sentMs);
    return quietMs >= QUIET_MS || nowMs - this.sentMs >= MOST_MS;
  }
}
