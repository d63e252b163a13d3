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
  /** Of a long body something must come within this while it is waited for; and of one that nobody wants, while it is dropped. Default: for ever. */
  readonly stallMs?: number;
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
  /** Of a long body. */
  #stallMs: number;
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
    this.#body?.fail(Object.assign(new Error('The client went away'), { code: 'ECONNRESET' }));
    this.#leave();
  };
  /** Without anything that moves nobody would begin the time anew. */
  readonly #onTimeout = (): void => {
    if (this.#isBusy && this.#body?.isAwaited !== true) this.#socket.setTimeout(this.#stallMs);
    else this.#socket.destroy();
  };
  // "close" follows.
  readonly #onError = (): void => undefined;

  constructor(options: RequestConnectionOptions<R>) {
    this.#options = options;
    this.#socket = options.socket;
    this.#stallMs = options.stallMs ?? 0;
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

  /** The answer that is being made is the last one. */
  get isEnding(): boolean {
    return this.#isEnding;
  }

  /** Something of the body of its request is still to come. What nobody reads is dropped after the answer, unless that is the last one. */
  get isReceiving(): boolean {
    return this.#body !== undefined;
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
    if (this.#isBusy || this.#isEnding || this.isReceiving) return;
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
    if (this.#body !== undefined) this.#drop(this.#body);
    else this.#next();
  }

  #next(): void {
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
  #drop(body: BodyPieces): void {
    void body.return();
    if (this.#isEnding) {
      this.#stallMs = LINGER_MS;
      this.#socket.end();
    }
    this.#socket.setTimeout(this.#stallMs);
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
    this.#held = end < size ? Buffer.from(buffer.subarray(end, size)) : NOTHING;
    if (body === undefined) return;
    this.#socket.on('timeout', this.#onTimeout);
    this.#fill(body, buffer, { from: bodyStart, to: size });
  }

  #bodyOf({ bodyStart, end, expectsContinue }: R): BodyPieces {
    return new BodyPieces({
      socket: this.#socket,
      length: end - bodyStart,
      idleMs: this.#stallMs,
      readerMs: 0,
      onBegin: () => {
        if (expectsContinue && !this.#isOver) this.writer.writeText(CONTINUE);
      },
      onLeave: () => undefined,
    });
  }

  #fill(body: BodyPieces, bytes: Buffer, { from, to }: { from: number; to: number }): void {
    const end = Math.min(to, from + body.left);
    this.#body = body;
    this.#socket.setTimeout(this.#stallMs);
    body.take(bytes, from, end);
    if (body.left > 0) return;
    this.#body = undefined;
    this.#socket.off('timeout', this.#onTimeout).setTimeout(0);
    this.#held = end < to ? Buffer.from(bytes.subarray(end, to)) : NOTHING;
    if (!this.#isBusy) this.#next();
  }

  #leave(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#options.onGone();
  }
}
