/**
 * The socket of one connection to an etcd member, and HTTP/2 on it. Our own client in place of `node:http2`: with it an insert takes a sixth less of
 * the processor of its process (docs/benchmarks.md).
 */
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { messageOf } from '../../base/errors.ts';
import {
  type AnswerTaker,
  type AnswerStream,
  ClientConnection,
  type ClientHost,
  Field,
  type H2Error,
} from '../../http2/http2.ts';
import { DirectWriter, takeReads } from '../../net/net.ts';
import { GrpcError } from './grpc-wire.ts';

/** All in PEM. etcd takes the common name of the client's certificate for the user. */
export interface EtcdTls {
  /** Who signs the members' certificates; undefined: an authority that the whole world trusts. */
  readonly caPem?: string | undefined;
  readonly certificatePem?: string | undefined;
  readonly keyPem?: string | undefined;
  /** What the member's certificate must be for, where that is not the host of its address. */
  readonly serverName?: string;
}

export interface LinkEvents {
  /** Requests may begin. */
  readonly onOpen: () => void;
  /** Something came. */
  readonly onHeard: () => void;
  /** Once, also when it never was open. */
  readonly onClose: (why: string) => void;
}

const LIMITS = {
  /** HTTP/2's own 64 KiB would make a value of 1 MiB wait for sixteen round trips. */
  streamWindowBytes: 2 * 1024 * 1024,
  connectionWindowBytes: 8 * 1024 * 1024,
  listBytesMax: 64 * 1024,
  fieldsMax: 100,
  blockBytesMax: 64 * 1024,
  continuationsMax: 8,
  unsentBytesMax: 1024 * 1024,
  queuedBytesMax: 1024 * 1024,
};

const GRPC: readonly Field[] = [
  new Field('content-type', 'application/grpc'),
  new Field('te', 'trailers'),
];

export class Link implements ClientHost {
  readonly #endpoint: URL;
  readonly #events: LinkEvents;
  readonly #socket: Socket;
  readonly #writer: DirectWriter;
  readonly #wire: ClientConnection;
  /** Of each request, before its path: names with a colon come first (RFC 9113 8.3). */
  readonly #first: readonly Field[];
  #isOpen = false;
  #isAwake = false;
  #why: string | undefined;
  #onPong: (() => void) | undefined;

  /** `endpoint`: `https://10.0.0.1:7421`. Begins to connect. */
  constructor(endpoint: string, tls: EtcdTls | undefined, events: LinkEvents) {
    this.#endpoint = new URL(endpoint);
    this.#events = events;
    const { protocol, host } = this.#endpoint;
    this.#first = [
      new Field(':method', 'POST'),
      new Field(':scheme', protocol.slice(0, -1)),
      new Field(':authority', host),
    ];
    this.#socket = this.#connect(tls);
    this.#writer = new DirectWriter(this.#socket);
    this.#wire = new ClientConnection(this, LIMITS);
  }

  /** True when a request can begin. */
  get isOpen(): boolean {
    return this.#isOpen && this.#socket.writable && this.#wire.hasRoom;
  }

  get isClosed(): boolean {
    return this.#socket.destroyed;
  }

  /** Why it has ended, as far as that is known. */
  get why(): string {
    return this.#why ?? 'the connection has ended';
  }

  /** Throws `GrpcError` when none can begin: nothing was sent then. */
  ask(path: Field, fields: readonly Field[], asker: AnswerTaker): AnswerStream {
    if (!this.isOpen) throw new GrpcError('Unavailable', `${this.#endpoint.host}: ${this.why}`);
    return this.#wire.ask([...this.#first, path, ...GRPC, ...fields], asker);
  }

  /** The bytes must stay as they are until they have gone. */
  data(stream: AnswerStream, bytes: Buffer, isLast: boolean): void {
    this.#wire.data(stream, bytes, isLast);
  }

  end(stream: AnswerStream): void {
    this.#wire.end(stream);
  }

  reset(stream: AnswerStream, code: number): void {
    this.#wire.reset(stream, code);
  }

  consumed(stream: AnswerStream, bytes: number): void {
    this.#wire.consumed(stream, bytes);
  }

  /** One at a time. */
  ping(onPong: () => void): void {
    this.#onPong = onPong;
    this.#wire.ping();
  }

  /** Takes no request more, and ends when none is under way any more. */
  leave(): void {
    this.#wire.leave();
  }

  /** At once; whatever is under way ends with it. */
  destroy(why?: string): void {
    this.#why ??= why;
    this.#socket.destroy();
  }

  // ClientHost ----------------------------------------------------------------------------------------------

  readonly write = (bytes: Buffer, done: () => void): void => {
    if (this.#socket.writable) this.#writer.write(bytes, done);
    else done();
  };

  readonly unsentBytes = (): number => this.#writer.unsentBytes;

  /** Calls of one turn leave in one write. */
  wake(): void {
    if (this.#isAwake) return;
    this.#isAwake = true;
    queueMicrotask(() => {
      this.#isAwake = false;
      this.#wire.flush();
    });
  }

  ponged(): void {
    this.#onPong?.();
    this.#onPong = undefined;
  }

  left(): void {
    this.#why ??= 'the member has said good-bye';
    this.#socket.destroySoon();
  }

  failed(error: H2Error): void {
    this.#why ??= error.message;
    this.#socket.destroySoon();
  }

  #connect(tls: EtcdTls | undefined): Socket {
    const { protocol, hostname, port } = this.#endpoint;
    const isTls = protocol === 'https:';
    const host = hostname.replace(/^\[(.*)\]$/, '$1');
    const place = { host, port: Number(port) || (isTls ? 443 : 80) };
    const socket = isTls
      ? connectTls({ ...place, ...tlsOptions(tls, host), ALPNProtocols: ['h2'] })
      : connectTcp(place);
    socket.setNoDelay(true);
    socket.once(isTls ? 'secureConnect' : 'connect', () => this.#connected());
    // Whatever is under way is told by "close".
    socket.on('error', (error) => (this.#why ??= messageOf(error)));
    socket.on('end', () => socket.destroySoon());
    socket.on('close', () => {
      this.#isOpen = false;
      this.#wire.close();
      this.#events.onClose(this.why);
    });
    return socket;
  }

  #connected(): void {
    const socket = this.#socket;
    takeReads(socket, (buffer, size) => {
      this.#events.onHeard();
      this.#wire.receive(buffer.subarray(0, size));
    });
    socket.on('drain', () => this.#wire.flush());
    this.#wire.start();
    this.#isOpen = true;
    this.#events.onOpen();
  }
}

function tlsOptions(tls: EtcdTls | undefined, host: string): object {
  const servername = tls?.serverName ?? (isIP(host) === 0 ? host : undefined);
  const name = servername === undefined ? {} : { servername };
  if (tls === undefined) return name;
  const { caPem, certificatePem, keyPem } = tls;
  return { ca: caPem, cert: certificatePem, key: keyPem, minVersion: 'TLSv1.2', ...name };
}
