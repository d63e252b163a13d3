/**
 * One WebSocket: messages in, answers out, many streams side by side. Requests of one stream are executed in their order,
 * different streams do not wait for each other. Knows no WebSocket library.
 */
import type { Deadlines } from '../base/deadlines.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { Authenticate, Caller, Database } from './database.ts';
import type { Encoded, Encoding } from './encodings.ts';
import { HranaError, isProtocolError, ProtocolError, wireError } from './errors.ts';
import { Budget, execute, readySteps, type ReadyRequest } from './execute.ts';
import type { HranaLimits } from './limits.ts';
import type { ClientMessage, ServerMessage, SocketRequest, SocketResponse } from './model.ts';
import { SocketCursors } from './socket-cursors.ts';
import { StoredSql } from './stored-sql.ts';
import type { StreamQuota } from './stream-quota.ts';
import { Stream } from './stream.ts';

/** https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1 */
export const CLOSE = {
  goingAway: 1001,
  protocolError: 1002,
  wrongFrame: 1003,
  refused: 1008,
} as const;

/** What it asks of a WebSocket. */
export interface MessageSocket {
  /** `sent` is called when the message has left for the network, or never will. */
  send(message: Encoded, sent: () => void): void;
  close(code: number, reason: string): void;
  /** Nothing more is read until `resume`. */
  pause(): void;
  resume(): void;
  readonly unsentBytes: number;
}

export interface SocketConnectionOptions {
  readonly socket: MessageSocket;
  readonly encoding: Encoding;
  readonly database: Database;
  readonly authenticate: Authenticate;
  readonly quota: StreamQuota;
  readonly clock: Clock;
  readonly idle: Deadlines;
  readonly limits: HranaLimits;
  readonly log: Logger;
}

/** A number that a client uses for a stream; without one when it could not be opened. */
interface Slot {
  readonly stream: Stream | undefined;
  readonly error: unknown;
}

export class SocketConnection {
  readonly #options: SocketConnectionOptions;
  readonly #stored: StoredSql;
  readonly #cursors: SocketCursors;
  readonly #slots = new Map<number, Slot>();
  readonly #closings = new Set<Promise<void>>();
  readonly #helloTimer: Disposable;
  #caller: Caller | undefined;
  /** Messages are begun one after the other. */
  #inbound: Promise<void> = Promise.resolve();
  #underWay = 0;
  #isPaused = false;
  #isClosed = false;
  #room: PromiseWithResolvers<void> | undefined;

