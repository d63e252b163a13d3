/** A request as an upstream gets it, and how much of it can be sent once more: its head, and what is held of its body. */
import { chunkLine } from '../http/chunked.ts';
import { KeptHead } from './kept-head.ts';
import { ASKING } from './limits.ts';
import type { Outbox } from './outbox.ts';

/** The upstream did nothing with the request and says so, or never saw it, so it may be sent again whatever its method (RFC 9113 8.7). */
export class UnprocessedError extends Error {
  override readonly name = 'UnprocessedError';
}

/** Reused from request to request. */
export class SentRequest {
  /** Of the body, without its framing. */
  bodyBytes = 0;
  /** Of them, what the head has with it. */
  private heldBytes = 0;
  /** All of it, and what is held of the body, as long as it may be sent again. */
  private head: KeptHead | string = '';

  /** A `KeptHead` is given back when it is not needed any more. */
  begin(head: KeptHead | string): void {
    this.head = head;
    this.bodyBytes = 0;
    this.heldBytes = 0;
  }

  /** Without what is held of the body later on. */
  get headText(): string {
    return this.head.toString();
  }

  /** `isWhole`: nothing follows. */
  sendTo(out: Outbox, isWhole: boolean): void {
    const { head } = this;
    if (typeof head === 'string') out.text(head);
    else head.sendTo(out, isWhole);
  }

  /** Nothing was sent that is not held. */
  get isRepeatable(): boolean {
    return this.bodyBytes === this.heldBytes;
  }

  /** Holds what was just counted, unless it is too much. */
  hold(buffer: Buffer, from: number, to: number, isChunked: boolean): void {
    const { head } = this;
    if (typeof head === 'string') return;
    if (this.bodyBytes > ASKING.heldBytesMax) {
      this.forget();
      return;
    }
    if (isChunked) head.text(chunkLine(to - from));
    head.copied(buffer, from, to);
    if (isChunked) head.text('\r\n');
    this.heldBytes += to - from;
  }

  /** It will not be sent again. */
  forget(): void {
    const { head } = this;
    this.head = '';
    if (typeof head !== 'string') head.give();
  }
}
