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

/** What is decided about a gathered request; `next` is called with it in the plane's scratch objects. */
export type Decide = (body: Buffer | undefined, goOn: (next: GoOn) => void) => void;

export interface GatherOptions {
  readonly bytesMax: number;
  readonly next: GoOn;
  /** Asked before `next`; `body` is undefined when not all of it was gathered. Calls back once, later. */
  readonly decide?: Decide;
}

/** Gathers the body before an upstream is asked, so that a slow client occupies none. */
export class GatheredRequest extends HeldRequest {
  readonly #parts: Buffer[] = [];
  readonly #bytesMax: number;
  readonly #next: GoOn;
  readonly #decide: Decide | undefined;
  #bytes = 0;
  #isWhole = false;
  #isDecided = false;
  #hasBody = false;

  constructor(connection: Connection, head: RequestHead, options: GatherOptions) {
    super(connection, head);
    this.#bytesMax = options.bytesMax;
    this.#next = options.next;
    this.#decide = options.decide;
  }

  start(): void {
    const { connection } = this;
    this.#isWhole = connection.body.done;
    this.#hasBody = !this.#isWhole;
    const { length } = connection.plane.requestFraming;
    if (this.#isWhole || length > this.#bytesMax || this.#bytesMax === 0) {
      this.#gathered();
      return;
    }
    // An upstream that is not asked yet cannot say that it wants the body.
    if (connection.plane.requestFraming.expectContinue) {
      connection.out.text('HTTP/1.1 100 Continue\r\n\r\n');
    }
  }

  override get holdsBody(): boolean {
    return this.#isDecided;
  }

  override requestBytes(buffer: Buffer, from: number, to: number): void {
    this.#parts.push(Buffer.from(buffer.subarray(from, to)));
    this.#bytes += to - from;
  }

  override requestEnded(): void {
    this.#isWhole = true;
    if (!this.#isDecided) this.#gathered();
  }

  /** The end of an event: what is larger goes on as it comes. */
  override flush(): void {
    if (this.#bytes > this.#bytesMax && !this.#isDecided) this.#gathered();
  }

  /** What comes from now on waits in the kernel. */
  #gathered(): void {
    this.#isDecided = true;
    const body = Buffer.concat(this.#parts);
    if (this.#decide === undefined) {
      this.#pass(body, this.#next);
      return;
    }
    this.#decide(this.#isWhole ? body : undefined, (next) => this.#pass(body, next));
  }

  #pass(body: Buffer, next: GoOn): void {
    const { connection } = this;
    this.goOn((head) => {
      if (body.length > 0 || (this.#hasBody && this.#isWhole)) this.#frame(body);
      next(head);
    });
    connection.passedOn();
  }

  /** The body, or what there is of it, goes with the head. */
  #frame(body: Buffer): void {
    const { plane, shape } = this.connection;
    const { requestFraming: framing } = plane;
    framing.expectContinue = false;
    if (this.#isWhole) {
      framing.kind = BODY.length;
      framing.length = body.length;
    }
    if (shape !== undefined) shape.gathered = body;
  }
}
