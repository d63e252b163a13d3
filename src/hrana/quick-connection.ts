/**
 * A connection whose requests are what nearly all of a database are, see `WholeRequest`: read from the socket and answered there, for node:http costs
 * several times what a point read does. The first request that is anything else goes to node:http, and the connection with it.
 */
import type { Socket } from 'node:net';
import type { Clock } from '../base/time.ts';
import { formatHttpDate } from '../http/http-date.ts';
import { statusLine } from '../http/status.ts';
import { WholeRequest } from '../http/whole-request.ts';
import { DirectWriter, takeReads } from '../net/net.ts';
import { HttpClient } from './client-presence.ts';
import type { HranaAnswer, HranaRequest } from './http-endpoints.ts';
import { ANSWER_PIECE_BYTES, DEFAULT_LIMITS, QUICK_REQUEST_BYTES_MAX } from './limits.ts';
import { tooLarge } from './node-http.ts';

export interface QuickConnectionOptions {
  readonly socket: Socket;
  readonly clock: Clock;
  /** Whether requests for it are answered with whole bodies. */
  readonly isQuick: (target: string) => boolean;
  /** Never rejects. The path of the request is that of the target still. */
  readonly answer: (request: HranaRequest) => Promise<HranaAnswer>;
  /** Takes the socket over; what was read of it is put back. Whoever does so lets it go on. */
  readonly handOver: (socket: Socket) => void;
  /** It is not this connection's any more: closed, or handed over. */
  readonly onGone: () => void;
  /** Milliseconds, told to clients; see `sweep`. */
  readonly keepAliveMs: number;
}

const NOTHING: Buffer = Buffer.alloc(0);
/** Asked and done with in one go, so one does for all. */
const request = new WholeRequest(QUICK_REQUEST_BYTES_MAX);

