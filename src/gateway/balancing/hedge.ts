/** The same request at a second upstream, because the first one takes long. Whoever answers first is the one that counts. */
import type { Upstream, UpstreamSocket, UpstreamUser } from '../upstream.ts';
import type { Member } from './member.ts';

export interface HedgeOwner {
  /** The first bytes of its answer; the owner takes the socket over. */
  hedgeAnswered(buffer: Buffer, from: number, to: number): void;
  /** It ended without an answer and is gone. */
  hedgeLost(): void;
}

export interface HedgeOptions {
  readonly member: Member;
  readonly headText: string;
  /** Monotonic, coarse. */
  readonly nowMs: number;
  readonly owner: HedgeOwner;
}

export class Hedge implements UpstreamUser {
  readonly member: Member;
  readonly #options: HedgeOptions;
  #socket: UpstreamSocket | undefined;
  #isOver = false;

  constructor(options: HedgeOptions) {
    this.#options = options;
    this.member = options.member;
  }

  get upstream(): Upstream {
    return this.member.upstream;
  }

  start(): void {
    const { upstream } = this;
    upstream.requests++;
    const idle = upstream.takeIdle(this, this.#options.nowMs, Infinity);
    if (idle === undefined) {
      this.#socket = upstream.connect(this);
      return;
    }
    this.#socket = idle;
    this.#send(idle);
  }

  /** Gives its socket away, if it has one by now; the request under way is the new owner's to count off. */
  give(): UpstreamSocket | undefined {
    if (this.#socket !== undefined) this.#isOver = true;
    return this.#socket;
  }

  drop(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.upstream.requests--;
    this.upstream.drop(this, this.#socket);
  }

  upstreamTurn(socket: UpstreamSocket): void {
    this.#socket = socket;
    if (socket.connected) this.#send(socket);
  }

  upstreamConnected(): void {
    this.upstream.connectSucceeded();
    if (this.#socket !== undefined) this.#send(this.#socket);
  }

  #send(socket: UpstreamSocket): void {
    socket.out.text(this.#options.headText);
    socket.out.flush();
  }

  upstreamBytes(buffer: Buffer, from: number, to: number): void {
    this.#options.owner.hedgeAnswered(buffer, from, to);
  }

  upstreamDrained(): void {
    // A head without a body is all there is to send.
  }

  upstreamSilent(): void {
    this.#lose();
  }

  upstreamEnded(): void {
    this.#lose();
  }

  upstreamClosed(): void {
    if (this.#socket?.connected === false) this.upstream.connectFailed(this.#options.nowMs);
    this.#lose();
  }

  #lose(): void {
    if (this.#isOver) return;
    this.drop();
    this.#options.owner.hedgeLost();
  }
}
