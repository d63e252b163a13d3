/**
 * One HTTP/2 connection to one etcd member and the gRPC calls that go over it. Everybody else sees calls, and failures as
 * `CallFailure`.
 */
import { messageOf } from '../../base/errors.ts';
import type { Clock } from '../../base/time.ts';
import {
  Cluster,
  type DescMethodBiDiStreaming,
  type DescMethodUnary,
  type DescService,
  KV,
  Lease,
  Maintenance,
  type MessageInitShape,
  type MessageShape,
  Watch,
} from './etcd-pb.ts';
import { askBytes, askOnce, type Caller, type CallOptions, type Talk, talk } from './grpc-call.ts';
import { GrpcError, type Status } from './grpc-wire.ts';
import { type EtcdTls, Link } from './link.ts';
import { decodeTxn, encodeTxn, type Txn, type TxnAnswer } from './txn-wire.ts';

/** etcd's minimum between pings is 5 s; below that it hangs up with "too many pings". */
const PING_INTERVAL_MS = 10_000;
const PING_TIMEOUT_MS = 5000;
/** A connection that nobody uses any more, such as one that was rotated away from. */
const IDLE_TIMEOUT_MS = 60_000;
const CONNECT_TIMEOUT_MS = 2000;

export interface CallFailure {
  readonly status: Status;
  readonly message: string;
}

/** What went wrong with a call, in the words of gRPC. */
export function failureOf(error: unknown): CallFailure {
  const status = error instanceof GrpcError ? error.status : 'Unknown';
  return { status, message: messageOf(error) };
}

/** A service's calls as functions. */
type Calls<S extends DescService> = {
  readonly [K in keyof S['method']]: S['method'][K] extends DescMethodUnary<infer I, infer O>
    ? (request: MessageInitShape<I>, options?: CallOptions) => Promise<MessageShape<O>>
    : S['method'][K] extends DescMethodBiDiStreaming<infer I, infer O>
      ? (options: CallOptions) => Talk<I, O>
      : never;
};

/** A connection to one member. Whoever calls has opened it. */
export class Connection implements Caller {
  readonly endpoint: string;
  readonly clock: Clock;
  /** Transactions are `txn`. */
  readonly kv: Omit<Calls<typeof KV>, 'txn'>;
  readonly watch: Calls<typeof Watch>;
  readonly lease: Calls<typeof Lease>;
  readonly cluster: Calls<typeof Cluster>;
  readonly maintenance: Calls<typeof Maintenance>;
  readonly #tls: EtcdTls | undefined;
  /** The one for new calls. */
  #link: Link | undefined;
  /** With those that say good-bye and have calls to finish. */
  readonly #links = new Set<Link>();
  #opening: Promise<string | undefined> | undefined;
  #calls = 0;
  #heardAtMs = 0;

  constructor(endpoint: string, options: { readonly tls?: EtcdTls; readonly clock: Clock }) {
    this.endpoint = endpoint;
    this.clock = options.clock;
    this.#tls = options.tls;
    this.kv = callsOf(this, KV);
    this.watch = callsOf(this, Watch);
    this.lease = callsOf(this, Lease);
    this.cluster = callsOf(this, Cluster);
    this.maintenance = callsOf(this, Maintenance);
  }

  /** True when calls can be sent without connecting first. */
  get isOpen(): boolean {
    return this.#link?.isOpen === true;
  }

  /** True when nothing uses it and nothing is connected. */
  get isClosed(): boolean {
    return this.#opening === undefined && [...this.#links].every(({ isClosed }) => isClosed);
  }

  /** Undefined once it is open, else why it is not. Whatever this says no to was never sent. */
  async open(): Promise<string | undefined> {
    if (this.isOpen) return undefined;
    this.#opening ??= this.#open().finally(() => (this.#opening = undefined));
    return this.#opening;
  }

  /** Ends everything that runs over it. */
  close(): void {
    for (const link of this.#links) link.destroy();
  }

  /** Rejects with a `GrpcError`, as all calls do. */
  txn(txn: Txn, options: CallOptions): Promise<TxnAnswer> {
    return askBytes(this, KV.method.txn, encodeTxn(txn), decodeTxn, options);
  }

  link(): Link {
    if (this.#link?.isOpen === true) return this.#link;
    throw new GrpcError('Unavailable', `${this.endpoint} is not connected`);
  }

  #heard(): void {
    this.#heardAtMs = this.clock.monotonicMs();
  }

  count(by: 1 | -1): void {
    this.#calls += by;
  }

  #open(): Promise<string | undefined> {
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    const link: Link = new Link(this.endpoint, this.#tls, {
      onOpen: () => {
        late[Symbol.dispose]();
        resolve(undefined);
      },
      onHeard: () => this.#heard(),
      // Whoever has a call under way is told by its stream.
      onClose: (why) => {
        this.#links.delete(link);
        late[Symbol.dispose]();
        looks[Symbol.dispose]();
        resolve(why);
      },
    });
    // What it has under way it still hears of.
    this.#link?.leave();
    this.#link = link;
    this.#links.add(link);
    this.#heard();
    const late = this.clock.after(CONNECT_TIMEOUT_MS, () =>
      link.destroy(`no connection within ${CONNECT_TIMEOUT_MS} ms`),
    );
    const looks = this.clock.every(PING_INTERVAL_MS, () => this.#look(link));
    return promise;
  }

  /** One that nobody uses is closed; one that is silent while it is used is asked whether it lives. */
  #look(link: Link): void {
    const silentMs = this.clock.monotonicMs() - this.#heardAtMs;
    if (link.isClosed || silentMs < PING_INTERVAL_MS) return;
    if (this.#calls === 0) {
      // etcd hangs up on those that ping without a call.
      if (silentMs >= IDLE_TIMEOUT_MS) link.leave();
      return;
    }
    const late = this.clock.after(PING_TIMEOUT_MS, () =>
      link.destroy(`no answer to a ping within ${PING_TIMEOUT_MS} ms`),
    );
    // That something came is heard by itself.
    link.ping(() => late[Symbol.dispose]());
  }
}

function callsOf<S extends DescService>(caller: Caller, service: S): Calls<S> {
  const calls = Object.entries(service.method).map(([name, method]) => [
    name,
    method.methodKind === 'unary'
      ? (request: Record<string, unknown>, options?: CallOptions) =>
          askOnce(caller, method as DescMethodUnary, request, options)
      : (options: CallOptions) => talk(caller, method as DescMethodBiDiStreaming, options),
  ]);
  return Object.fromEntries(calls) as Calls<S>;
}
