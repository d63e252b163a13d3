/**
 * A connection whose requests are what nearly all of a database are, see `WholeRequest`: read from the socket and answered there, for node:http costs
 * several times what a point read does. The first request that is anything else goes to node:http, and the connection with it.
 */
import type { Socket } from 'node:net';
import type { Clock } from '../base/time.ts';
import { formatHttpDate } from '../http/http-date.ts';
import { statusLine } from '../http/status.ts';
import { WholeRequest } from '../http/whole-request.ts';
import { RequestConnection } from '../net/net.ts';
import { HttpClient } from './client-presence.ts';
import type { HranaAnswer, HranaRequest } from './http-endpoints.ts';
import { ANSWER_PIECE_BYTES, DEFAULT_LIMITS, QUICK_REQUEST_BYTES_MAX } from './limits.ts';
import { tooLarge } from './node-http.ts';
import { writeSoon } from './outbox.ts';

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

const wholeRequest = new WholeRequest(QUICK_REQUEST_BYTES_MAX);

export class QuickConnection {
  readonly #options: QuickConnectionOptions;
  readonly #connection: RequestConnection<WholeRequest>;
  /** That was quick: a client asks for the same again and again. */
  #target: string | undefined;
  /** Of the request that is being answered. */
  #client: HttpClient | undefined;

  constructor(options: QuickConnectionOptions) {
    this.#options = options;
    this.#connection = new RequestConnection({
      socket: options.socket,
      request: wholeRequest,
      take: (request, bytes) => this.#take(request, bytes),
      handOver: options.handOver,
      onGone: () => {
        this.#client?.leave();
        options.onGone();
      },
    });
  }

  start(): void {
    this.#connection.start();
  }

  /** To be called every `keepAliveMs`. */
  sweep(): void {
    this.#connection.sweep();
  }

  /** Now, or when its request is answered. */
  close(): void {
    this.#connection.end();
  }

  /** False when it is for node:http. */
  #take(request: WholeRequest, bytes: Buffer): boolean {
    const path = request.head.target;
    const authorization = request.field('authorization');
    if (authorization === null || !this.#isQuick(path)) return false;
    const body = Buffer.from(bytes.subarray(request.bodyStart, request.end));
    const client = new HttpClient();
    this.#client = client;
    void this.#answer({
      method: 'POST',
      path,
      authorization,
      client,
      readBody: (bytesMax) => {
        if (body.length > bytesMax) throw tooLarge(bytesMax);
        return body;
      },
    });
    return true;
  }

  #isQuick(target: string): boolean {
    if (target !== this.#target && !this.#options.isQuick(target)) return false;
    this.#target = target;
    return true;
  }

  async #answer(asked: HranaRequest): Promise<void> {
    const answer = await this.#options.answer(asked);
    writeSoon(() => this.#finish(answer));
  }

  #finish(answer: HranaAnswer): void {
    const rest = this.#connection.isOver ? undefined : this.#send(this.#bytesOf(answer), 0);
    if (rest === undefined) this.#finished();
    else void rest.then(() => this.#finished());
  }

  #finished(): void {
    this.#client = undefined;
    this.#connection.answered();
  }

  #bytesOf({ status, type, body, headers }: HranaAnswer): Buffer {
    if (typeof body === 'function') throw new Error('An answer in pieces is not for here');
    const { keepAliveMs, clock } = this.#options;
    let head = `${statusLine(status)}\r\ncontent-type: ${type}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n`;
    for (const name in headers) head += `${name}: ${headers[name]}\r\n`;
    head += this.#connection.isEnding
      ? 'connection: close\r\n'
      : `connection: keep-alive\r\nkeep-alive: timeout=${keepAliveMs / 1000}\r\n`;
    head += `cache-control: no-store\r\nx-content-type-options: nosniff\r\ndate: ${dateNow(clock)}\r\n\r\n`;
    return typeof body === 'string'
      ? Buffer.from(head + body)
      : Buffer.concat([Buffer.from(head), body]);
  }

  /** Undefined when all is written; else it resolves when nothing more is to be done. */
  #send(bytes: Buffer, from: number): Promise<void> | undefined {
    const { writer } = this.#connection;
    for (let at = from; at < bytes.length;) {
      writer.write(bytes.subarray(at, (at += ANSWER_PIECE_BYTES)), nothing);
      if (writer.blocked) return this.#sendRest(bytes, at);
      if (this.#connection.isOver) return undefined;
    }
    return undefined;
  }

  async #sendRest(bytes: Buffer, from: number): Promise<void> {
    await this.#drained();
    if (!this.#connection.isOver) await this.#send(bytes, from);
  }

  /** Resolves when the client has taken what was written, or is cut because it takes nothing. */
  async #drained(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { socket, clock } = this.#options;
    using _stall = clock.after(DEFAULT_LIMITS.answerStallMs, () => socket.destroy());
    socket.once('drain', resolve).once('close', resolve);
    await promise;
    socket.off('drain', resolve).off('close', resolve);
  }
}

const nothing = (): void => undefined;

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
