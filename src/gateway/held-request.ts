/** A request that waits before it goes on to its target: for a verdict, or for its body. */
import { BODY } from '../http/framing.ts';
import type { RequestHead } from '../http/head.ts';
import type { Connection } from './connection.ts';
import type { Responder } from './responder.ts';

/** Called with the request in the plane's scratch objects. */
export type GoOn = (head: RequestHead) => void;

export class HeldRequest implements Responder {
  protected readonly connection: Connection;
  protected readonly head: RequestHead;
  private gone = false;

  constructor(connection: Connection, head: RequestHead) {
    this.connection = connection;
    // The bytes that the head is in are used again after this event.
    const bytes = Buffer.from(head.buffer.subarray(head.start, head.end));
    this.head = connection.plane.newRequestHead();
    this.head.reset(0);
    this.head.scan(bytes, bytes.length);
    connection.answerBy(this);
  }

  /** Nothing happens when the client has left. */
  goOn(next: GoOn): void {
    const { connection, head, gone } = this;
    if (gone) return;
    this.gone = true;
    connection.plane.requestFraming.read(head);
    connection.plane.target.read(head);
    next(head);
  }

  get holdsBody(): boolean {
    return true;
  }

  requestBytes(_buffer: Buffer, _from: number, _to: number): void {}
  requestEnded(): void {}
  flush(): void {}
  clientDrained(): void {}
  clientEnded(): void {}

  clientClosed(): void {
    this.gone = true;
  }

  sweep(): void {}
}

/** Gathers the body before an upstream is asked, so that a slow client occupies none. */
export class GatheredRequest extends HeldRequest {
  readonly #parts: Buffer[] = [];
  readonly #bytesMax: number;
  readonly #next: GoOn;
  #bytes = 0;
  #isWhole = false;

  constructor(
    connection: Connection,
    head: RequestHead,
    options: { readonly bytesMax: number; readonly next: GoOn },
  ) {
    super(connection, head);
    this.#bytesMax = options.bytesMax;
    this.#next = options.next;
  }

  start(): void {
    const { connection } = this;
    // An upstream that is not asked yet cannot say that it wants the body.
    if (connection.plane.requestFraming.expectContinue) {
      connection.out.text('HTTP/1.1 100 Continue\r\n\r\n');
    }
  }

  override get holdsBody(): boolean {
    return false;
  }

  override requestBytes(buffer: Buffer, from: number, to: number): void {
    this.#parts.push(Buffer.from(buffer.subarray(from, to)));
    this.#bytes += to - from;
  }

  override requestEnded(): void {
    this.#isWhole = true;
    this.#pass();
  }

  /** The end of an event: what is larger goes on as it comes. */
  override flush(): void {
    if (this.#bytes > this.#bytesMax) this.#pass();
  }

  #pass(): void {
    const { connection } = this;
    this.goOn((head) => {
      const { requestFraming: framing } = connection.plane;
      framing.expectContinue = false;
      const body = Buffer.concat(this.#parts);
      if (this.#isWhole) {
        framing.kind = BODY.length;
        framing.length = body.length;
      }
      if (connection.shape !== undefined) connection.shape.gathered = body;
      this.#next(head);
    });
    connection.passedOn();
  }
}
