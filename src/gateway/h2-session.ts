/**
 * One HTTP/2 connection (RFC 9113). Each of its streams is served by a `Connection`, so that everything that holds for a request of
 * HTTP/1.1 holds here too. What is left to do is what streams have in common: their number, floods, and the end.
 */
import type { Socket } from 'node:net';
import {
  ERROR,
  type Field,
  H2Error,
  type Nuisance,
  ServerConnection,
  type ServerHost,
  type WireStream,
} from '../http2/http2.ts';
import type { ClientSocket } from './client-socket.ts';
import { Connection } from './connection.ts';
import { translateRequest } from './h2-request.ts';
import { type H2Home, type H2Peer, H2Stream } from './h2-stream.ts';
import { H2 } from './limits.ts';
import type { Plane } from './plane.ts';
import type { ConnectionOwner, Dispatch, OwnedConnection } from './responder.ts';

/** A block is at most as long as the list that it makes, but for a mistake. */
const BLOCK_BYTES_MIN: number = 64 * 1024;

/** A `Connection` and what it takes for its socket. */
interface Lane {
  readonly stream: H2Stream;
  readonly connection: Connection;
}

export class H2Session implements ConnectionOwner, OwnedConnection, ServerHost, H2Home {
  readonly plane: Plane;
  readonly protocol = 'https';
  readonly dispatch: Dispatch;
  readonly socket: Socket;
  readonly peer: H2Peer;
  readonly wire: ServerConnection;
  private readonly owner: ConnectionOwner;
  private readonly lanes = new Map<object, Lane>();
  private readonly connections = new Set<OwnedConnection>();
  /** Between two streams. */
  private idle: Lane[] = [];
  private served = 0;
  /** Coarse times: of the last stream's end, of the first GOAWAY, of the last, and since when the client does not read. */
  private sinceMs: number;
  private leavingMs: number | undefined;
  private lastWordMs: number | undefined;
  private deafMs: number | undefined;
  private hasLeft = false;
  private windowMs: number;
  private resets = 0;
  private controlFrames = 0;
  private invalidFrames = 0;
  private refused = 0;
  private waiting: H2Stream[] = [];
  private isAwake = false;

  /** Takes over an accepted, paused TLS socket. */
  constructor(accepted: Socket, owner: ConnectionOwner) {
    const { plane } = owner;
    this.owner = owner;
    this.plane = plane;
    this.dispatch = owner.dispatch;
    this.sinceMs = plane.coarseMs;
    this.windowMs = plane.coarseMs;
    this.socket = accepted;
    const { localAddress, localPort } = accepted;
    this.peer = { remoteAddress: owner.clientAddress(accepted), localAddress, localPort };
    const { requestHeadBytesMax, requestHeadersMax } = plane.limits;
    const listBytesMax = H2.headRoom * requestHeadBytesMax;
    this.wire = new ServerConnection(this, {
      ...H2,
      listBytesMax,
      fieldsMax: H2.headRoom * requestHeadersMax,
      blockBytesMax: Math.max(listBytesMax, BLOCK_BYTES_MIN),
    });
  }

  /** Takes over the events. */
  start(): void {
    const { socket, plane, wire } = this;
    socket.on('data', (chunk: Buffer) => this.received(chunk));
    socket.on('drain', () => this.drained());
    socket.on('end', () => {
      wire.close();
      socket.destroySoon();
    });
    socket.on('error', (error: Error) => {
      plane.log.debug('An HTTP/2 connection failed', { error: error.message });
    });
    socket.on('close', () => {
      wire.close();
      this.owner.closed(this);
    });
    wire.start();
    socket.resume();
  }

  get answerLines(): string {
    return this.owner.answerLines;
  }

  private received(chunk: Buffer): void {
    this.wire.receive(chunk);
    if (this.socket.writableLength <= H2.deafBytesMax) return;
    this.deafMs ??= this.plane.coarseMs;
    this.socket.pause();
  }

  private drained(): void {
    this.wire.flush();
    if (this.deafMs === undefined) return;
    this.deafMs = undefined;
    this.socket.resume();
  }

  // ServerHost ----------------------------------------------------------------------------------------------

  begin(stream: WireStream, fields: readonly Field[], isWhole: boolean): void {
    this.served++;
    const request = translateRequest(fields, isWhole);
    if (request === undefined) this.wire.reset(stream, ERROR.protocol);
    else this.lane().stream.begin(stream, request, isWhole);
  }

  readonly write = (bytes: Buffer, done: () => void): void => {
    if (this.socket.writable) this.socket.write(bytes, done);
    else done();
  };

  readonly unsentBytes = (): number => this.socket.writableLength;

