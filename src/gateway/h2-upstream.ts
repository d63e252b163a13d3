/**
 * HTTP/2 to one upstream (RFC 9113): connections that its requests share. Each request has a socket that is none, one stream of
 * such a connection, so that everything about upstreams is the same code as for HTTP/1.1.
 */
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { H2UpstreamStream } from './h2-upstream-stream.ts';
import { H2_UPSTREAM } from './limits.ts';
import type { UpstreamTls } from './upstream-tls.ts';

const ALPN = 'h2';

export class H2Upstream {
  readonly #place: { readonly host: string; readonly port: number };
  readonly #tls: UpstreamTls | undefined;
  readonly #links = new Set<Link>();
  #isRetired = false;

  constructor(
    place: { readonly host: string; readonly port: number },
    tls: UpstreamTls | undefined,
  ) {
    this.#place = place;
    this.#tls = tls;
  }

  /** It says `connect` when a request can be written, else `error` and `close`. */
  open(): Socket {
    const link = [...this.#links].find(({ hasRoom }) => hasRoom) ?? this.#link();
    const stream = link.open();
    if (this.#isRetired) link.leave();
    return stream;
  }

  /** `nowMs`: monotonic. */
  sweep(nowMs: number): void {
    for (const link of this.#links) link.sweep(nowMs);
  }

  /** Connections end with their last stream. */
  retire(): void {
    this.#isRetired = true;
    for (const link of this.#links) link.leave();
  }

  #link(): Link {
    const { host, port } = this.#place;
    const socket = this.#tls?.connect() ?? connect({ host, port, noDelay: true });
    const scheme = this.#tls === undefined ? 'http' : 'https';
    const link = new Link(socket, scheme, () => this.#links.delete(link));
    this.#links.add(link);
    return link;
  }
}

/** One connection. */
class Link {
  readonly #socket: Socket;
  readonly #session: ClientHttp2Session;
  readonly #scheme: 'http' | 'https';
  readonly #streams = new Set<H2UpstreamStream>();
  #isConnected = false;
  #isLeaving = false;
  /** The last request that it deals with, once it has said that it leaves (RFC 9113 6.8). */
  #lastId = Infinity;
  #endCode: number | undefined;
  #bornMs: number | undefined;
  #idleSinceMs: number | undefined;
  #pingedMs: number | undefined;
  /** One gave up before an answer: perhaps nobody is there any more. */
  #isDoubted = false;

  constructor(socket: Socket | TLSSocket, scheme: 'http' | 'https', gone: () => void) {
    this.#socket = socket;
    this.#scheme = scheme;
    const session = connectHttp2(`${scheme}://upstream`, {
      createConnection: () => socket,
      settings: { enablePush: false, initialWindowSize: H2_UPSTREAM.streamWindowBytes },
      maxHeaderListPairs: H2_UPSTREAM.headersMax,
    });
    this.#session = session;
    // Only then is it known how many requests it takes at once: what goes beyond that is refused (RFC 9113 5.1.2).
    session.once('remoteSettings', () => this.#connected());
    session.on('connect', () => this.#judge(socket));
    session.on('goaway', (code, lastId) => {
      this.#lastId = lastId;
      this.#endCode = code;
      this.leave();
    });
    session.on('error', (error) => this.#failed(error));
    session.on('close', () => {
      this.#failed(undefined);
      gone();
    });
  }

  get hasRoom(): boolean {
    if (this.#isLeaving || this.#session.destroyed || this.#session.closed) return false;
    // One that waited for it in vain: another connection may come about where this one does not.
    if (!this.#isConnected && this.#isDoubted) return false;
    const { maxConcurrentStreams = Infinity } = this.#isConnected
      ? this.#session.remoteSettings
      : {};
    return this.#streams.size < Math.min(maxConcurrentStreams, H2_UPSTREAM.streamsMax);
  }

  open(): H2UpstreamStream {
    const stream: H2UpstreamStream = new H2UpstreamStream(this.#session, {
      scheme: this.#scheme,
      lastId: () => this.#lastId,
      endCode: () => this.#endCode,
      gone: (answered) => {
        this.#streams.delete(stream);
        if (!answered) this.#isDoubted = true;
        if (this.#streams.size > 0) return;
        // The session would wait for the connection first.
        if (!this.#isConnected) this.#socket.destroy();
        else if (this.#isLeaving) this.#session.close();
      },
    });
    this.#streams.add(stream);
    this.#idleSinceMs = undefined;
    if (this.#isConnected) {
      process.nextTick(() => {
        // The connection may have gone meanwhile, and then nothing was sent.
        if (!stream.destroyed) stream.emit('connect');
      });
    }
    return stream;
  }

  leave(): void {
    this.#isLeaving = true;
    if (this.#streams.size === 0) this.#session.close();
  }

  sweep(nowMs: number): void {
    if (this.#session.destroyed) {
      // It waits for the end of the other side, which may never come.
      this.#socket.destroy();
      return;
    }
    const isIdle = this.#streams.size === 0;
    this.#idleSinceMs = isIdle ? (this.#idleSinceMs ?? nowMs) : undefined;
    this.#bornMs ??= nowMs;
    const isOld = nowMs - this.#bornMs > H2_UPSTREAM.ageMs;
    if (isOld || nowMs - (this.#idleSinceMs ?? nowMs) > H2_UPSTREAM.idleMs) this.leave();
    if (nowMs - (this.#pingedMs ?? nowMs) > H2_UPSTREAM.pongMs) {
      this.#session.destroy(new Error('The upstream says nothing any more'));
    } else if (this.#isDoubted && this.#isConnected && this.#pingedMs === undefined) {
      this.#ping(nowMs);
    }
  }

  #ping(nowMs: number): void {
    this.#pingedMs = nowMs;
    this.#session.ping(() => {
      this.#isDoubted = false;
      this.#pingedMs = undefined;
    });
  }

  #judge(socket: Socket | TLSSocket): void {
    if ('alpnProtocol' in socket && socket.alpnProtocol !== ALPN) {
      this.#session.destroy(new Error('The upstream does not speak HTTP/2'));
      return;
    }
    this.#session.unref();
    this.#session.setLocalWindowSize(H2_UPSTREAM.connectionWindowBytes);
  }

  #connected(): void {
    this.#isConnected = true;
    for (const stream of this.#streams) stream.emit('connect');
  }

  #failed(error: Error | undefined): void {
    this.#isLeaving = true;
    for (const stream of this.#streams) {
      if (!stream.hasAll) stream.destroy(error ?? new Error('It was closed'));
    }
  }
}
