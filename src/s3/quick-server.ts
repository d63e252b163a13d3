/**
 * A server of node:http that reads plain requests itself and answers them past it, for node:http costs as much as all the rest of a small object, and its
 * buffers more than all that is done with a large body: here it comes in pieces that are given back. A connection begins so; the first request that is
 * anything but a plain one (`WholeRequest`) goes to node:http, and the connection with it.
 */
import {
  type IncomingHttpHeaders,
  Server,
  type ServerOptions,
  validateHeaderName,
  validateHeaderValue,
} from 'node:http';
import type { Socket } from 'node:net';
import { giveBack } from '../base/piece-pool.ts';
import type { Clock } from '../base/time.ts';
import type { Answer } from '../http/answer.ts';
import type { FieldScanner } from '../http/head.ts';
import { formatHttpDate } from '../http/http-date.ts';
import { statusLine } from '../http/status.ts';
import { WholeRequest } from '../http/whole-request.ts';
import { type BodyPieces, RequestConnection } from '../net/net.ts';
import type { Incoming } from './incoming.ts';

/** Of head and body, what one read of a socket may bring: a longer body is taken as it comes. */
const REQUEST_BYTES_MAX: number = 64 * 1024;
const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'PUT', 'POST', 'DELETE']);
/** A body up to this goes with its head in one buffer: the copy costs less than a second one. */
const TOGETHER_BYTES_MAX: number = 16 * 1024;
const wholeRequest = new WholeRequest(REQUEST_BYTES_MAX, METHODS, { takesLong: true });

/** Milliseconds. */
export interface QuickTimes {
  /** A new connection that asks nothing is ended after once or twice as long. */
  readonly firstRequestMs: number;
  /** For a head that has begun to come, and up to a quarter more; also where it becomes node:http's after as much of `firstRequestMs`. */
  readonly headMs: number;
  /** Of an answer the client must take something, or of a body send something, within this. */
  readonly stallMs: number;
}

export interface QuickServerOptions extends ServerOptions, QuickTimes {
  readonly keepAliveTimeout: number;
  readonly clock: Clock;
  /** Never rejects. */
  readonly serve: (incoming: Incoming) => Promise<void>;
}

export class QuickServer extends Server {
  readonly #quick = new Set<QuickConnection>();
  readonly #sweeps: DisposableStack = new DisposableStack();