  /** Once for all that is written in a turn of the event loop. */
  wake(): void {
    if (this.isAwake) return;
    this.isAwake = true;
    setImmediate(turn, this);
  }

  turn(): void {
    this.isAwake = false;
    const { waiting } = this;
    this.waiting = [];
    for (const stream of waiting) stream.goOn();
    this.wire.flush();
    if (this.hasLeft) this.endIfEmpty();
  }

  failed(error: H2Error): void {
    const { code, message: why } = error;
    this.plane.log.debug('An HTTP/2 connection was ended', {
      why,
      code,
      client: this.peer.remoteAddress,
    });
    this.lastWordMs = this.plane.coarseMs;
    this.socket.destroySoon();
  }

  // H2Home --------------------------------------------------------------------------------------------------

  free(stream: H2Stream): void {
    this.sinceMs = this.plane.coarseMs;
    const lane = this.lanes.get(stream);
    if (lane !== undefined) this.idle.push(lane);
    if (this.hasLeft) this.wake();
  }

  later(stream: H2Stream): void {
    this.waiting.push(stream);
    this.wake();
  }

  /** One whose last request is over in every respect, or a new one. */
  private lane(): Lane {
    for (;;) {
      const lane = this.idle.pop();
      if (lane === undefined) break;
      if (lane.connection.idle && lane.stream.isUsable) return lane;
    }
    const stream = new H2Stream(this);
    const connection = new Connection(stream, this);
    connection.request.protocol = 'h2';
    const lane = { stream, connection };
    this.lanes.set(stream, lane);
    this.connections.add(connection);
    connection.start();
    return lane;
  }

  // ConnectionOwner -----------------------------------------------------------------------------------------

  clientAddress({ remoteAddress = '' }: ClientSocket): string {
    return remoteAddress;
  }

  closed(connection: OwnedConnection): void {
    this.connections.delete(connection);
    this.lanes.delete(connection.socket);
    this.sinceMs = this.plane.coarseMs;
  }

  sweep(horizonMs: number): void {
    for (const connection of this.connections) connection.sweep(horizonMs);
    const { socket, leavingMs, wire, lastWordMs, deafMs } = this;
    const { keepAliveTimeoutMs, requestHeadTimeoutMs } = this.plane.limits;
    const isDeaf = deafMs !== undefined && horizonMs - deafMs >= keepAliveTimeoutMs;
    if (isDeaf || (lastWordMs !== undefined && horizonMs - lastWordMs >= H2.lingerMs)) {
      socket.destroy();
      return;
    }
    if (leavingMs !== undefined && horizonMs - leavingMs >= H2.leaveMs && !this.hasLeft) {
      this.hasLeft = true;
      wire.leaveNow();
    }
    if (wire.streams.size > 0 || wire.isOver) return;
    const idleMsMax = this.served > 0 ? keepAliveTimeoutMs : requestHeadTimeoutMs;
    if (this.hasLeft || horizonMs - this.sinceMs >= idleMsMax) this.endIfEmpty();
  }

  /** Two steps (RFC 9113 6.8): requests that are on their way when the first is said are still answered. Tunnels live on. */
  drain(): void {
    if (this.leavingMs !== undefined || this.socket.destroyed) return;
    this.leavingMs = this.plane.coarseMs;
    this.wire.leave();
  }

  private endIfEmpty(): void {
    const { wire, socket } = this;
    if (wire.streams.size > 0 || wire.isOver) return;
    if (!this.hasLeft) wire.leaveNow();
    wire.flush();
    wire.close();
    this.lastWordMs = this.plane.coarseMs;
    socket.destroySoon();
  }

  // Floods --------------------------------------------------------------------------------------------------

  nuisance(what: Nuisance): void {
    this.startWindow();
    if (what === 'reset') {
      if (++this.resets > H2.resetsMax) this.calm('too many requests were taken back');
    } else if (what === 'control') {
      if (++this.controlFrames > H2.controlFramesMax) this.calm('too many PING or SETTINGS frames');
    } else if (what === 'invalid') {
      if (++this.invalidFrames > H2.invalidFramesMax)
        this.calm('too many frames that make no sense');
    } else if (++this.refused > H2.refusedStreamsMax) this.calm('too many requests at once');
  }

  private startWindow(): void {
    const { coarseMs } = this.plane;
    if (coarseMs - this.windowMs < H2.windowMs) return;
    this.windowMs = coarseMs;
    this.resets = 0;
    this.controlFrames = 0;
  }

  private calm(why: string): void {
    this.wire.fail(new H2Error(ERROR.enhanceYourCalm, why));
  }
}

function turn(session: H2Session): void {
  session.turn();
}
