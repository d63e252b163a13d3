/**
 * Calls another node: one connection, made when it is needed and again after it broke. Nothing is repeated by
 * itself, because only the caller knows whether that is harmless.
 */
import { X509Certificate } from 'node:crypto';
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2';
import type { IncomingHttpStatusHeader, OutgoingHttpHeaders } from 'node:http2';
import type { Duplex } from 'node:stream';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { MolnError } from '../base/errors.ts';
import { type Clock, withDeadline } from '../base/time.ts';
import type { TlsCredentials } from './first-byte.ts';
import {
  RPC_CONNECT_TIMEOUT_MS,
  RPC_DEADLINE_MS,
  RPC_PING_EVERY_MS,
  RPC_PING_TIMEOUT_MS,
  RPC_RETIRE_AFTER_MS,
  RPC_RETIRED_MS,
  RPC_WINDOW_BYTES,
} from './limits.ts';
import { broken, connectFailed, deadlinePassed, wrongProtocol } from './rpc-failures.ts';
import {
  DEADLINE_HEADER,
  encodeBody,
  encodeParams,
  errorOf,
  PARAMS_HEADER,
  readBody,
  STATUS_DONE,
} from './rpc-wire.ts';

/** Where and how to connect; asked for each connection, so that renewed credentials are used. */
export interface RpcTarget {
  readonly address: string;
  readonly port: number;
  /** ALPN. */
  readonly protocol: string;
  /** PEM of the only authority that is trusted. */
  readonly authority: string;
  /** Absent: the connection has no certificate of its own. */
  readonly credentials?: TlsCredentials;
  /** The chain is good: may it be this one? An error refuses it, before anything was sent. */
  readonly checkServer: (certificate: X509Certificate) => MolnError | undefined;
}

export interface RpcCallOptions {
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal;
}

export class RpcClient implements AsyncDisposable {
  readonly #clock: Clock;
  readonly #target: () => RpcTarget;
  #session: Promise<ClientHttp2Session> | undefined;
  #open: ClientHttp2Session | undefined;
  /** What the other side said when it hung up. */
  #farewell: MolnError | undefined;
  readonly #retired = new Set<ClientHttp2Session>();
  #closed = false;
  /** Calls and streams under way. */
  #underWay = 0;
  /** Of the newest connection; called when a call begins. */
  #watchOver: () => void = () => {};

  constructor(options: { readonly clock: Clock; readonly target: () => RpcTarget }) {
    this.#clock = options.clock;
    this.#target = options.target;
  }

  /**
   * Resolves when the other node has answered inside the connection. In TLS 1.3 a client is through with its handshake
   * before the server has looked at its certificate, so nothing less says that it was let in.
   */
  async connect(): Promise<void> {
    await this.#ready();
  }

