/**
 * One HTTP/2 connection to one etcd member and the gRPC calls that go over it. The only file that knows the gRPC
 * library; everybody else sees calls, and failures as `CallFailure`.
 */
import type { ClientHttp2Stream, ClientHttp2Session } from 'node:http2';
import { type Client, Code, ConnectError, createClient } from '@connectrpc/connect';
import { createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node';
import type { Clock } from '../../base/time.ts';
import { Cluster, KV, Lease, Maintenance, Watch } from './etcd-pb.ts';

/** All in PEM. etcd takes the common name of the client's certificate for the user. */
export interface EtcdTls {
  /** Who signs the members' certificates; undefined: an authority that the whole world trusts. */
  readonly caPem?: string | undefined;
  readonly certificatePem?: string | undefined;
  readonly keyPem?: string | undefined;
  /** What the member's certificate must be for, where that is not the host of its address. */
  readonly serverName?: string;
}

/** etcd's minimum between pings is 5 s; below that it hangs up with "too many pings". */
const PING_INTERVAL_MS = 10_000;
const PING_TIMEOUT_MS = 5000;
/** A connection that nobody uses any more, such as one that was rotated away from. */
const IDLE_TIMEOUT_MS = 60_000;
const CONNECT_TIMEOUT_MS = 2000;
/** HTTP/2's own 64 KiB would make a value of 1 MiB wait for sixteen round trips. */
const STREAM_WINDOW_BYTES: number = 2 * 1024 * 1024;
const SESSION_WINDOW_BYTES: number = 8 * 1024 * 1024;
/** In megabytes, as Node wants it: headers and frames of all streams. */
const SESSION_MEMORY_MB = 64;

/** The name of the gRPC status, as `Unavailable`. */
export type Status = keyof typeof Code;

export interface CallFailure {
  readonly status: Status;
  readonly message: string;
}

/** What went wrong with a call, in the words of gRPC. */
export function failureOf(error: unknown): CallFailure {
  const failure = ConnectError.from(error);
  return { status: Code[failure.code] as Status, message: failure.rawMessage };
}

/** That no answer came in time, where a stream carries calls that each have a time of their own. */
export function late(timeoutMs: number): Error {
  return new ConnectError(`no answer within ${timeoutMs} ms`, Code.DeadlineExceeded);
}

/** A connection to one member. Opens itself when it is first used. */
export class Connection {
  readonly endpoint: string;
  readonly kv: Client<typeof KV>;
  readonly watch: Client<typeof Watch>;
  readonly lease: Client<typeof Lease>;
  readonly cluster: Client<typeof Cluster>;
  readonly maintenance: Client<typeof Maintenance>;
  readonly #session: Session;
  readonly #clock: Clock;

  constructor(endpoint: string, options: { readonly tls?: EtcdTls; readonly clock: Clock }) {
    this.endpoint = endpoint;
    this.#clock = options.clock;
    this.#session = new Session(endpoint, options.tls);
    const transport = createGrpcTransport({
      baseUrl: endpoint,
      sessionManager: this.#session,
      acceptCompression: [],
    });
    this.kv = createClient(KV, transport);
    this.watch = createClient(Watch, transport);
    this.lease = createClient(Lease, transport);
    this.cluster = createClient(Cluster, transport);
    this.maintenance = createClient(Maintenance, transport);
  }

  /** True when calls can be sent without connecting first. */
  get isOpen(): boolean {
    const state = this.#session.state();
    return state === 'open' || state === 'idle';
  }

  /** True when nothing uses it and nothing is connected. */
  get isClosed(): boolean {
    const state = this.#session.state();
    return state === 'closed' || state === 'error';
  }

  /** Undefined once it is open, else why it is not. Whatever this says no to was never sent. */
  async open(): Promise<string | undefined> {
    const late = Promise.withResolvers<'late'>();
    const timer = this.#clock.after(CONNECT_TIMEOUT_MS, () => late.resolve('late'));
    try {
      const state = await Promise.race([this.#session.connect(), late.promise]);
      if (state === 'late') return `no connection within ${CONNECT_TIMEOUT_MS} ms`;
      return state === 'error' ? failureOf(this.#session.error()).message : undefined;
    } finally {
      timer[Symbol.dispose]();
    }
  }

  /** Ends everything that runs over it. */
  close(): void {
    this.#session.abort();
  }
}

/**
 * Widens the window of a connection as a whole, which the library leaves at 64 KiB; and listens to its errors to the end: the
 * library takes its own listener away before an error that it has raised arrives, which would end the process.
 */
class Session extends Http2SessionManager {
  readonly #known = new WeakSet<ClientHttp2Session>();

  constructor(endpoint: string, tls: EtcdTls | undefined) {
    super(
      endpoint,
      {
        pingIntervalMs: PING_INTERVAL_MS,
        pingTimeoutMs: PING_TIMEOUT_MS,
        idleConnectionTimeoutMs: IDLE_TIMEOUT_MS,
      },
      {
        settings: { initialWindowSize: STREAM_WINDOW_BYTES, enablePush: false },
        maxSessionMemory: SESSION_MEMORY_MB,
        ...tlsOptions(tls),
      },
    );
  }

  override async request(
    ...call: Parameters<Http2SessionManager['request']>
  ): Promise<ClientHttp2Stream> {
    const stream = await super.request(...call);
    const { session } = stream;
    if (session !== undefined && !this.#known.has(session as ClientHttp2Session)) {
      this.#known.add(session as ClientHttp2Session);
      // Whoever has a call under way is told by its stream.
      session.on('error', () => {});
      session.setLocalWindowSize(SESSION_WINDOW_BYTES);
    }
    return stream;
  }
}

function tlsOptions(tls: EtcdTls | undefined): object {
  if (tls === undefined) return {};
  const { caPem, certificatePem, keyPem, serverName } = tls;
  const name = serverName === undefined ? {} : { servername: serverName };
  return { ca: caPem, cert: certificatePem, key: keyPem, minVersion: 'TLSv1.2', ...name };
}
