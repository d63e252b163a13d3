/**
 * A connection of whole requests: one is answered at a time, and what comes meanwhile is held, within bounds. The first request that is
 * not for whoever answers goes to another server, and the connection with it. Knows nothing of how answers are made.
 */
import type { Socket } from 'node:net';
import { BodyPieces } from './body-pieces.ts';
import { takeReads } from './direct-reads.ts';
import { DirectWriter } from './direct-writes.ts';

/** Looks at bytes, one request at a time; `WholeRequest` of `src/http` does. */
export interface RequestLook {
  /** Of head and body. */
  readonly bytesMax: number;
  /** `long`: its head is there, and its body is taken as it comes. `part`: the rest may still come. `other`: for another server. */
  look(buffer: Buffer, from: number, to: number): 'whole' | 'long' | 'part' | 'other';
  /** Where the body begins and one past it, after a look that was `whole` or `long`. */
  readonly bodyStart: number;
  readonly end: number;
  readonly expectsContinue: boolean;
  /** What the client wants of the connection afterwards. */
  readonly keepAlive: boolean;
}

export interface RequestConnectionOptions<R extends RequestLook> {
  readonly socket: Socket;
  /** Asked and done with in one go, so one does for all connections. */
  readonly request: R;
  /**
   * Takes a request, to call `answered` later; or not: then it is for another server. Both are valid during the call. `long`: the body of one
   * that is so; its sender is told to begin when it is read.
   */
  readonly take: (request: R, bytes: Buffer, long: BodyPieces | undefined) => boolean;
  /** Takes the socket over; what was read of it is put back. Whoever does so lets it go on. */
  readonly handOver: (socket: Socket) => void;
  /** It is not this connection's any more: closed, or handed over. */
  readonly onGone: () => void;
}

const NOTHING: Buffer = Buffer.alloc(0);
const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n';
/** Who still sends what is not wanted, and nothing for so long, has had time to read why. */
const LINGER_MS = 5000;

