/**
 * Asks a storage node for bodies, past node:http: that copies what comes into a new buffer for each record of TLS, and to collect them costs
 * more than all else. Here bytes go into pieces that whoever reads them may give back (`piece-pool.ts`). One answer at a time on
 * each connection, which is kept; each answer states its length.
 */
import type { Socket } from 'node:net';
import { messageOf, systemCode } from '../base/errors.ts';
import { PIECE_BYTES_MAX, takePiece } from '../base/piece-pool.ts';
import { BODY, ResponseFraming } from '../http/framing.ts';
import { ResponseHead } from '../http/head.ts';
import { RESPONSE_HEAD_LIMITS } from '../http/limits.ts';
import { takeReads } from '../net/net.ts';
import { type BlobRequest, type BlobResponse, broken } from './wire.ts';

export interface BodyDoorOptions {
  readonly connect: () => Promise<Socket>;
  /** At most so many answers at once, the rest waits. */
  readonly connections: number;
  /** A connection on which nothing moves for so long while an answer is due is given up. */
  readonly idleMs: number;
}

/** A connection that nobody uses for so long is let go of: before the server does it, or a question may be on its way just then. */
const KEPT_MS = 30_000;
/** Whoever reads may take so long over what has come, as for a client on a bad line. Then he is thought to have forgotten it. */
const READER_MS = 600_000;
/** Of the first piece: who waits for it need not wait for a large one. */
const FIRST_BYTES: number = 64 * 1024;
/** That wait to be read; then the sender waits. */
const PIECES_MAX = 2;
const NOTHING: Buffer = Buffer.alloc(0);

export class BodyDoor implements Disposable {
  readonly #options: BodyDoorOptions;
  /** The one that was used last comes first. */
  readonly #kept: Connection[] = [];
  readonly #all = new Set<Connection>();
  /** Answers under way, and who waits for one of them to end. */
  #used = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(options: BodyDoorOptions) {
    this.#options = options;
  }

  /** GET. Resolves with the head of the answer; rejects with `BLOBS_BROKEN`. */
  async ask(request: BlobRequest): Promise<BlobResponse> {
    if (this.#used < this.#options.connections) this.#used++;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await this.#askOne(request);
    } catch (error) {
      this.#leave();
      throw broken(messageOf(error), error);
    }
  }

  [Symbol.dispose](): void {
    for (const connection of this.#all) connection.close();
  }

  async #askOne(request: BlobRequest): Promise<BlobResponse> {
    for (;;) {
      const kept = this.#kept.pop();
      const connection = kept ?? (await this.#open());
      try {
        return await connection.ask(request);
      } catch (error) {
        // The other side closed it at that moment, and has not seen the request.
        if (kept === undefined || !connection.isStale) throw error;
      }
    }
  }

  async #open(): Promise<Connection> {
    const connection = new Connection(await this.#options.connect(), this.#options.idleMs, {
      onFree: () => {
        this.#kept.push(connection);
        this.#leave();
      },
      onGone: (wasRead) => {
        this.#all.delete(connection);
        const at = this.#kept.indexOf(connection);
        if (at >= 0) this.#kept.splice(at, 1);
        if (wasRead) this.#leave();
      },
    });
    this.#all.add(connection);
    return connection;
  }

  /** The place of an answer that has ended goes to who waits. */
  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#used--;
    else next();
  }
}

interface ConnectionEvents {
  /** It takes the next question. */
  readonly onFree: () => void;
  /** `wasRead`: in the middle of a body. */
  readonly onGone: (wasRead: boolean) => void;
}

class Connection {
  readonly #socket: Socket;
  readonly #idleMs: number;
  readonly #events: ConnectionEvents;
  readonly #head = new ResponseHead(RESPONSE_HEAD_LIMITS);
  readonly #framing = new ResponseFraming();
  #asked: PromiseWithResolvers<BlobResponse> | undefined;
  /** Of a head that is not all there. */
  #held = NOTHING;
  #body: Body | undefined;
  #why: Error | undefined;