  constructor(options: QuickServerOptions) {
    const { clock, keepAliveTimeout, firstRequestMs, headMs } = options;
    super({ ...options, headersTimeout: headMs, connectionsCheckingInterval: headMs / 4 });
    const takeUsually = this.listeners('connection') as ((this: Server, socket: Socket) => void)[];
    this.removeAllListeners('connection');
    this.on('connection', (socket: Socket) => {
      const connection = new QuickConnection(socket, options, {
        handOver: () => {
          for (const take of takeUsually) take.call(this, socket);
          socket.resume();
        },
        onGone: () => this.#quick.delete(connection),
      });
      this.#quick.add(connection);
      connection.start();
    });
    this.on('listening', () => {
      this.#sweepEvery(clock, firstRequestMs, true);
      this.#sweepEvery(clock, keepAliveTimeout, false);
    });
    this.on('close', () => this.#sweeps.dispose());
  }

  #sweepEvery(clock: Clock, ms: number, isNew: boolean): void {
    const sweep = (): void => {
      for (const connection of this.#quick) if (connection.isNew === isNew) connection.sweep();
    };
    this.#sweeps.use(clock.every(ms, sweep));
  }

  override closeIdleConnections(): void {
    super.closeIdleConnections();
    for (const connection of this.#quick) connection.end();
  }

  override closeAllConnections(): void {
    super.closeAllConnections();
    for (const connection of this.#quick) connection.cut();
  }
}

class QuickConnection {
  readonly #socket: Socket;
  readonly #options: QuickServerOptions;
  readonly #connection: RequestConnection<WholeRequest>;

  constructor(
    socket: Socket,
    options: QuickServerOptions,
    events: { readonly handOver: () => void; readonly onGone: () => void },
  ) {
    this.#socket = socket;
    this.#options = options;
    this.#connection = new RequestConnection({
      socket,
      request: wholeRequest,
      stallMs: options.stallMs,
      take: (request, bytes, long) => this.#take(request, bytes, long),
      ...events,
    });
  }

  get isNew(): boolean {
    return this.#connection.isNew;
  }

  start(): void {
    this.#connection.start();
  }

  /** To be called at equal times. */
  sweep(): void {
    this.#connection.sweep();
  }

  /** Now, or when its request is answered. */
  end(): void {
    this.#connection.end();
  }

  cut(): void {
    this.#socket.destroy();
  }

  /** False when it is for node:http. */
  #take(request: WholeRequest, bytes: Buffer, long: BodyPieces | undefined): boolean {
    const headers = headersOf(request.head);
    if (headers === undefined) return false;
    const { method, target } = request.head;
    const { expectsContinue } = request;
    const body = long ?? only(Buffer.from(bytes.subarray(request.bodyStart, request.end)));
    void this.#options.serve({
      method,
      target,
      headers,
      socket: this.#socket,
      body,
      isComplete: () => long === undefined || long.left === 0,
      write: (answer) => {
        // As with node:http: who waits in vain for 100 might send its body all the same, and clients rely on that.
        if (expectsContinue && long?.hasBegun === false) this.#connection.end();
        return this.#write(method, answer);
      },
      isGone: () => this.#connection.isOver,
      cut: () => this.cut(),
    });
    return true;
  }

  async #write(method: string, answer: Answer): Promise<void> {
    const { status, body, stream } = answer;
    if (this.#connection.isOver) {
      await stream?.[Symbol.asyncIterator]().return?.();
      return;
    }
    const headers: Record<string, string> = { ...answer.headers };
    const bytes = typeof body === 'string' ? Buffer.from(body) : body;
    if (stream === undefined && status !== 204 && status !== 304)
      headers['content-length'] ??= String(bytes?.length ?? 0);
    const head = this.#head(status, headers);
    if (stream !== undefined) await this.#writeStream(head, stream, headers['content-length']);
    else this.#writeWhole(head, method === 'HEAD' ? undefined : bytes);
    // Who asks on and reads nothing is not answered without end.
    if (this.#connection.writer.blocked) await this.#drained();
    this.#connection.answered();
  }

  #head(status: number, headers: Readonly<Record<string, string>>): string {
    const { clock, keepAliveTimeout } = this.#options;
    let head = `${statusLine(status)}\r\n`;
    let isLast = this.#connection.isEnding;
    for (const name in headers) {
      const value = headers[name] ?? '';
      // Names of metadata are what somebody wrote into a form.
      validateHeaderName(name);
      validateHeaderValue(name, value);
      if (name === 'connection') isLast = true;
      else head += `${name}: ${value}\r\n`;
    }
    if (isLast) this.#connection.end();
    head += `Date: ${dateNow(clock)}\r\n`;
    if (isLast) return `${head}Connection: close\r\n\r\n`;
    return `${head}Connection: keep-alive\r\nKeep-Alive: timeout=${keepAliveTimeout / 1000}\r\n\r\n`;
  }

  #writeWhole(head: string, body: Uint8Array | undefined): void {
    const { writer } = this.#connection;
    if (body === undefined || body.length === 0) writer.writeText(head);
    else if (body.length > TOGETHER_BYTES_MAX)
      writer.writeAll([Buffer.from(head, 'latin1'), body], nothing);
    else {
      const bytes = Buffer.allocUnsafe(head.length + body.length);
      bytes.write(head, 'latin1');
      bytes.set(body, head.length);
      writer.write(bytes, nothing);
    }
  }

  async #writeStream(
    head: string,
    stream: AsyncIterable<Uint8Array>,
    length: string | undefined,
  ): Promise<void> {
    const { writer } = this.#connection;
    let left = Number(length);
    writer.writeText(head);
    for await (const piece of stream) {
      if (this.#connection.isOver) break;
      left -= piece.length;
      writer.write(piece, () => giveBack(piece));
      if (writer.blocked) await this.#drained();
    }
    // What the client takes for the rest would be the next answer.
    if (left !== 0) throw new Error(`An answer of ${length} bytes lacks ${left}`);
  }

  /** Resolves when the client has taken what was written, or is cut because it takes nothing. */
  async #drained(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { clock, stallMs } = this.#options;
    let unsent = this.#connection.writer.unsentBytes;
    using _stall = clock.every(stallMs, () => {
      const before = unsent;
      unsent = this.#connection.writer.unsentBytes;
      if (unsent >= before) this.#socket.destroy();
    });
    this.#socket.once('drain', resolve).once('close', resolve);
    await promise;
    this.#socket.off('drain', resolve).off('close', resolve);
  }
}

function nothing(): void {}

/** As node:http has them; undefined when one is there twice, for which it has rules. */
function headersOf(head: FieldScanner): IncomingHttpHeaders | undefined {
  const headers = Object.create(null) as Record<string, string>;
  for (let index = 0; index < head.count; index++) {
    const name = head.nameAt(index).toLowerCase();
    if (name in headers) return undefined;
    headers[name] = head.valueAt(index);
  }
  return headers;
}

async function* only(body: Buffer): AsyncGenerator<Uint8Array, void, undefined> {
  if (body.length > 0) yield await Promise.resolve(body);
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