export class RequestConnection<R extends RequestLook> {
  readonly writer: DirectWriter;
  readonly #options: RequestConnectionOptions<R>;
  readonly #socket: Socket;
  /** What came and could not be looked at, or was not all there. */
  #held = NOTHING;
  /** Of the request that is being answered, while it comes. */
  #body: BodyPieces | undefined;
  #isBusy = false;
  #isNew = true;
  #isOver = false;
  /** Ends when nothing is under way any more; nothing more is looked at. */
  #isEnding = false;
  /** Since the last sweep. */
  #wasQuiet = false;
  #release: (() => void) | undefined;
  /** As node:http has it: whoever sends nothing more has left. A client that was killed says no more than that, and its statement has to end. */
  readonly #onEnd = (): void => {
    this.#isEnding = true;
    this.#socket.destroySoon();
  };
  readonly #onClose = (): void => {
    this.#body?.fail(new Error('The client went away'));
    this.#leave();
  };
  // "close" follows.
  readonly #onError = (): void => undefined;

  constructor(options: RequestConnectionOptions<R>) {
    this.#options = options;
    this.#socket = options.socket;
    this.writer = new DirectWriter(options.socket);
  }

  /** A request is being answered. */
  get isBusy(): boolean {
    return this.#isBusy;
  }

  /** No request has been taken yet. */
  get isNew(): boolean {
    return this.#isNew;
  }

  /** No answer is wanted any more. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** The answer that is being made is the last one, as it is while its request has not all come. */
  get isEnding(): boolean {
    return this.#isEnding || this.#body !== undefined;
  }

  /** A part of a request has come, and nothing is being answered. */
  get isWaiting(): boolean {
    return !this.#isBusy && !this.#isEnding && this.#held.length > 0;
  }

  start(): void {
    this.#socket.on('end', this.#onEnd).on('close', this.#onClose).on('error', this.#onError);
    this.#release = takeReads(this.#socket, (buffer, size) => this.#take(buffer, size));
  }

  /**
   * To be called at equal times: ends it when it was quiet meanwhile. Who is slow with a request goes to the other server, which has times for that.
   * A request that is being answered is let be, however long that takes.
   */
  sweep(): void {
    if (this.#isBusy || this.#isEnding) return;
    if (this.isWaiting) this.handOver();
    else if (this.#wasQuiet) this.end();
    this.#wasQuiet = true;
  }

  /** Ends now, or when its request is answered. */
  end(): void {
    this.#isEnding = true;
    if (!this.#isBusy) this.#socket.destroySoon();
  }

  /** The request that was taken has its answer: the next one's turn. */
  answered(): void {
    this.#isBusy = false;
    this.#wasQuiet = false;
    if (this.#isOver) return;
    if (this.#body !== undefined) {
      this.#linger(this.#body);
      return;
    }
    if (this.#isEnding) {
      this.#socket.destroySoon();
      return;
    }
    const held = this.#held;
    this.#held = NOTHING;
    if (held.length > 0) this.#look(held, held.length);
    const isFull = this.#held.length > this.#options.request.bytesMax;
    if (!this.#isOver && !isFull && this.#socket.isPaused()) this.#socket.resume();
  }

  /** With what was read and not looked at; nothing may be under way. */
  handOver(read: Buffer = this.#held): void {
    const socket = this.#socket;
    this.#release?.();
    this.#leave();
    socket.off('end', this.#onEnd).off('close', this.#onClose).off('error', this.#onError);
    socket.unshift(read);
    this.#options.handOver(socket);
  }

  /** Closed with something unread, a connection is reset, and the answer may be lost with it. */
  #linger(body: BodyPieces): void {
    this.#isEnding = true;
    void body.return();
    this.#socket.end();
    this.#socket.setTimeout(LINGER_MS, () => this.#socket.destroy());
  }

  #take(buffer: Buffer, size: number): void {
    if (this.#body !== undefined) {
      this.#fill(this.#body, buffer, { from: 0, to: size });
      return;
    }
    if (this.#isEnding) return;
    if (this.#isBusy) {
      this.#held = Buffer.concat([this.#held, buffer.subarray(0, size)]);
      // Requests that do not wait for answers are not gathered without end.
      if (this.#held.length > this.#options.request.bytesMax) this.#socket.pause();
    } else if (this.#held.length === 0) this.#look(buffer, size);
    else {
      const held = Buffer.concat([this.#held, buffer.subarray(0, size)]);
      this.#look(held, held.length);
    }
  }

  #look(buffer: Buffer, size: number): void {
    const { request } = this.#options;
    const look = request.look(buffer, 0, size);
    if (look === 'part') {
      this.#held = Buffer.from(buffer.subarray(0, size));
      return;
    }
    const { bodyStart, end, keepAlive } = request;
    const body = look === 'long' ? this.#bodyOf(request) : undefined;
    this.#isBusy = look !== 'other' && this.#options.take(request, buffer, body);
    if (!this.#isBusy) {
      this.handOver(Buffer.from(buffer.subarray(0, size)));
      return;
    }
    this.#isNew = false;
    if (!keepAlive) this.#isEnding = true;
    if (body !== undefined) this.#fill(body, buffer, { from: bodyStart, to: size });
    else this.#held = end < size ? Buffer.from(buffer.subarray(end, size)) : NOTHING;
  }

  #bodyOf({ bodyStart, end, expectsContinue }: R): BodyPieces {
    return new BodyPieces({
      socket: this.#socket,
      length: end - bodyStart,
      idleMs: 0,
      readerMs: 0,
      onBegin: () => {
        if (expectsContinue && !this.#isOver) this.writer.writeText(CONTINUE);
      },
      onLeave: () => undefined,
    });
  }

  #fill(body: BodyPieces, bytes: Buffer, { from, to }: { from: number; to: number }): void {
    const end = Math.min(to, from + body.left);
    body.take(bytes, from, end);
    const isWhole = body.left === 0;
    this.#body = isWhole ? undefined : body;
    if (!isWhole) return;
    if (!this.#isBusy) this.#socket.destroySoon();
    else if (end < to) this.#held = Buffer.from(bytes.subarray(end, to));
  }

  #leave(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#options.onGone();
  }
}
