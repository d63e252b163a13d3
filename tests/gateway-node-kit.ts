/** For the tests of requests between nodes: gateways of one cluster with real certificates, and strangers at their doors. */
import { once } from 'node:events';
import { request, type IncomingMessage, type RequestOptions } from 'node:http';
import {
  connect as connectTcp,
  createServer,
  type AddressInfo,
  type Server,
  type Socket,
} from 'node:net';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { randomId } from '../src/base/ids.ts';
import type { Clock } from '../src/base/time.ts';
import { createAuthority, issueCertificate, type KeyPair } from '../src/cluster/x509.ts';
import type { NodeDoorConfig, UpstreamConfig } from '../src/gateway/config.ts';
import { freePorts } from '../testing/free-ports.ts';
import { Client, Gateway, proxyRoute, until } from './gateway-kit.ts';

const DAY_MS = 86_400_000;
const ADDRESS = '127.0.0.1';
const PROTOCOL = 'moln-instance/1';

/** A cluster's authority, and what it signs. */
export class Authority {
  readonly clusterId: string = randomId(12);
  readonly pair: KeyPair;

  private constructor(pair: KeyPair) {
    this.pair = pair;
  }

  static async create(): Promise<Authority> {
    return new Authority(await createAuthority({ commonName: 'Test', validity: validity() }));
  }

  /** As a node's identity has it. `uris` only for those that are no node's. */
  node(id: string, uris?: readonly string[]): Promise<KeyPair> {
    return issueCertificate({
      authority: this.pair,
      commonName: id,
      validity: validity(),
      dnsNames: [id],
      addresses: [ADDRESS],
      uris: uris ?? [`spiffe://${this.clusterId}/node/${id}`],
      asClient: true,
    });
  }
}

function validity(): { readonly notBefore: number; readonly notAfter: number } {
  return { notBefore: Date.now() - DAY_MS, notAfter: Date.now() + DAY_MS };
}

/** Two nodes of one cluster, each a data plane with a door. */
export class TwoNodes implements AsyncDisposable {
  readonly authority: Authority;
  /** Where clients come in, in most tests. */
  readonly one: Gateway;
  /** Where the instances are. */
  readonly two: Gateway;

  private constructor(authority: Authority, one: Gateway, two: Gateway) {
    this.authority = authority;
    this.one = one;
    this.two = two;
  }

  static async start(options: { readonly clock?: Clock } = {}): Promise<TwoNodes> {
    const authority = await Authority.create();
    const one = await Gateway.start([], options);
    const two = await Gateway.start([], options);
    const [portOne = 0, portTwo = 0] = await freePorts(ADDRESS, 2);
    one.node = await doorOf(authority, 'one', portOne);
    two.node = await doorOf(authority, 'two', portTwo);
    return new TwoNodes(authority, one, two);
  }

  /** Clients of node one are led to these instances of node two. */
  async lead(...locals: readonly UpstreamConfig[]): Promise<void> {
    this.two.locals = locals;
    await this.two.route();
    await this.one.route(proxyRoute(locals.map(({ id }) => this.far(id))));
  }

  /** An instance of node two, as node one knows it. */
  far(id: string): UpstreamConfig {
    const port = this.two.node?.port ?? 0;
    return { id, address: { kind: 'node', node: 'two', host: ADDRESS, port } };
  }

  /** Applies changed door settings of node two. */
  async change(changes: Partial<NodeDoorConfig>): Promise<void> {
    if (this.two.node === undefined) throw new Error('Node two has no door');
    this.two.node = { ...this.two.node, ...changes };
    await this.two.route();
  }