  /** JSON in, JSON out. Throws the other side's `MolnError`, or `NET_RPC_…`. */
  async call(method: string, params: unknown, options: RpcCallOptions = {}): Promise<unknown> {
    const deadlineMs = options.deadlineMs ?? RPC_DEADLINE_MS;
    const body = encodeBody(params);
    const stream = await this.#request(method, { [DEADLINE_HEADER]: deadlineMs }, deadlineMs);
    using _timer = this.#clock.after(deadlineMs, () =>
      stream.destroy(deadlinePassed(method, this.#target(), deadlineMs)),
    );
    using _abort = cancelOn(options.signal, stream);
    stream.end(body);
    // Awaited here, or the deadline would end with this function.
    return await this.#answerOf(stream, method);
  }

  /** A stream of bytes in both directions, with the other side's consent; the deadline is that of the consent. */
  async open(method: string, params: unknown, options: RpcCallOptions = {}): Promise<Duplex> {
    const deadlineMs = options.deadlineMs ?? RPC_DEADLINE_MS;
    const sent = { [PARAMS_HEADER]: encodeParams(params) };
    const stream = await this.#request(method, sent, deadlineMs);
    // Node throws away what a stream has got when the other side is done before anybody has begun to read it, and all of
    // it may come at once with the head.
    stream.read(0);
    const abort = cancelOn(options.signal, stream);
    stream.once('close', () => abort[Symbol.dispose]());
    using _timer = this.#clock.after(deadlineMs, () =>
      stream.destroy(deadlinePassed(method, this.#target(), deadlineMs)),
    );
    const headers = await this.#headersOf(stream, method);
    if (headers[':status'] === STATUS_DONE) return stream;
    const refusal = await this.#errorFrom(stream, method);
    stream.close(constants.NGHTTP2_CANCEL);
    throw refusal;
  }

  /** Calls from now on get a new connection, as when credentials were renewed; those under way have `RPC_RETIRED_MS` to end. */
  renew(): void {
    const session = this.#session;
    this.#session = undefined;
    session?.then(
      (open) => this.#retire(open),
      () => {},
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#open?.destroy();
    for (const session of this.#retired) session.destroy();
    await this.#session?.then(
      (session) => session.destroy(),
      () => {},
    );
  }

  async #request(
    method: string,
    headers: OutgoingHttpHeaders,
    deadlineMs: number,
  ): Promise<ClientHttp2Stream> {
    // Connecting may take longer than the caller waits; it goes on, for the next call.
    const late = (): MolnError => deadlinePassed(method, this.#target(), deadlineMs);
    const session = await withDeadline(deadlineMs, late, () => this.#ready());
    try {
      const stream = session.request(
        { ':method': 'POST', ':path': `/${method}`, ...headers },
        { endStream: false },
      );
      this.#underWay++;
      this.#watchOver();
      stream.once('close', () => this.#underWay--);
      // A stream that fails after its answer was read has nobody who waits for the error.
      stream.on('error', () => stream.destroy());
      return stream;
    } catch (error) {
      throw this.#farewell ?? broken(method, this.#target(), error);
    }
  }

  async #answerOf(stream: ClientHttp2Stream, method: string): Promise<unknown> {
    const headers = await this.#headersOf(stream, method);
    if (headers[':status'] !== STATUS_DONE) throw await this.#errorFrom(stream, method);
    try {
      return await readBody(stream);
    } catch (error) {
      throw this.#farewell ?? broken(method, this.#target(), error);
    }
  }

  #headersOf(stream: ClientHttp2Stream, method: string): Promise<IncomingHttpStatusHeader> {
    return new Promise((resolve, reject) => {
      stream.once('response', resolve);
      const fail = (error?: Error): void =>
        reject(this.#farewell ?? broken(method, this.#target(), error));
      stream.once('error', fail);
      stream.once('close', () => fail());
    });
  }

  async #errorFrom(stream: ClientHttp2Stream, method: string): Promise<MolnError> {
    try {
      return errorOf(await readBody(stream)) ?? broken(method, this.#target());
    } catch (error) {
      return broken(method, this.#target(), error);
    }
  }

  #ready(): Promise<ClientHttp2Session> {
    if (this.#closed) return Promise.reject(new Error('The client is closed'));
    if (this.#session === undefined) {
      const target = this.#target();
      const session = withDeadline(
        RPC_CONNECT_TIMEOUT_MS,
        () => connectFailed(target),
        (signal) => this.#connect(target, signal),
      );
      const forget = (): void => {
        if (this.#session === session) this.#session = undefined;
      };
      session.then((open) => open.once('close', forget), forget);
      this.#session = session;
    }
    return this.#session;
  }

  async #connect(target: RpcTarget, signal: AbortSignal): Promise<ClientHttp2Session> {
    this.#farewell = undefined;
    const socket = await openTls(target, signal);
    const session = connect('http://node', {
      createConnection: () => socket,
      settings: { enablePush: false, initialWindowSize: RPC_WINDOW_BYTES },
    });
    this.#open = session;
    return new Promise((resolve, reject) => {
      let cause: Error | undefined;
      session.on('error', (error: Error) => {
        cause = error;
      });
      session.on('goaway', (_code: number, _last: number, data?: Buffer) => {
        this.#farewell = farewellOf(data);
        if (this.#farewell === undefined) {
          // Without a reason: what is under way may end.
          if (this.#open === session) this.#session = undefined;
          session.close();
          return;
        }
        reject(this.#farewell);
        session.destroy();
      });
      session.once('close', () => reject(this.#farewell ?? connectFailed(target, cause)));
      signal.addEventListener('abort', () => session.destroy());
      session.once('remoteSettings', () =>
        session.ping((error: Error | null) => {
          if (error === null) {
            resolve(session);
            this.#keepAlive(session);
          } else cause = error;
        }),
      );
    });
  }

  #retire(session: ClientHttp2Session): void {
    if (session.closed) return;
    this.#retired.add(session);
    let timer = this.#clock.after(RPC_RETIRE_AFTER_MS, () => {
      timer = this.#clock.after(RPC_RETIRED_MS, () => session.destroy());
      session.close();
    });
    session.once('close', () => {
      this.#retired.delete(session);
      timer[Symbol.dispose]();
    });
  }

  /**
   * A machine that has lost its power or its network says no good-bye, and a call may have a deadline of half an hour. While
   * none is under way nobody asks.
   */
  #keepAlive(session: ClientHttp2Session): void {
    let timer: Disposable | undefined;
    const again = (): void => {
      timer = undefined;
      if (session.destroyed || this.#underWay === 0) return;
      timer = this.#clock.after(RPC_PING_EVERY_MS, ask);
    };
    const ask = (): void => {
      if (this.#underWay === 0) {
        timer = undefined;
        return;
      }
      timer = this.#clock.after(RPC_PING_TIMEOUT_MS, () => {
        // The next call is not to find it, even before its end is told.
        if (this.#open === session) this.#session = undefined;
        session.destroy(silent());
      });
      session.ping(() => {
        timer?.[Symbol.dispose]();
        again();
      });
    };
    this.#watchOver = () => {
      if (timer === undefined) again();
    };
    session.once('close', () => timer?.[Symbol.dispose]());
    again();
  }
}

/** Connected, the chain checked against the one authority and the certificate by the target's own rule. */
function openTls(target: RpcTarget, signal: AbortSignal): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({
      host: target.address,
      port: target.port,
      ca: target.authority,
      ...target.credentials,
      ALPNProtocols: [target.protocol],
      minVersion: 'TLSv1.3',
      checkServerIdentity: (_host, peer) => target.checkServer(new X509Certificate(peer.raw)),
    });
    socket.setNoDelay(true);
    const stop = (): void => {
      socket.destroy();
    };
    signal.addEventListener('abort', stop, { once: true });
    socket.once('error', (error) => reject(connectFailed(target, error)));
    socket.once('close', () => reject(connectFailed(target)));
    socket.once('secureConnect', () => {
      if (socket.alpnProtocol === target.protocol) {
        resolve(socket);
        return;
      }
      reject(wrongProtocol(target));
      socket.destroy();
    });
  });
}

function farewellOf(data: Buffer | undefined): MolnError | undefined {
  if (data === undefined || data.length === 0) return undefined;
  try {
    return errorOf(JSON.parse(data.toString('utf8')));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function cancelOn(signal: AbortSignal | undefined, stream: ClientHttp2Stream): Disposable {
  const cancel = (): void => {
    stream.close(constants.NGHTTP2_CANCEL);
  };
  if (signal?.aborted === true) cancel();
  signal?.addEventListener('abort', cancel, { once: true });
  return { [Symbol.dispose]: () => signal?.removeEventListener('abort', cancel) };
}

function silent(): Error {
  return new Error(`No answer to a ping within ${RPC_PING_TIMEOUT_MS / 1000} s`);
}
