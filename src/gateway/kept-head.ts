/**
 * The head of a request on its way to an upstream, as bytes: it may have to be sent once more, when the bytes that it was read from
 * are gone. Only requests under way have one.
 */
import { latin1, writeLatin1 } from '../http/latin1.ts';
import type { HeadSink } from './forward-head.ts';
import type { Outbox } from './outbox.ts';

/** Enough for nearly all; others grow, and are not used again. */
const USUAL_BYTES = 2048;
/** Kept for reuse: 1 MiB in all. */
const KEPT_MAX = 512;

const pool: KeptHead[] = [];

export class KeptHead implements HeadSink {
  private bytes: Buffer = Buffer.allocUnsafeSlow(USUAL_BYTES);
  private size = 0;
  /** All of it, as it was asked for last. */
  private view: Buffer = this.bytes;
  /** Sockets that are still writing it. */
  private writers = 0;
  private isGiven = false;
  private readonly written = (): void => {
    this.writers--;
    if (this.isGiven) this.recycle();
  };

  /** An empty one. */
  static take(): KeptHead {
    const taken = pool.pop() ?? new KeptHead();
    taken.size = 0;
    taken.isGiven = false;
    return taken;
  }

  /** It is not needed any more. */
  give(): void {
    this.isGiven = true;
    this.recycle();
  }

  /** Writes it out: as it is when nothing follows at once, else in one piece with that. */
  sendTo(out: Outbox, isAlone: boolean): void {
    if (!isAlone) {
      out.copied(this.bytes, 0, this.size);
      return;
    }
    // Those of one site are often alike, and a view is dearer than the bytes.
    if (this.view.length !== this.size) this.view = this.bytes.subarray(0, this.size);
    this.writers++;
    out.lent(this.view, this.written);
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

  /** A socket that is written to late may hold its bytes for longer than the request does. */
  private recycle(): void {
    if (this.writers > 0 || this.bytes.length !== USUAL_BYTES || pool.length >= KEPT_MAX) return;
    pool.push(this);
  }

  private makeRoom(more: number): void {
    const needed = this.size + more;
    if (needed <= this.bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(2 * needed);
    this.bytes.copy(larger, 0, 0, this.size);
    this.bytes = larger;
    this.view = larger;
  }
}