  /** A TLS client at the door of node two, as node one unless `options` says otherwise. */
  knock(options: ConnectionOptions = {}): Knock {
    const door = this.one.node;
    const all: ConnectionOptions & { readonly allowHalfOpen: true } = {
      host: ADDRESS,
      port: this.two.node?.port ?? 0,
      cert: door?.cert,
      key: door?.key,
      ca: door?.authority,
      ALPNProtocols: [PROTOCOL],
      allowHalfOpen: true,
      checkServerIdentity: () => undefined,
      ...options,
    };
    const socket = connect(all);
    this.two.onDispose(() => socket.destroy());
    return { socket, client: new Client(socket) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.one[Symbol.asyncDispose]();
    await this.two[Symbol.asyncDispose]();
  }
}

/** In front of the door of node two: takes connections, and leads them there when it is told to. */
export class HeldDoor implements AsyncDisposable {
  /** Those that were not led on yet. */
  readonly held: Socket[] = [];
  readonly #all: Socket[] = [];
  readonly #server: Server;
  readonly #port: number;
  #isOpen = false;

  private constructor(port: number) {
    this.#port = port;
    this.#server = createServer({ pauseOnConnect: true }, (socket) => {
      this.held.push(socket);
      this.#all.push(socket);
      if (this.#isOpen) this.lead();
    });
  }

  static async start(nodes: TwoNodes): Promise<HeldDoor> {
    const door = new HeldDoor(nodes.two.node?.port ?? 0);
    await new Promise<void>((resolve) => door.#server.listen(0, ADDRESS, 1024, resolve));
    return door;
  }

  /** An instance of node two, which is reached through here. */
  far(id: string): UpstreamConfig {
    const { port } = this.#server.address() as AddressInfo;
    return { id, address: { kind: 'node', node: 'two', host: ADDRESS, port } };
  }

  /** Every connection that was begun is here. */
  async settled(): Promise<void> {
    const last = connectTcp((this.#server.address() as AddressInfo).port, ADDRESS);
    await once(last, 'connect');
    await until('the last one', () => this.held.some((one) => one.remotePort === last.localPort));
    this.held.splice(
      this.held.findIndex((one) => one.remotePort === last.localPort),
      1,
    );
    last.destroy();
  }

  leadFirst(): void {
    const near = this.held.shift();
    if (near === undefined) throw new Error('Nobody has come');
    const far = connectTcp(this.#port, ADDRESS);
    for (const socket of [near, far]) socket.on('error', () => socket.destroy());
    near.once('close', () => far.destroy());
    far.once('close', () => near.destroy());
    near.pipe(far);
    far.pipe(near);
  }

  /** All, and whoever comes from now on. */
  lead(): void {
    this.#isOpen = true;
    while (this.held.length > 0) this.leadFirst();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#all) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

export interface Knock {
  readonly socket: TLSSocket;
  readonly client: Client;
}

export async function doorOf(
  authority: Authority,
  id: string,
  port: number,
): Promise<NodeDoorConfig> {
  const pair = await authority.node(id);
  return {
    address: ADDRESS,
    port,
    cert: pair.certificatePem,
    key: pair.keyPem,
    authority: authority.pair.certificatePem,
    clusterId: authority.clusterId,
    revoked: [],
    silent: [],
  };
}

/** Asks a gateway; the body is the caller's to read, and the request's to write unless it is given. */
export function ask(
  gateway: Gateway,
  options: RequestOptions & { readonly send?: string | NodeJS.ReadableStream } = {},
): Promise<IncomingMessage> {
  const { send, ...rest } = options;
  return new Promise((resolve, reject) => {
    const sent = request({ port: gateway.port, host: ADDRESS, agent: false, ...rest }, resolve);
    sent.on('error', reject);
    if (typeof send === 'object') send.pipe(sent);
    else sent.end(send);
  });
}

/** Status and body of an answer. */
export async function answer(
  gateway: Gateway,
  options?: Parameters<typeof ask>[1],
): Promise<{ readonly status: number; readonly text: string }> {
  const response = await ask(gateway, options);
  let text = '';
  for await (const chunk of response) text += String(chunk);
  return { status: response.statusCode ?? 0, text };
}
