/**
 * Asks a storage node for bodies and sends it some, past node:http: that copies what comes into a new buffer for each record of TLS, and to
 * collect them costs more than all else. Here bytes go into pieces that whoever reads them may give back (`piece-pool.ts`). One request at a time on
 * each connection, which is kept; each answer states its length.
 */
import type { Socket } from 'node:net';
import { messageOf, systemCode } from '../base/errors.ts';
import { sentOf } from '../base/piece-pool.ts';
import { BODY, ResponseFraming } from '../http/framing.ts';
import { ResponseHead } from '../http/head.ts';
import { RESPONSE_HEAD_LIMITS } from '../http/limits.ts';
import { BodyPieces, takeReads } from '../net/net.ts';
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

  /**
   * GET, or PUT of a body with a stated length, which is not touched before the node has agreed to take it. Resolves with the head of the answer, which
   * may come before all of a body has gone; rejects with `BLOBS_BROKEN`, or with what the body throws.
   */
  async ask(request: BlobRequest): Promise<BlobResponse> {
    if (this.#used < this.#options.connections) this.#used++;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await this.#askOne(request);
    } catch (error) {
      this.#leave();
      if (error instanceof SourceFailed) throw error.cause;
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

/** What is to be sent cannot be read on: `cause` says why. */
class SourceFailed extends Error {}

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
  /** Waits until the node agrees to take it. */
  #source: AsyncIterable<Uint8Array> | undefined;
  #givesPieces = false;
  #isSending = false;
  /** Sending goes on, or has to end. */
  #onMove: (() => void) | undefined;
  /** Something of the answer came. */
  #isHeard = false;
  /** Of a head that is not all there. */
  #held = NOTHING;
  #body: BodyPieces | undefined;
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
    socket.on('drain', () => this.#onMove?.());
    socket.once('close', () => this.#gone());
    takeReads(socket, (buffer, size) => this.#take(buffer, size));
  }

  /** It ended before anything of an answer came. */
  get isStale(): boolean {
    const code = systemCode(this.#why);
    const wasClosed = this.#why === undefined || code === 'ECONNRESET' || code === 'EPIPE';
    return this.#socket.destroyed && wasClosed && !this.#isHeard;
  }

  ask({ method, path, headers, body, givesPieces = false }: BlobRequest): Promise<BlobResponse> {
    const asked = Promise.withResolvers<BlobResponse>();
    this.#asked = asked;
    this.#source = body;
    this.#givesPieces = givesPieces;
    this.#isHeard = false;
    if (this.#socket.destroyed) asked.reject(this.#ended());
    const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    if (body !== undefined) fields.push('expect: 100-continue\r\n');
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
    this.#asked = undefined;
    this.#onMove?.();
    this.#body?.fail(broken(messageOf(why), why));
  }

  /** Until there is an answer, at the pace of the node. */
  async #send(source: AsyncIterable<Uint8Array>): Promise<void> {
    const socket = this.#socket;
    this.#isSending = true;
    // The first piece is waited for as the others are.
    socket.setTimeout(READER_MS);
    try {
      for await (const piece of source) {
        if (this.#asked === undefined) return;
        socket.setTimeout(this.#idleMs);
        const sent = this.#givesPieces ? sentOf(piece) : undefined;
        if (!socket.write(piece, sent))
          await new Promise<void>((resolve) => (this.#onMove = resolve));
        // Whose turn it is to say something is known only here.
        socket.setTimeout(READER_MS);
      }
      this.#isSending = false;
    } catch (error) {
      // The other side must not take what there is for all of it.
      this.#give(new SourceFailed('', { cause: error }));
    } finally {
      this.#onMove = undefined;
      if (this.#asked !== undefined) socket.setTimeout(this.#idleMs);
    }
  }

  #take(buffer: Buffer, size: number): void {
    this.#socket.setTimeout(this.#idleMs);
    this.#isHeard = true;
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
    this.#held = NOTHING;
    if (head.status < 200) {
      const source = this.#source;
      this.#source = undefined;
      if (head.status === 100 && source !== undefined) void this.#send(source);
      if (head.end < bytes.length)
        this.#takeHead(bytes.subarray(head.end), bytes.length - head.end);
      return;
    }
    this.#framing.read(head, false);
    const { kind, length } = this.#framing;
    if (kind !== BODY.length && kind !== BODY.none) throw new Error('its answer has no length');
    const body = new BodyPieces({
      socket: this.#socket,
      // What a 304 says of its length is that of another answer (RFC 9110 8.6).
      length: kind === BODY.none ? 0 : length,
      idleMs: this.#idleMs,
      readerMs: READER_MS,
      onLeave: () => this.#socket.destroy(),
    });
    const headers: Record<string, string> = {};
    for (let at = 0; at < head.count; at++)
      headers[head.nameAt(at).toLowerCase()] = head.valueAt(at);
    this.#asked = undefined;
    this.#onMove?.();
    this.#body = body;
    asked.resolve({ status: head.status, headers, body });
    this.#fill(body, bytes, head.end, bytes.length);
  }

  #fill(body: BodyPieces, bytes: Buffer, from: number, to: number): void {
    if (to - from > body.left) throw new Error('it answered what nobody asked');
    body.take(bytes, from, to);
    if (body.left > 0) return;
    // Of a body that was refused the other side may still wait for the rest.
    if (!this.#framing.keepAlive || this.#isSending || this.#source !== undefined) {
      this.#socket.destroy();
      return;
    }
    this.#body = undefined;
    this.#socket.resume();
    this.#socket.setTimeout(KEPT_MS);
    this.#events.onFree();
  }
}
