/**
 * Renewals of all leases of this node over one stream, for as long as the connection lasts: a stream for each would cost several
 * times what the renewal does. etcd answers in the order of the requests, each with the id of its lease. A renewal may be
 * repeated, so what a stream that fails leaves open simply fails.
 */
import type { Clock } from '../../base/time.ts';
import type { Connection } from './connection.ts';
import { late } from './grpc-call.ts';

interface Waiting {
  readonly id: bigint;
  readonly resolve: (seconds: bigint) => void;
  readonly reject: (error: unknown) => void;
}

export class KeepAlives implements Disposable {
  readonly #clock: Clock;
  #stream: KeepAliveStream | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What is left of the lease in seconds after its renewal; 0 when it has ended. Throws as any call. */
  async renew(
    connection: Connection,
    id: bigint,
    { timeoutMs }: { readonly timeoutMs: number },
  ): Promise<bigint> {
    if (this.#stream?.connection !== connection || this.#stream.isOver) {
      // The former one has been rotated away from.
      this.#stream?.end(new Error('Renewals go over another connection now'));
      this.#stream = new KeepAliveStream(connection);
    }
    const stream = this.#stream;
    const timer = this.#clock.after(timeoutMs, () => stream.end(late(timeoutMs)));
    try {
      return await stream.renew(id);
    } finally {
      timer[Symbol.dispose]();
    }
  }

  [Symbol.dispose](): void {
    this.#stream?.end(new Error('The registry is closed'));
  }
}

class KeepAliveStream {
  readonly connection: Connection;
  readonly #stop = new AbortController();
  readonly #talk: ReturnType<Connection['lease']['leaseKeepAlive']>;
  readonly #waiting: Waiting[] = [];

  constructor(connection: Connection) {
    this.connection = connection;
    this.#talk = connection.lease.leaseKeepAlive({ signal: this.#stop.signal });
    this.#hear().catch((error: unknown) => this.end(error));
  }

  get isOver(): boolean {
    return this.#stop.signal.aborted;
  }

  renew(id: bigint): Promise<bigint> {
    const { promise, resolve, reject } = Promise.withResolvers<bigint>();
    this.#waiting.push({ id, resolve, reject });
    this.#talk.say({ ID: id });
    return promise;
  }

  /** All that wait fail with the error. */
  end(error: unknown): void {
    if (this.isOver) return;
    this.#stop.abort();
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }

  async #hear(): Promise<void> {
    for await (const { ID, TTL } of this.#talk) this.#answered(ID, TTL);
    throw new Error('etcd ended the renewal of leases');
  }

  #answered(id: bigint, seconds: bigint): void {
    const at = this.#waiting.findIndex((one) => one.id === id);
    const [waiting] = at < 0 ? [] : this.#waiting.splice(at, 1);
    waiting?.resolve(seconds);
  }
}