  constructor(socket: Socket, idleMs: number, events: ConnectionEvents) {
    this.#socket = socket;
    this.#idleMs = idleMs;
    this.#events = events;
    socket.on('error', (error) => (this.#why ??= error));
    socket.on('timeout', () => {
      if (this.#asked !== undefined || this.#body !== undefined)
        this.#why ??= new Error('nothing came for too long');
      socket.destroy();
    });
    socket.on('end', () => socket.destroy());
    socket.once('close', () => this.#gone());
    takeReads(socket, (buffer, size) => this.#take(buffer, size));
  }

  /** It ended before anything of an answer came. */
  get isStale(): boolean {
    const code = systemCode(this.#why);
    const wasClosed = this.#why === undefined || code === 'ECONNRESET' || code === 'EPIPE';
    return this.#socket.destroyed && wasClosed && this.#held.length === 0;
  }

  ask({ method, path, headers }: BlobRequest): Promise<BlobResponse> {
    const asked = Promise.withResolvers<BlobResponse>();
    this.#asked = asked;
    if (this.#socket.destroyed) asked.reject(this.#ended());
    const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    this.#socket.setTimeout(this.#idleMs);
    const head = `${method} ${path} HTTP/1.1\r\nhost: node\r\n${fields.join('')}\r\n`;
    this.#socket.write(head, 'latin1');
    return asked.promise;
  }

  close(): void {
    this.#socket.destroy();
  }

  #ended(): Error {
    return this.#why ?? new Error('the connection ended');
  }

  #give(why: Error): void {
    this.#why ??= why;
    this.#socket.destroy();
  }

  #gone(): void {
    const why = this.#ended();
    this.#events.onGone(this.#body !== undefined);
    this.#asked?.reject(why);
    this.#body?.fail(broken(messageOf(why), why));
  }

  #take(buffer: Buffer, size: number): void {
    this.#socket.setTimeout(this.#idleMs);
    try {
      if (this.#body !== undefined) this.#fill(this.#body, buffer, 0, size);
      else this.#takeHead(buffer, size);
    } catch (error) {
      this.#give(error as Error);
    }
  }

  #takeHead(buffer: Buffer, size: number): void {
    const asked = this.#asked;
    if (asked === undefined) throw new Error('it answered what nobody asked');
    const came = buffer.subarray(0, size);
    const bytes = this.#held.length === 0 ? came : Buffer.concat([this.#held, came]);
    const head = this.#head;
    head.reset(0);
    if (!head.scan(bytes, bytes.length)) {
      this.#held = Buffer.from(bytes);
      return;
    }
    this.#framing.read(head, false);
    const { kind } = this.#framing;
    if (kind !== BODY.length && kind !== BODY.none) throw new Error('its answer has no length');
    const body = new Body(this.#socket, this.#framing.length, this.#idleMs);
    const headers: Record<string, string> = {};
    for (let at = 0; at < head.count; at++)
      headers[head.nameAt(at).toLowerCase()] = head.valueAt(at);
    this.#held = NOTHING;
    this.#asked = undefined;
    this.#body = body;
    asked.resolve({ status: head.status, headers, body });
    this.#fill(body, bytes, head.end, bytes.length);
  }

  #fill(body: Body, bytes: Buffer, from: number, to: number): void {
    if (to - from > body.left) throw new Error('it answered what nobody asked');
    body.take(bytes, from, to);
    if (body.left > 0) return;
    if (!this.#framing.keepAlive) {
      this.#socket.destroy();
      return;
    }
    this.#body = undefined;
    this.#socket.resume();
    this.#socket.setTimeout(KEPT_MS);
    this.#events.onFree();
  }
}

/** The bytes of one answer, at the pace of who reads them. */
class Body implements AsyncIterableIterator<Uint8Array> {
  readonly #socket: Socket;
  readonly #idleMs: number;
  /** Bytes that still have to come. */
  left: number;
  readonly #pieces: Buffer[] = [];
  /** Being filled. */
  #piece: Buffer | undefined;
  #filled = 0;
  #nextBytes = FIRST_BYTES;
  #why: Error | undefined;
  #more: (() => void) | undefined;

  constructor(socket: Socket, length: number, idleMs: number) {
    this.#socket = socket;
    this.#idleMs = idleMs;
    this.left = length;
  }

  take(bytes: Buffer, from: number, to: number): void {
    for (let at = from; at < to;) {
      const piece = (this.#piece ??= takePiece(Math.min(this.left, this.#nextBytes)));
      const copied = bytes.copy(piece, this.#filled, at, to);
      at += copied;
      this.left -= copied;
      this.#filled += copied;
      if (this.#filled === piece.length) this.#put();
    }
  }

  /** What came is given all the same. */
  fail(why: Error): void {
    this.#why = why;
    if (this.#filled > 0) this.#put();
    this.#more?.();
  }

  #put(): void {
    if (this.#piece === undefined) return;
    this.#pieces.push(this.#piece.subarray(0, this.#filled));
    this.#piece = undefined;
    this.#filled = 0;
    this.#nextBytes = PIECE_BYTES_MAX;
    this.#more?.();
    if (this.left === 0 || this.#pieces.length < PIECES_MAX) return;
    this.#socket.pause();
    this.#socket.setTimeout(READER_MS);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    for (;;) {
      const value = this.#pieces.shift();
      if (value !== undefined) {
        if (this.left > 0 && this.#socket.isPaused()) {
          this.#socket.setTimeout(this.#idleMs);
          this.#socket.resume();
        }
        return { done: false, value };
      }
      if (this.left === 0) return { done: true, value: undefined };
      if (this.#why !== undefined) throw this.#why;
      await new Promise<void>((resolve) => (this.#more = resolve));
    }
  }

  /** The rest is not wanted. */
  return(): Promise<IteratorResult<Uint8Array, undefined>> {
    if (this.left > 0) this.#socket.destroy();
    this.#pieces.length = 0;
    return Promise.resolve({ done: true, value: undefined });
  }
}
