/**
 * The head of a request on its way to an upstream, as bytes: it may have to be sent once more, when the bytes that it was read from
 * are gone. Only requests under way have one.
 */
import { latin1, writeLatin1 } from '../http/latin1.ts';
import type { HeadSink } from './forward-head.ts';

/** Enough for nearly all; others grow, and are not used again. */
const USUAL_BYTES = 2048;
/** Kept for reuse: 1 MiB in all. */
const KEPT_MAX = 512;

const pool: KeptHead[] = [];

export class KeptHead implements HeadSink {
  bytes: Buffer = Buffer.allocUnsafeSlow(USUAL_BYTES);
  size = 0;

  /** An empty one. */
  static take(): KeptHead {
    const taken = pool.pop() ?? new KeptHead();
    taken.size = 0;
    return taken;
  }

  /** It is not needed any more. */
  give(): void {
    if (this.bytes.length === USUAL_BYTES && pool.length < KEPT_MAX) pool.push(this);
  }

  text(text: string): void {
    this.makeRoom(text.length);
    this.size += writeLatin1(this.bytes, text, this.size);
  }

  copied(buffer: Buffer, from: number, to: number): void {
    this.makeRoom(to - from);
    this.size += buffer.copy(this.bytes, this.size, from, to);
  }

  toString(): string {
    return latin1(this.bytes, 0, this.size);
  }

  private makeRoom(more: number): void {
    const needed = this.size + more;
    if (needed <= this.bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(2 * needed);
    this.bytes.copy(larger, 0, 0, this.size);
    this.bytes = larger;
  }
}