  constructor(options: SocketConnectionOptions) {
    this.#options = options;
    this.#stored = new StoredSql(options.limits);
    this.#cursors = new SocketCursors(options);
    this.#helloTimer = options.clock.after(options.limits.helloTimeoutMs, () => {
      this.#options.socket.close(CLOSE.refused, 'No hello came in time');
    });
  }

  message(bytes: Uint8Array, isBinary: boolean): void {
    const { socket, encoding, limits } = this.#options;
    if (this.#isClosed) return;
    if (isBinary !== encoding.isBinary) {
      socket.close(CLOSE.wrongFrame, `Messages are ${encoding.isBinary ? 'binary' : 'text'} here`);
      return;
    }
    this.#underWay += 1;
    if (this.#underWay >= limits.requestsUnderWayMax && !this.#isPaused) {
      this.#isPaused = true;
      socket.pause();
    }
    this.#inbound = this.#inbound.then(() => this.#begin(bytes));
  }

  /** The connection is gone. Resolves when all streams are rolled back. */
  async closed(): Promise<void> {
    this.#isClosed = true;
    this.#helloTimer[Symbol.dispose]();
    this.#room?.resolve();
    for (const { stream } of this.#slots.values()) stream?.interrupt();
    await this.#inbound;
    for (const { stream } of this.#slots.values()) void this.#closeStream(stream);
    this.#slots.clear();
    await Promise.all(this.#closings);
  }

  /** Never rejects. What takes long goes on by itself. */
  async #begin(bytes: Uint8Array): Promise<void> {
    const { encoding, limits, socket } = this.#options;
    await this.#waitForRoom();
    if (this.#isClosed) return;
    try {
      const message = encoding.decodeMessage(bytes, limits);
      if (message.type === 'hello') await this.#hello(message.token);
      else this.#request(message);
    } catch (error) {
      const { message } = wireError(error, this.#options.log);
      socket.close(isProtocolError(error) ? CLOSE.protocolError : CLOSE.refused, message);
      this.#isClosed = true;
    }
  }

  async #hello(token: string | undefined): Promise<void> {
    try {
      this.#caller = await this.#options.authenticate(token);
    } catch (error) {
      this.#send({ type: 'hello_error', error: wireError(error, this.#options.log) });
      throw error;
    }
    this.#helloTimer[Symbol.dispose]();
    this.#send({ type: 'hello_ok' });
  }

  #request({ requestId, request }: Extract<ClientMessage, { readonly type: 'request' }>): void {
    if (this.#caller === undefined) throw new ProtocolError('The first message must be "hello"');
    let work: Promise<SocketResponse>;
    try {
      work = this.#start(request, this.#caller);
    } catch (error) {
      if (isProtocolError(error)) throw error;
      work = Promise.reject(error as Error);
    }
    work.then(
      (response) => this.#send({ type: 'response_ok', requestId, response }),
      (error: unknown) =>
        this.#send({
          type: 'response_error',
          requestId,
          error: wireError(error, this.#options.log),
        }),
    );
  }

  /** What must be in the order of the messages is done before it returns. */
  #start(request: SocketRequest, caller: Caller): Promise<SocketResponse> {
    switch (request.type) {
      case 'open_stream':
        this.#openStream(request.streamId, caller);
        break;
      case 'close_stream':
        return this.#close(request.streamId);
      case 'store_sql':
        this.#stored.store(request.sqlId, request.sql);
        break;
      case 'close_sql':
        this.#stored.close(request.sqlId);
        break;
      case 'open_cursor': {
        const steps = readySteps(request.batch, this.#stored);
        const stream = (): Stream => this.#stream(request.streamId);
        return this.#cursors.open(request.cursorId, stream, steps);
      }
      case 'close_cursor':
        return this.#cursors.close(request.cursorId);
      case 'fetch_cursor':
        return this.#cursors.fetch(request.cursorId, request.maxCount);
      case 'execute': {
        const { statement } = request;
        const sql = this.#stored.text(statement.text);
        return this.#run(request.streamId, { type: 'execute', sql, statement });
      }
      case 'batch':
        return this.#run(request.streamId, {
          type: 'batch',
          steps: readySteps(request.batch, this.#stored),
        });
      case 'sequence':
      case 'describe': {
        const sql = this.#stored.text(request.text);
        return this.#run(request.streamId, { type: request.type, sql });
      }
      case 'get_autocommit':
        return this.#run(request.streamId, request);
    }
    return Promise.resolve({ type: request.type });
  }

  #run(streamId: number, ready: ReadyRequest): Promise<SocketResponse> {
    const { limits, log } = this.#options;
    const stream = this.#stream(streamId);
    if (stream.cursor !== undefined) {
      throw new HranaError('HRANA_CURSOR_OPEN', `Stream ${streamId} has an open cursor: close it`);
    }
    const budget = new Budget(limits.answerBytesMax);
    return stream.run((session) =>
      execute(ready, session, { stream, limits, log, budget }),
    ) as Promise<SocketResponse>;
  }

  #stream(streamId: number): Stream {
    const slot = this.#slots.get(streamId);
    if (slot?.stream !== undefined) return slot.stream;
    throw slot?.error ?? new HranaError('STREAM_NOT_FOUND', `There is no stream ${streamId}`);
  }

  #openStream(streamId: number, caller: Caller): void {
    const { quota, limits } = this.#options;
    if (this.#slots.has(streamId)) {
      throw new HranaError(
        'STREAM_EXISTS',
        `There is a stream ${streamId} already: close it before`,
      );
    }
    try {
      if (this.#slots.size >= limits.streamsPerConnectionMax) {
        const words = `At most ${limits.streamsPerConnectionMax} streams are open on one connection`;
        throw new HranaError('HRANA_TOO_MANY_STREAMS', words);
      }
      quota.take(caller.id);
    } catch (error) {
      // The number counts as used until the client closes it, but not without end.
      if (this.#slots.size < 2 * limits.streamsPerConnectionMax) {
        this.#slots.set(streamId, { stream: undefined, error });
      }
      throw error;
    }
    const onClosed = (): void => quota.give(caller.id);
    const stream = new Stream({ ...this.#options, caller, endsWhenIdle: false, onClosed });
    this.#slots.set(streamId, { stream, error: undefined });
  }

  async #close(streamId: number): Promise<SocketResponse> {
    const slot = this.#slots.get(streamId);
    this.#slots.delete(streamId);
    if (slot?.stream !== undefined) this.#cursors.forget(slot.stream);
    // Its requests may not have begun: the client said all of this at once.
    if (slot?.stream !== undefined) await this.#closed(slot.stream.finish());
    return { type: 'close_stream' };
  }

  #closeStream(stream: Stream | undefined): Promise<void> {
    if (stream === undefined) return Promise.resolve();
    return this.#closed(stream.close());
  }

  #closed(end: Promise<void>): Promise<void> {
    const closing = end.finally(() => this.#closings.delete(closing));
    this.#closings.add(closing);
    return closing;
  }

  #send(message: ServerMessage): void {
    if (this.#isClosed) return;
    this.#options.socket.send(this.#options.encoding.encodeMessage(message), () => this.#sent());
  }

  #sent(): void {
    const { socket, limits } = this.#options;
    this.#underWay -= 1;
    if (socket.unsentBytes <= limits.unsentBytesMax) this.#room?.resolve();
    if (this.#isPaused && this.#underWay < limits.requestsUnderWayMax) {
      this.#isPaused = false;
      socket.resume();
    }
  }

  /** A client that does not read its answers gets no more executed. */
  async #waitForRoom(): Promise<void> {
    const { socket, limits } = this.#options;
    while (!this.#isClosed && socket.unsentBytes > limits.unsentBytesMax) {
      this.#room = Promise.withResolvers<void>();
      await this.#room.promise;
    }
  }
}
