/** For tests of HTTP/2: a gateway with certificates, a client that trusts them, and one that sends raw frames. */
import { createHash } from 'node:crypto';
import {
  connect as connectH2,
  type ClientHttp2Session,
  type IncomingHttpHeaders,
} from 'node:http2';
import { connect, type TLSSocket } from 'node:tls';
import { type Logger, silentLogger } from '../src/base/log.ts';
import { createAuthority, issueCertificate, type KeyPair } from '../src/cluster/x509.ts';
import type { GatewayLimits, ListenerConfig, RouteConfig } from '../src/gateway/config.ts';
import { Gateway, until } from './gateway-kit.ts';

const DAY_MS = 86_400_000;
export const VALIDITY: { readonly notBefore: number; readonly notAfter: number } = {
  notBefore: Date.now() - DAY_MS,
  notAfter: Date.now() + DAY_MS,
};

export const AUTHORITY: KeyPair = await createAuthority({
  commonName: 'Test',
  validity: VALIDITY,
});

export async function issue(
  names: readonly string[],
  validity: { readonly notBefore: number; readonly notAfter: number } = VALIDITY,
  addresses: readonly string[] = [],
): Promise<{ readonly cert: string; readonly key: string }> {
  const pair = await issueCertificate({
    authority: AUTHORITY,
    commonName: names[0] ?? 'app',
    validity,
    dnsNames: [...names],
    addresses: [...addresses],
    uris: [],
    asClient: false,
  });
  return { cert: pair.certificatePem, key: pair.keyPem };
}

export function httpsListener(
  tls: ListenerConfig['tls'],
  more: Partial<ListenerConfig> = {},
): ListenerConfig {
  return {
    id: 'http',
    address: '127.0.0.1',
    port: 0,
    protocol: 'https',
    ...(tls === undefined ? {} : { tls }),
    ...more,
  };
}

/** For `a.example`. */
export async function startH2(
  routes: readonly RouteConfig[],
  limits: Partial<GatewayLimits> = {},
  log: Logger = silentLogger,
): Promise<Gateway> {
  const tls = await issue(['a.example']);
  return Gateway.start(routes, { listeners: [httpsListener(tls)], limits, log });
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly interim: readonly number[];
  readonly trailers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** Of RST_STREAM. */
  readonly code: number;
}

export class H2Client {
  readonly session: ClientHttp2Session;

  constructor(gateway: Gateway) {
    this.session = connectH2('https://a.example', {
      createConnection: () => dialTls(gateway, ['h2']),
    });
    this.session.on('error', () => undefined);
    gateway.onDispose(() => this.session.destroy());
  }

  get(path: string, headers: Record<string, string | string[]> = {}): Promise<Answer> {
    return this.ask({ ':path': path, ...headers });
  }

  ask(
    headers: Record<string, string | string[]>,
    body?: Buffer | string,
    trailers?: Record<string, string>,
  ): Promise<Answer> {
    const stream = this.session.request(
      { ':authority': 'a.example', ...headers },
      { endStream: body === undefined, waitForTrailers: trailers !== undefined },
    );
    if (trailers !== undefined) stream.on('wantTrailers', () => stream.sendTrailers(trailers));
    if (body !== undefined) stream.end(body);
    const seen: Buffer[] = [];
    const interim: number[] = [];
    let head: IncomingHttpHeaders = {};
    let end: IncomingHttpHeaders = {};
    stream.on('headers', (fields) => interim.push(Number(fields[':status'])));
    stream.on('response', (fields) => {
      head = fields;
    });
    stream.on('trailers', (fields) => {
      end = fields;
    });
    stream.on('data', (chunk: Buffer) => seen.push(chunk));
    stream.on('error', () => undefined);
    return new Promise((resolve) => {
      stream.on('close', () => {
        resolve({
          status: Number(head[':status'] ?? 0),
          headers: head,
          interim,
          trailers: end,
          body: Buffer.concat(seen),
          code: stream.rstCode ?? 0,
        });
      });
    });
  }
}

export function dialTls(
  gateway: Gateway,
  protocols: readonly string[],
  servername = 'a.example',
): TLSSocket {
  const socket = connect({
    port: gateway.port,
    host: '127.0.0.1',
    servername,
    ca: AUTHORITY.certificatePem,
    ALPNProtocols: [...protocols],
  });
  socket.on('error', () => undefined);
  gateway.onDispose(() => socket.destroy());
  return socket;
}

export const FRAME = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  continuation: 9,
} as const;
export const FLAG = { endStream: 1, ack: 1, endHeaders: 4 } as const;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

export function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** HPACK without table and Huffman (RFC 7541 6.2.2). */
export function fieldBlock(fields: readonly (readonly [string, string])[]): Buffer {
  const parts = fields.flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]);
  return Buffer.concat(parts);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1');
  if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  const length = [127];
  let rest = bytes.length - 127;
  for (; rest >= 128; rest = Math.floor(rest / 128)) length.push((rest % 128) + 128);
  return Buffer.concat([Buffer.from([...length, rest]), bytes]);
}

export const GET: readonly (readonly [string, string])[] = [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':authority', 'a.example'],
  [':path', '/'],
];

/** Sends any frames, and keeps those that come. */
export class RawH2 {
  readonly socket: TLSSocket;
  readonly frames: Frame[] = [];
  ended = false;
  private rest: Buffer = Buffer.alloc(0);

  constructor(gateway: Gateway) {
    this.socket = dialTls(gateway, ['h2']);
    this.socket.on('data', (chunk: Buffer) => this.take(chunk));
    this.socket.on('close', () => {
      this.ended = true;
    });
    this.socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    this.send(FRAME.settings, 0, 0, Buffer.alloc(0));
  }

  send(type: number, flags: number, stream: number, payload: Buffer): void {
    this.socket.write(frame(type, flags, stream, payload));
  }

  ask(stream: number, fields: readonly (readonly [string, string])[]): void {
    this.send(FRAME.headers, FLAG.endHeaders + FLAG.endStream, stream, fieldBlock(fields));
  }

  async see(type: number, stream = 0): Promise<Frame> {
    let found: Frame | undefined;
    await until(`frame ${type} of stream ${stream}`, () => {
      found = this.frames.find((one) => one.type === type && one.stream === stream);
      return found !== undefined || this.ended;
    });
    if (found === undefined) throw new Error(`The connection ended without frame ${type}`);
    return found;
  }

  /** Acknowledgements of PING or SETTINGS. */
  answers(type: number): number {
    return this.frames.filter((one) => one.type === type && one.flags === FLAG.ack).length;
  }

  /** The last words of the gateway may be lost, when more was on its way to it. */
  gone(): Promise<void> {
    return until('the end of the connection', () => this.ended);
  }

  private take(chunk: Buffer): void {
    this.rest = Buffer.concat([this.rest, chunk]);
    while (this.rest.length >= 9) {
      const end = 9 + this.rest.readUIntBE(0, 3);
      if (this.rest.length < end) return;
      const [type = 0, flags = 0] = this.rest.subarray(3, 5);
      const stream = this.rest.readUInt32BE(5);
      this.frames.push({ type, flags, stream, payload: this.rest.subarray(9, end) });
      this.rest = this.rest.subarray(end);
    }
  }
}

/** RFC 6455 4.2.2. */
export function acceptOf(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
}