export class QuickConnection {
  readonly #options: QuickConnectionOptions;
  readonly #socket: Socket;
  readonly #writer: DirectWriter;
  /** What came and could not be looked at, or was not all there. */
  #held = NOTHING;
  /** Of the request that is being answered. */
  #client: HttpClient | undefined;
  #isOver = false;
  /** Nothing more is looked at. */
  #isEnding = false;
  #wasQuiet = false;
  #release: (() => void) | undefined;
  /** As node:http has it: whoever sends nothing more has left. A client that was killed says no more than that, and its statement has to end. */
  readonly #onEnd = (): void => {
    this.#isEnding = true;
    this.#socket.destroySoon();
  };
  readonly #onClose = (): void => {
    this.#client?.leave();
    this.#leave();
  };
  // "close" follows.
  readonly #onError = (): void => undefined;

  constructor(options: QuickConnectionOptions) {
    this.#options = options;
    this.#socket = options.socket;
    this.#writer = new DirectWriter(options.socket);
  }

  start(): void {
    this.#socket.on('end', this.#onEnd).on('close', this.#onClose).on('error', this.#onError);
    this.#release = takeReads(this.#socket, (buffer, size) => this.#take(buffer, size));
  }

  /** To be called every `keepAliveMs`: ends a connection that has been quiet since the last time. Who is slow with a request goes to node:http, which has times for that. */
  sweep(): void {
    if (this.#client !== undefined || this.#isEnding) return;
    if (this.#held.length > 0) this.#handOver(this.#held);
    else if (this.#wasQuiet) this.#socket.destroySoon();
    this.#wasQuiet = true;
  }

  /** Now, or when its request is answered. */
  close(): void {
    this.#isEnding = true;
    if (this.#client === undefined) this.#socket.destroySoon();
  }

  #take(buffer: Buffer, size: number): void {
    if (this.#isEnding) return;
    this.#wasQuiet = false;
    if (this.#client !== undefined) {
      this.#held = Buffer.concat([this.#held, buffer.subarray(0, size)]);
      // Requests that do not wait for answers are not gathered without end.
      if (this.#held.length > QUICK_REQUEST_BYTES_MAX) this.#socket.pause();
    } else if (this.#held.length === 0) this.#look(buffer, size);
    else {
      const held = Buffer.concat([this.#held, buffer.subarray(0, size)]);
      this.#look(held, held.length);
    }
  }

  #look(buffer: Buffer, size: number): void {
    const look = request.look(buffer, 0, size);
    if (look === 'part') {
      this.#held = Buffer.from(buffer.subarray(0, size));
      return;
    }
    const target = look === 'whole' ? request.head.target : '';
    const authorization = look === 'whole' ? request.field('authorization') : undefined;
    if (look === 'other' || authorization === null || !this.#options.isQuick(target)) {
      this.#handOver(Buffer.from(buffer.subarray(0, size)));
      return;
    }
    const body = Buffer.from(buffer.subarray(request.bodyStart, request.end));
    this.#held = request.end < size ? Buffer.from(buffer.subarray(request.end, size)) : NOTHING;
    const client = new HttpClient();
    this.#client = client;
    const { keepAlive } = request;
    void this.#answer(
      {
        method: 'POST',
        path: target,
        authorization,
        client,
        readBody: (bytesMax) =>
          body.length > bytesMax ? Promise.reject(tooLarge(bytesMax)) : Promise.resolve(body),
      },
      keepAlive,
    );
  }

  async #answer(asked: HranaRequest, keepAlive: boolean): Promise<void> {
    const answer = await this.#options.answer(asked);
    if (!this.#isOver) await this.#send(answer, keepAlive);
    this.#client = undefined;
    this.#wasQuiet = false;
    if (this.#isOver) return;
    if (!keepAlive || this.#isEnding) {
      this.#isEnding = true;
      this.#socket.destroySoon();
      return;
    }
    const held = this.#held;
    this.#held = NOTHING;
    if (held.length > 0) this.#look(held, held.length);
    const isFull = this.#held.length > QUICK_REQUEST_BYTES_MAX;
    if (!this.#isOver && !isFull && this.#socket.isPaused()) this.#socket.resume();
  }

  async #send({ status, type, body, headers }: HranaAnswer, keepAlive: boolean): Promise<void> {
    if (typeof body === 'function') throw new Error('An answer in pieces is not for here');
    const { keepAliveMs, clock } = this.#options;
    let head = `${statusLine(status)}\r\ncontent-type: ${type}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n`;
    for (const name in headers) head += `${name}: ${headers[name]}\r\n`;
    head += keepAlive
      ? `connection: keep-alive\r\nkeep-alive: timeout=${keepAliveMs / 1000}\r\n`
      : 'connection: close\r\n';
    head += `cache-control: no-store\r\nx-content-type-options: nosniff\r\ndate: ${dateNow(clock)}\r\n\r\n`;
    const bytes =
      typeof body === 'string'
        ? Buffer.from(head + body)
        : Buffer.concat([Buffer.from(head), body]);
    for (let at = 0; at < bytes.length; at += ANSWER_PIECE_BYTES) {
      this.#writer.write(bytes.subarray(at, at + ANSWER_PIECE_BYTES), () => undefined);
      if (this.#writer.blocked) await this.#drained();
      if (this.#isOver) return;
    }
  }

  /** Resolves when the client has taken what was written, or is cut because it takes nothing. */
  async #drained(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const socket = this.#socket;
    using _stall = this.#options.clock.after(DEFAULT_LIMITS.answerStallMs, () => socket.destroy());
    socket.once('drain', resolve).once('close', resolve);
    await promise;
    socket.off('drain', resolve).off('close', resolve);
  }

  #handOver(read: Buffer): void {
    const { socket } = this.#options;
    this.#release?.();
    this.#leave();
    socket.off('end', this.#onEnd).off('close', this.#onClose).off('error', this.#onError);
    socket.unshift(read);
    this.#options.handOver(socket);
  }

  #leave(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#options.onGone();
  }
}

let dateSecond = -1;
let dateText = '';

function dateNow(clock: Clock): string {
  const now = clock.now();
  const second = Math.floor(now / 1000);
  if (second !== dateSecond) {
    dateSecond = second;
    dateText = formatHttpDate(now);
  }
  return dateText;
}
