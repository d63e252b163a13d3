/**
 * One HTTP/2 connection (RFC 9113). Each of its streams is served by a `Connection` of its own, so that everything that holds
 * for a request of HTTP/1.1 holds here too. What is left to do is what streams have in common: their number, floods, and the end.
 */
import {
  constants,
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Socket } from 'node:net';
import type { ClientSocket } from './client-socket.ts';
import { Connection } from './connection.ts';
import { translateRequest } from './h2-request.ts';
import { type H2Peer, H2Stream } from './h2-stream.ts';
import { H2 } from './limits.ts';
import type { Plane } from './plane.ts';
import type { ConnectionOwner, Dispatch, OwnedConnection } from './responder.ts';

const STREAM_ID_MAX: number = 2 ** 31 - 1;

export class H2Session implements ConnectionOwner, OwnedConnection {
  readonly plane: Plane;
  readonly protocol = 'https';
  readonly dispatch: Dispatch;
  /** To its owner it is as good as the socket. */
  readonly socket: ServerHttp2Session;
  private readonly owner: ConnectionOwner;
  private readonly peer: H2Peer;
  private readonly connections = new Set<OwnedConnection>();
  private served = 0;
  /** Coarse times: of the last stream's end, and of the first GOAWAY. */
  private sinceMs: number;
  private leavingMs: number | undefined;
  private windowMs: number;
  private resets = 0;
  private controlFrames = 0;

  /** Takes over an accepted, paused TLS socket. */
  constructor(accepted: Socket, owner: ConnectionOwner) {
    const { plane } = owner;
    this.owner = owner;
    this.plane = plane;
    this.dispatch = owner.dispatch;
    this.sinceMs = plane.coarseMs;
    this.windowMs = plane.coarseMs;
    const { localAddress, localPort } = accepted;
    this.peer = { remoteAddress: owner.clientAddress(accepted), localAddress, localPort };
    const { requestHeadBytesMax, requestHeadersMax } = plane.limits;
    accepted.allowHalfOpen = false;
    this.socket = performServerHandshake(accepted, {
      // What a sloppy upstream says twice goes through, as it does over HTTP/1.1.
      strictSingleValueFields: false,
      maxHeaderListPairs: H2.headRoom * requestHeadersMax,
      maxSessionInvalidFrames: H2.invalidFramesMax,
      maxSessionRejectedStreams: H2.refusedStreamsMax,
      settings: {
        maxConcurrentStreams: H2.streamsMax,
        maxHeaderListSize: H2.headRoom * requestHeadBytesMax,
        enableConnectProtocol: true,
      },
    });
  }

  /** Takes over the events. */
  start(): void {
    const { socket, plane } = this;
    socket.on('stream', (stream, _named, flags, fields) => {
      this.begin(stream, fields as unknown as readonly string[], flags);
    });
    socket.on('ping', () => this.controlled());
    socket.on('remoteSettings', () => this.controlled());
    socket.on('error', (error: Error) => {
      plane.log.debug('An HTTP/2 connection failed', { error: error.message });
    });
    socket.on('close', () => this.owner.closed(this));
  }

  get answerLines(): string {
    return this.owner.answerLines;
  }

  private begin(stream: ServerHttp2Stream, fields: readonly string[], flags: number): void {
    this.served++;
    const isWhole = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    const request = translateRequest(fields, isWhole);
    stream.on('close', () => this.streamClosed(stream.rstCode));
    if (request === undefined) {
      // The reason is in the code of the reset.
      stream.on('error', () => undefined);
      stream.close(constants.NGHTTP2_PROTOCOL_ERROR);
      return;
    }
    const socket = new H2Stream(stream, request, this.peer);
    const connection = new Connection(socket, this);
    connection.request.protocol = 'h2';
    this.connections.add(connection);
    connection.start();
    socket.begin(isWhole);
  }

  /** Streams have no handle to move. */
  sharesReads(): boolean {
    return false;
  }

  clientAddress({ remoteAddress = '' }: ClientSocket): string {
    return remoteAddress;
  }

  closed(connection: OwnedConnection): void {
    this.connections.delete(connection);
    this.sinceMs = this.plane.coarseMs;
  }

  sweep(horizonMs: number): void {
    for (const connection of this.connections) connection.sweep(horizonMs);
    const { socket, leavingMs } = this;
    if (leavingMs !== undefined && horizonMs - leavingMs >= H2.leaveMs && !socket.closed) {
      socket.close();
    }
    if (this.connections.size > 0) return;
    const { keepAliveTimeoutMs, requestHeadTimeoutMs } = this.plane.limits;
    const idleMsMax = this.served > 0 ? keepAliveTimeoutMs : requestHeadTimeoutMs;
    if (horizonMs - this.sinceMs >= idleMsMax) socket.destroy();
  }

  /** Two steps (RFC 9113 6.8): requests that are on their way when the first is said are still answered. Tunnels live on. */
  drain(): void {
    if (this.leavingMs !== undefined || this.socket.destroyed) return;
    this.leavingMs = this.plane.coarseMs;
    this.socket.goaway(constants.NGHTTP2_NO_ERROR, STREAM_ID_MAX);
  }

  // Floods --------------------------------------------------------------------------------------------------

  private streamClosed(code: number): void {
    // What this side broke off because of an upstream is not the client's doing.
    if (code === constants.NGHTTP2_NO_ERROR || code === constants.NGHTTP2_INTERNAL_ERROR) return;
    this.startWindow();
    if (++this.resets > H2.resetsMax) this.calm('too many requests were taken back');
  }

  private controlled(): void {
    this.startWindow();
    if (++this.controlFrames > H2.controlFramesMax) this.calm('too many PING or SETTINGS frames');
  }

  private startWindow(): void {
    const { coarseMs } = this.plane;
    if (coarseMs - this.windowMs < H2.windowMs) return;
    this.windowMs = coarseMs;
    this.resets = 0;
    this.controlFrames = 0;
  }

  private calm(why: string): void {
    if (this.socket.destroyed) return;
    this.plane.log.debug('An HTTP/2 connection was ended', {
      why,
      client: this.peer.remoteAddress,
    });
    this.socket.destroy(undefined, constants.NGHTTP2_ENHANCE_YOUR_CALM);
  }
}
