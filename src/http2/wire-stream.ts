/** One stream as the wire sees it (RFC 9113 5.1): which sides have ended, what either may send, and what waits to be sent. */
import type { Field } from './field.ts';
import { ReceiveWindow, SendWindow } from './windows.ts';

/** Who serves the stream. */
export interface StreamTaker {
  /** Bytes of the body, valid only during the call. To be followed by `consumed`, at once or later. */
  data(bytes: Buffer, from: number, to: number): void;
  /** The client has sent all. */
  ended(trailers: readonly Field[] | undefined): void;
  /** What waited has gone, after `needsDrain`. */
  drained(): void;
  /** Our side is complete and written, while the client may still send. */
  sent(): void;
  /** Both sides are complete, and all is written. */
  finished(): void;
  /** Broken off, by either side or with the connection: nothing more comes or goes. Not after a regular end. */
  closed(): void;
}

export interface Piece {
  /** Or latin1 text. */
  readonly bytes: Buffer | string;
  /** What of it has gone. */
  at: number;
  /** The bytes may be used for something else. */
  readonly done: (() => void) | undefined;
}

/** How the answer ends, once all pieces are gone. */
export type Ending = 'open' | 'end' | readonly Field[];

export class WireStream {
  readonly id: number;
  taker: StreamTaker | undefined;
  readonly incoming: ReceiveWindow;
  readonly outgoing: SendWindow;
  /** END_STREAM came. */
  remoteEnded: boolean;
  /** END_STREAM has been written. */
  localEnded = false;
  /** Nothing may come or go any more. */
  isClosed = false;
  pieces: Piece[] = [];
  queuedBytes = 0;
  ending: Ending = 'open';
  /** Too much waits: send no more before `drained`. */
  needsDrain = false;

  constructor(
    id: number,
    state: {
      readonly remoteEnded: boolean;
      readonly receiveBytes: number;
      readonly sendBytes: number;
    },
  ) {
    this.id = id;
    this.remoteEnded = state.remoteEnded;
    this.incoming = new ReceiveWindow(state.receiveBytes);
    this.outgoing = new SendWindow(state.sendBytes);
  }

  /** Forgets what waits; its bytes are free. */
  drop(): void {
    this.isClosed = true;
    const { pieces } = this;
    this.pieces = [];
    this.queuedBytes = 0;
    for (const { done } of pieces) done?.();
  }
}
