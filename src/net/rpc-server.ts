/**
 * Answers the calls of other nodes on connections that a TLS door has let in. Who the peer is and whether it may
 * come in is asked once a connection, before a byte is answered; what the methods do is their owner's affair.
 */
import { constants, performServerHandshake } from 'node:http2';
import type { IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { isMolnError, messageOf, MolnError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import { NET_RPC_BROKEN, NET_RPC_UNKNOWN_METHOD } from './errors.ts';
import {
  RPC_DEADLINE_MAX_MS,
  RPC_DEADLINE_MS,
  RPC_REFUSAL_LINGER_MS,
  RPC_RETIRED_MS,
  RPC_STREAMS_MAX,
  RPC_WINDOW_BYTES,
} from './limits.ts';
import {
  DEADLINE_HEADER,
  decodeParams,
  encodeBody,
  PARAMS_HEADER,
  readBody,
  STATUS_DONE,
  STATUS_FAILED,
} from './rpc-wire.ts';

export interface RpcContext<Peer> {
  readonly peer: Peer;
  readonly remoteAddress: string | undefined;
  /** Aborted when the caller has gone, its deadline has passed or the server closes. */
  readonly signal: AbortSignal;
}

/** Takes and returns JSON; a `MolnError` travels to the caller, any other error is logged and hidden. */
export type RpcMethod<Peer> = (params: unknown, call: RpcContext<Peer>) => Promise<unknown>;

/** Decides first; what it returns then gets the bytes of both directions and ends the stream by returning. */
export type RpcStreamMethod<Peer> = (
  params: unknown,
  call: RpcContext<Peer>,
) => Promise<(stream: Duplex) => Promise<void>>;

export interface RpcServerOptions<Peer> {
  readonly clock: Clock;
  readonly log: Logger;
  /** Who the peer is; throws a `MolnError` that the peer may read when it must not come in. */
  readonly admit: (socket: TLSSocket) => Promise<Peer>;
  readonly methods: Readonly<Record<string, RpcMethod<Peer>>>;
  readonly streams?: Readonly<Record<string, RpcStreamMethod<Peer>>>;
  /** For a door that lets strangers in. Default: no limit in time, `RPC_STREAMS_MAX` and `RPC_BODY_BYTES_MAX`. */
  readonly limits?: RpcServerLimits;
}

/** What one connection may take. */
export interface RpcServerLimits {
  /** A connection on which nothing moves for so long is cut. */
  readonly idleMs: number;
  readonly streams: number;
  readonly bodyBytes: number;
}

export class RpcServer<Peer> implements AsyncDisposable {
  readonly #options: RpcServerOptions<Peer>;
  readonly #sessions = new Map<ServerHttp2Session, Peer>();
  readonly #waiting = new Set<TLSSocket>();
  /** Counts `drop`, so that who was admitted before it is asked again. */
  #drops = 0;
  #closed = false;

  constructor(options: RpcServerOptions<Peer>) {
    this.#options = options;
  }

  /** For a door's `onConnection`. */
  accept(socket: TLSSocket): void {
    socket.on('error', (error) => this.#failed(error));
    if (this.#closed) {
      socket.destroy();
      return;
    }
    this.#waiting.add(socket);
    socket.once('close', () => this.#waiting.delete(socket));
    void this.#admit(socket);
  }

  /** Peers with an open connection. */
  peers(): readonly Peer[] {
    return [...this.#sessions.values()];
  }

  /** Cuts the connections of those peers at once, with the reason; new ones are up to `admit`. */
  drop(matches: (peer: Peer) => boolean, reason: MolnError): void {
    this.#drops++;
    for (const [session, peer] of this.#sessions) {
      if (!matches(peer)) continue;
      this.#sessions.delete(session);
      this.#refuse(session, reason);
    }
  }

  /** Nothing new comes in over the connections of those peers; what is under way has `RPC_RETIRED_MS` to end. */
  retire(matches: (peer: Peer) => boolean): void {
    this.#drops++;
    for (const [session, peer] of this.#sessions) {
      if (session.closed || !matches(peer)) continue;
      const timer = this.#options.clock.after(RPC_RETIRED_MS, () => session.destroy());
      session.once('close', () => timer[Symbol.dispose]());
      session.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    for (const socket of this.#waiting) socket.destroy();
    for (const session of this.#sessions.keys()) session.destroy();
    this.#sessions.clear();
    await Promise.resolve();
  }

  async #admit(socket: TLSSocket): Promise<void> {
    let peer: Peer | undefined;
    let refusal: MolnError | undefined;
    let drops: number;
    do {
      drops = this.#drops;
      try {
        peer = await this.#options.admit(socket);
      } catch (error) {
        refusal = this.#sentenceOf(error);
      }
    } while (drops !== this.#drops && refusal === undefined);
    if (socket.destroyed) return;
    this.#waiting.delete(socket);
    const { limits } = this.#options;
    const session = performServerHandshake(socket, {
      settings: {
        maxConcurrentStreams: limits?.streams ?? RPC_STREAMS_MAX,
        initialWindowSize: RPC_WINDOW_BYTES,
      },
    });
    if (limits !== undefined) session.setTimeout(limits.idleMs, () => session.destroy());
    session.on('error', (error: Error) => this.#failed(error));
    if (refusal !== undefined) {
      this.#options.log.info('Node refused', { code: refusal.code, reason: refusal.message });
      this.#refuse(session, refusal);
      return;
    }
    const known = peer as Peer;
    this.#sessions.set(session, known);
    session.on('close', () => this.#sessions.delete(session));
    session.on('stream', (stream, headers) => void this.#serve(known, stream, headers));
  }

  #refuse(session: ServerHttp2Session, reason: MolnError): void {
    const { code, message, hint } = reason;
    // Debug data of a GOAWAY (RFC 9113 §6.8) must fit into one frame, so without details.
    const body = JSON.stringify({ code, message, retryable: reason.retryable, hint });
    session.goaway(constants.NGHTTP2_NO_ERROR, 0, Buffer.from(body));
    const timer = this.#options.clock.after(RPC_REFUSAL_LINGER_MS, () => session.destroy());
    session.once('close', () => timer[Symbol.dispose]());
    session.close();
  }

  async #serve(peer: Peer, stream: ServerHttp2Stream, headers: IncomingHttpHeaders): Promise<void> {
    stream.on('error', (error: Error) => this.#failed(error));
    const gone = new AbortController();
    // A caller that hangs up while bytes for it are waiting: nobody will take them, so 'close' alone would never come.
    stream.once('aborted', () => stream.destroy());
    stream.once('close', () => gone.abort(new Error('The caller has gone')));
    const asked = Number(headers[DEADLINE_HEADER]);
    const deadlineMs = asked > 0 && asked <= RPC_DEADLINE_MAX_MS ? asked : RPC_DEADLINE_MS;
    const remoteAddress = stream.session?.socket.remoteAddress;
    const call: RpcContext<Peer> = { peer, remoteAddress, signal: gone.signal };
    const method = String(headers[':path'] ?? '').slice(1);
    const params = headers[PARAMS_HEADER];
    try {
      if (typeof params === 'string') {
        await this.#stream(method, decodeParams(params), call, stream);
        return;
      }
      using _timer = this.#options.clock.after(deadlineMs, () =>
        gone.abort(new Error('The deadline of the caller has passed')),
      );
      const run = own(this.#options.methods, method);
      const bodyBytes = this.#options.limits?.bodyBytes;
      const answer = encodeBody(await run(await readBody(stream, bodyBytes), call));
      if (stream.destroyed) return;
      stream.respond({ ':status': STATUS_DONE });
      stream.end(answer);
    } catch (error) {
      this.#answerError(stream, error);
    }
  }

  async #stream(
    method: string,
    params: unknown,
    call: RpcContext<Peer>,
    stream: ServerHttp2Stream,
  ): Promise<void> {
    const run = await own(this.#options.streams ?? {}, method)(params, call);
    if (stream.destroyed) return;
    stream.respond({ ':status': STATUS_DONE });
    await run(stream);
    if (!stream.writableEnded && !stream.destroyed) stream.end();
  }

  #answerError(stream: ServerHttp2Stream, error: unknown): void {
    if (stream.destroyed) {
      this.#failed(error);
      return;
    }
    const sentence = this.#sentenceOf(error);
    if (stream.headersSent) {
      stream.close(constants.NGHTTP2_INTERNAL_ERROR);
      return;
    }
    stream.respond({ ':status': STATUS_FAILED });
    stream.end(JSON.stringify(sentence));
    // What the caller still sends is not wanted any more; without this it would fill the window and hang.
    stream.resume();
  }

  /** Only expected failures are for the peer's eyes. */
  #sentenceOf(error: unknown): MolnError {
    if (isMolnError(error)) return error;
    this.#options.log.error('A call of another node failed', { error });
    return new MolnError(NET_RPC_BROKEN, 'The other node failed inside', {
      hint: 'See its log with "moln events"',
      retryable: true,
    });
  }

  #failed(error: unknown): void {
    this.#options.log.debug('Connection of another node failed', { reason: messageOf(error) });
  }
}

function own<T>(methods: Readonly<Record<string, T>>, name: string): T {
  const method = Object.hasOwn(methods, name) ? methods[name] : undefined;
  if (method !== undefined) return method;
  throw new MolnError(NET_RPC_UNKNOWN_METHOD, `The other node does not know the call "${name}"`, {
    hint: 'Run the same version of Moln on both nodes',
  });
}
