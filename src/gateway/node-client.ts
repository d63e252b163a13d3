/**
 * Connections to instances on other nodes: mutual TLS 1.3 to the gateways there, which lead the bytes to the instance. Before
 * the first byte of a request the other side has said that it reached it, so a failure up to there is one to connect.
 */
import {
  connect,
  type ConnectionOptions,
  createSecureContext,
  type DetailedPeerCertificate,
  type PeerCertificate,
  type SecureContext,
  type TLSSocket,
} from 'node:tls';
import type { NodeDoorConfig, UpstreamAddress } from './config.ts';
import { ConnectTurns } from './connect-turns.ts';
import type { Upstream } from './upstream.ts';

export const NODE_PROTOCOL = 'moln-instance/1';
/** Answers to the line that names an instance. */
export const REACHED = 0x2b;
export const REFUSED = 0x2d;

type NodeAddress = Extract<UpstreamAddress, { kind: 'node' }>;

export class NodeClient {
  #config: NodeDoorConfig | undefined;
  #context: SecureContext | undefined;
  /** Of the last connection to a node, so that the next one need not prove everything again. */
  readonly #sessions = new Map<string, Buffer>();
  /** What is open, and for what. */
  readonly #sockets = new Map<TLSSocket, { readonly node: string; readonly upstream: Upstream }>();
  /** By node. */
  readonly #turns = new Map<string, ConnectTurns>();

  /**
   * New connections use these credentials; what is open stays, unless the node was forgotten. Undefined: there are no other
   * nodes.
   */
  configure(config: NodeDoorConfig | undefined): void {
    const before = this.#config;
    this.#config = config;
    if (config === undefined) {
      this.#context = undefined;
      this.#sessions.clear();
      return;
    }
    const isSame = before?.cert === config.cert && before.authority === config.authority;
    if (!isSame) {
      this.#sessions.clear();
      this.#context = createSecureContext({
        cert: config.cert,
        key: config.key,
        ca: config.authority,
        minVersion: 'TLSv1.3',
      });
    }
    const revoked = new Set(config.revoked);
    // A session that goes on proves nothing anew.
    for (const node of this.#sessions.keys()) if (revoked.has(node)) this.#sessions.delete(node);
    for (const [socket, { node }] of this.#sockets) {
      if (revoked.has(node)) socket.destroy(new Error(`Node ${node} was forgotten`));
    }
  }

  /** Who makes connections to that node, and who waits for one. */
  turns(node: string): ConnectTurns {
    let turns = this.#turns.get(node);
    if (turns === undefined) {
      turns = new ConnectTurns();
      this.#turns.set(node, turns);
    }
    return turns;
  }

  /** What leads to other nodes and has a connection, or is waited for. */
  inUse(): ReadonlySet<Upstream> {
    const found = new Set<Upstream>();
    for (const { upstream } of this.#sockets.values()) found.add(upstream);
    for (const { upstreams } of this.#turns.values()) {
      for (const upstream of upstreams) found.add(upstream);
    }
    return found;
  }

  /** The socket says `secureConnect` when the other side is that node; then the instance is to be named. */
  connect(upstream: Upstream, address: NodeAddress): TLSSocket {
    const { node, host, port } = address;
    const config = this.#config;
    const context = this.#context;
    const session = this.#sessions.get(node);
    // The types of Node 24 do not know `allowHalfOpen` here; its documentation does.
    const options: ConnectionOptions & { readonly allowHalfOpen: true } = {
      host,
      port,
      allowHalfOpen: true,
      ALPNProtocols: [NODE_PROTOCOL],
      ...(context === undefined ? {} : { secureContext: context }),
      ...(session === undefined ? {} : { session }),
      checkServerIdentity: (_host, certificate) =>
        config !== undefined &&
        !config.revoked.includes(node) &&
        isNode(certificate, config.clusterId, node)
          ? undefined
          : new Error(`Another one than node ${node} answers at ${host}`),
    };
    const socket = connect(options);
    socket.setNoDelay(true);
    this.#sockets.set(socket, { node, upstream });
    socket.once('close', () => this.#sockets.delete(socket));
    this.turns(node).began(socket);
    socket.once('secureConnect', () => {
      // A server that chooses no protocol passes the handshake (RFC 7301 3.2).
      if (socket.alpnProtocol !== NODE_PROTOCOL) {
        socket.destroy(new Error(`No gateway of a node answers at ${host}`));
        return;
      }
      // Only now: the next connection with this session does not look at the certificate.
      socket.on('session', (next: Buffer) => {
        if (this.#context === context) this.#sessions.set(node, next);
      });
    });
    return socket;
  }
}

/** Whether a certificate, whose chain is good, is that node's. */
export function isNode(
  certificate: PeerCertificate | DetailedPeerCertificate,
  clusterId: string,
  node: string,
): boolean {
  return spiffeNode(certificate.subjectaltname, clusterId) === node;
}

/** The node in `URI:spiffe://<cluster>/node/<id>`, if it is of this cluster. */
export function spiffeNode(names: string | undefined, clusterId: string): string | undefined {
  const start = `URI:spiffe://${clusterId}/node/`;
  const found = (names ?? '').split(', ').filter((name) => name.startsWith('URI:'));
  const [only] = found;
  return found.length === 1 && only?.startsWith(start) === true
    ? only.slice(start.length)
    : undefined;
}
