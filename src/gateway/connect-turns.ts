/**
 * Connections to one other node while they are being made: so many at once, and no more. Of hundreds of handshakes that begin
 * together on a busy machine none ends in time. Who comes beyond waits, and gets whatever is free first: a turn, or a
 * connection that somebody else needs no longer. Upstreams take turns, so that a crowd at one instance holds up no other.
 */
import type { TLSSocket } from 'node:tls';
import { NODE_CONNECTING_MAX } from './limits.ts';
import type { Upstream, UpstreamUser } from './upstream.ts';

export class ConnectTurns {
  readonly #connecting = new Set<TLSSocket>();
  /** None of them is empty. */
  readonly #waiting = new Map<Upstream, Set<UpstreamUser>>();

  get isFull(): boolean {
    return this.#connecting.size >= NODE_CONNECTING_MAX;
  }

  /** Those that somebody waits for. */
  get upstreams(): Iterable<Upstream> {
    return this.#waiting.keys();
  }

  /** A handshake that is under way from now on. */
  began(socket: TLSSocket): void {
    this.#connecting.add(socket);
    const ended = (): void => {
      if (this.#connecting.delete(socket)) this.#next();
    };
    socket.once('secureConnect', ended);
    socket.once('close', ended);
  }

  wait(upstream: Upstream, user: UpstreamUser): void {
    const waiting = this.#waiting.get(upstream);
    if (waiting === undefined) this.#waiting.set(upstream, new Set([user]));
    else waiting.add(user);
  }

  /** It waits no longer, if it did. */
  leave(upstream: Upstream, user: UpstreamUser): void {
    const waiting = this.#waiting.get(upstream);
    if (waiting?.delete(user) === true && waiting.size === 0) this.#waiting.delete(upstream);
  }

  waitingFor(upstream: Upstream): readonly UpstreamUser[] {
    return [...(this.#waiting.get(upstream) ?? [])];
  }

  /** The first who waits for it, and does so no longer. */
  takeFor(upstream: Upstream): UpstreamUser | undefined {
    const [user] = this.#waiting.get(upstream) ?? [];
    if (user !== undefined) this.leave(upstream, user);
    return user;
  }

  #next(): void {
    const [upstream] = this.#waiting.keys();
    if (upstream === undefined || this.isFull) return;
    const user = this.takeFor(upstream);
    const others = this.#waiting.get(upstream);
    if (others !== undefined) {
      this.#waiting.delete(upstream);
      this.#waiting.set(upstream, others);
    }
    if (user !== undefined) upstream.giveTurn(user);
  }
}
