/** Flow control (RFC 9113 5.2, 6.9), one direction of one stream or of the connection at a time. */
import { WINDOW_BYTES_MAX } from './codes.ts';

/** What the peer may send. Given back as bytes are used, in portions worth a frame. */
export class ReceiveWindow {
  private readonly size: number;
  private left: number;
  private used = 0;

  /** `size`: what was announced. */
  constructor(size: number) {
    this.size = size;
    this.left = size;
  }

  /** False: more than was allowed. */
  take(bytes: number): boolean {
    this.left -= bytes;
    return this.left >= 0;
  }

  /** So many bytes were used; answers what to give back now, usually nothing. */
  giveBack(bytes: number): number {
    this.used += bytes;
    const { used } = this;
    if (used * 2 < this.size) return 0;
    this.used = 0;
    this.left += used;
    return used;
  }
}

/** What we may send. Below zero after SETTINGS that made it smaller (RFC 9113 6.9.2). */
export class SendWindow {
  left: number;

  constructor(size: number) {
    this.left = size;
  }

  /** False: larger than a window may be. */
  widen(bytes: number): boolean {
    this.left += bytes;
    return this.left <= WINDOW_BYTES_MAX;
  }
}
