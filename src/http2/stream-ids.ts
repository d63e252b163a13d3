/** Which streams there have been (RFC 9113 5.1, 5.1.1), with a memory for the latest only. */
import { ERROR } from './codes.ts';
import { H2Error } from './h2-error.ts';

/** Ended regularly; only what is said about them later depends on it. */
const ENDED_MAX = 64;
/** Broken off by us: frames that were on their way then are ignored. */
const ABANDONED_MAX = 1000;

export class StreamIds {
  /** The highest that was opened. */
  last = 0;
  private readonly lately = new Int32Array(ENDED_MAX);
  private endedCount = 0;
  private readonly left = new Set<number>();

  opened(id: number): void {
    this.last = id;
  }

  ended(id: number): void {
    this.lately[this.endedCount++ % ENDED_MAX] = id;
  }

  abandoned(id: number): void {
    this.left.add(id);
    if (this.left.size <= ABANDONED_MAX) return;
    for (const oldest of this.left) {
      this.left.delete(oldest);
      return;
    }
  }

  isAbandoned(id: number): boolean {
    return this.left.has(id);
  }

  /** For a frame that opens nothing. Throws H2Error. */
  requireOpened(id: number): void {
    if (id > this.last || id % 2 === 0) {
      throw new H2Error(ERROR.protocol, `A frame for stream ${id}, which was not opened`);
    }
  }

  /** For HEADERS: of a stream that is there or was left, or of a new one. Throws H2Error. */
  requireOpening(id: number, isThere: boolean): void {
    if (isThere || (id % 2 === 1 && id > this.last) || this.left.has(id)) return;
    if (this.lately.includes(id)) {
      throw new H2Error(ERROR.streamClosed, `HEADERS for stream ${id}, which has ended`);
    }
    throw new H2Error(ERROR.protocol, `Stream ${id} cannot be opened`);
  }
}
